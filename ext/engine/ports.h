/* The engine's boards, and their lanes' ends at the kernel. For engine.c and ports.c only. */
#ifndef TINYMUX_PORTS_H
#define TINYMUX_PORTS_H
#include "engine.h"
#include "loop.h"
#include "tun.h"

struct engine_board;

/* A lane's tun on the loop. */
struct port {
    struct loop_source source; /* the tun's fd; -1: none */
    struct engine_board *board;
    uint8_t lane;
    int interface; /* its number in the capture; -1: none */
    struct tun tun;
    bool watched;    /* by epoll */
    unsigned streak; /* packets read since it was last empty */
    unsigned dried;  /* the board's turn at which it was */
};

struct engine_board {
    struct loop_task task;
    struct loop_source wire; /* the link's fd */
    struct engine *engine;
    struct loop *loop; /* the board's thread, for good */
    int number;
    bool gone;
    uint16_t dry; /* lanes that are not watched and were empty when last read */
    unsigned turn;
    struct link *link;
    struct port ports[LANES];
};

struct engine {
    struct loop loops[ENGINE_THREADS];
    unsigned threads; /* of these */
    bool pinned;
    pthread_mutex_t lock; /* for starting, stopping, adding boards and the choice of the capture */
    struct engine_board *boards[ENGINE_BOARDS];
    int count;
    struct capture *capture; /* NULL: none */
    pthread_mutex_t capture_lock; /* where several threads hand packets over */
    struct events events;
};

/* What the ports do for a board's link. The context is the board. */
extern const struct link_owner ports_owner;

/* Without tuns. */
void ports_init(struct engine_board *);
/* Duplicate fd for this port, in place of what it had, and let the loop wait for it. 0, or a negative errno. */
int port_open(struct port *, int fd);
void port_close(struct port *);
/* Its tun may have a packet for the lane. */
void port_wake(struct port *);

/* After each of the link's runs. */
void ports_rest(struct engine_board *);

/* Have the board's owner told. lane -1: all of it. */
void board_tell(struct engine_board *, enum engine_event_kind, int lane, int error);

#endif
