/* What happened in the engine, on its way from the loop's thread to whoever decides about it: a bounded queue with a
 * file descriptor. Any thread may call. */
#ifndef TINYMUX_EVENTS_H
#define TINYMUX_EVENTS_H
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

enum { EVENTS = 256 };

/* Told once, until it is well again. X(name) */
#define ENGINE_EVENTS(X)                                                                     \
    X(board_gone) /* `error` from its transport; its lanes are dead */                       \
    X(suspect)    /* the lane left option `suspect` packets in a row unanswered */            \
    X(stuck)      /* the lane is held low, or talks without an END */                         \
    X(lane_gone)  /* `error` from the serial port that the lane is; the others go on */       \
    X(tun_error)  /* `error` from reading or writing the lane's tun; packets are dropped */

#define EVENT_NAME(name) EVENT_##name,
enum engine_event_kind { ENGINE_EVENTS(EVENT_NAME) };
#undef EVENT_NAME

struct engine_event {
    enum engine_event_kind kind;
    int board, lane, error; /* lane -1: the board as a whole; error: an errno, or 0 */
};

struct events {
    int fd; /* readable while there are some */
    pthread_mutex_t lock; /* for what follows */
    struct engine_event queue[EVENTS];
    unsigned first, count;
    uint64_t lost;
};

/* 0, or a negative errno. */
int events_init(struct events *);
void events_free(struct events *);

/* Lost, and counted, where EVENTS of them wait. */
void events_put(struct events *, struct engine_event);
/* false: none. */
bool events_take(struct events *, struct engine_event *);
uint64_t events_lost(struct events *);

#endif
