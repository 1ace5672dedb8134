/* A link: up to sixteen lanes that take packets and give packets, whatever they are made of.
 *
 * A board link (planes), ttys and synthetic boards are links; a link with faults is one around another. The engine's
 * thread is the only caller. Nothing blocks, and a packet is taken only when it can be sent: until then it waits where
 * it came from.
 */
#ifndef TINYMUX_LINK_H
#define TINYMUX_LINK_H
#include "board_link.h"

enum link_trouble {
    LINK_SUSPECT, /* a lane answers nothing */
    LINK_STUCK,   /* ... or makes no sense */
    LINK_GONE,    /* ... or is gone, with an errno */
};

/* What the owner of a link does for it, called from `run`. */
struct link_owner {
    /* The next packet for a lane: its length, or a negative errno for none (`wake` tells of the next). */
    int (*take)(void *context, unsigned lane, uint8_t *packet, unsigned size);
    /* A good packet from a lane. It may call `wake`. */
    void (*give)(void *context, unsigned lane, const uint8_t *packet, unsigned length);
    /* Told once, until it is well again. */
    void (*trouble)(void *context, unsigned lane, enum link_trouble, int error);
};

struct link {
    const struct link_ops *ops;
    const struct link_owner *owner; /* set, with its context and the mtu, before the first call */
    void *context;
    unsigned mtu;             /* bytes in a packet, each way */
    int fd;                   /* readable when `run` has work; -1: none, deadline tells */
    struct board_link *board; /* for what only boards can do; NULL: it is none */
    struct lane_counters *lanes[LANES];
    struct board_counters *counters;
};

struct link_ops {
    /* `take` has a packet for the lane. */
    void (*wake)(struct link *, unsigned lane);
    /* Do what can be done now, a bounded amount of it. `now_ns` is CLOCK_MONOTONIC. Negative: the link is gone. */
    int (*run)(struct link *, uint64_t now_ns);
    /* When run wants to be called again, CLOCK_MONOTONIC ns; 0: at once; UINT64_MAX: when fd is readable or it is woken. */
    uint64_t (*deadline)(struct link *);
    /* Let packets flow on a lane; one that is open stays so. 0; -ENXIO: there is no such lane; or a negative errno. */
    int (*open_lane)(struct link *, unsigned lane);
    int (*close_lane)(struct link *, unsigned lane);
    /* Start a lane anew. */
    int (*reset_lane)(struct link *, unsigned lane);
    /* Another file for a lane, whose own one is gone or not: it is duplicated, and what was half sent or half received
     * is lost. 0; -ENXIO: there is no such lane; or a negative errno. NULL: lanes of this link are no files. */
    int (*replace_lane)(struct link *, unsigned lane, int fd);
    /* The link's end: nothing is sent or taken any more. */
    void (*close)(struct link *);
    /* And its memory, fds included. */
    void (*free)(struct link *);
};

static inline unsigned link_bit(unsigned lane)
{
    return 1u << lane;
}

/* Each lane of a set of bits, as it was at the start. */
#define EACH_LANE_OF(lane, set) \
    for (unsigned left = (set), lane; left && (lane = (unsigned)__builtin_ctz(left), true); left &= left - 1)

/* A board as a link. NULL: *error as board_link_open's, or -ENOMEM. */
struct link *link_of_board(struct transport *, const struct options *, int *error);

#endif
