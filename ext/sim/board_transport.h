/* The simulated board as a transport of the engine (ext/engine/transport.h), paced to the wall clock or free-running. */
#ifndef TINYMUX_SIM_BOARD_TRANSPORT_H
#define TINYMUX_SIM_BOARD_TRANSPORT_H
#include "board.h"
#include "transport.h"
#include <pthread.h>
#include <stdbool.h>

struct board_transport {
    struct transport transport; /* first: the engine gets this */
    struct board *board;
    pthread_mutex_t lock;  /* recursive; held around every use of the board: Python looks at it from other threads */
    bool paced;
    uint64_t origin_ns;    /* paced: CLOCK_MONOTONIC at board time 0 */
    uint64_t arrears_ns;   /* wall time given up because the board was more than 50 ms late */
    uint32_t expected;     /* IN packets: one for each OUT packet */
    uint64_t submitted, received;
    bool gone;             /* the device has left its address since it was enumerated */
    uint64_t silent;       /* of the host's, when it was */
};

/* The board must outlive the transport. depth: OUT packets under way, 1-64. 0, or -EINVAL. */
int board_transport_init(struct board_transport *, struct board *, bool paced, unsigned depth);
void board_transport_free(struct board_transport *);
/* Plug in and enumerate, after a power cycle if asked for; packets under way are lost. 0, or the first error. */
int board_transport_connect(struct board_transport *, bool power_cycle);
/* For all who use the board beside the engine. */
void board_transport_lock(struct board_transport *);
void board_transport_unlock(struct board_transport *);
#endif
