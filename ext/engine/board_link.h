/* Sixteen lanes over one transport: builds OUT packets of planes, takes the IN packets that answer them in order.
 *
 * The clock stands, and nothing is asked of the USB, while no lane has anything to say. While it runs, as few packets
 * are under way as keep the pump busy (options.depth), because what a lane hears can change only what is not yet built.
 * A sampled plane is the level before the plane of the same number is driven: it echoes the one before.
 */
#ifndef TINYMUX_BOARD_LINK_H
#define TINYMUX_BOARD_LINK_H
#include "duplex.h"
#include "lane.h"
#include "protocol.h"
#include "tpi.h"
#include "transport.h"
#include "wiring.h"

/* What the owner of a link does for it, called from board_link_run. */
struct link_client {
    /* The next packet for a lane: its length, or a negative errno for none (board_link_wake tells of the next). */
    int (*take)(void *context, unsigned lane, uint8_t *packet, unsigned size);
    /* A good packet from a lane. It may call board_link_wake. */
    void (*give)(void *context, unsigned lane, const uint8_t *packet, unsigned length);
    void (*news)(void *context, unsigned lane, enum lane_news);
};

/* Where the lanes are, as far as the choice of runs goes. */
enum link_class {
    LINK_OFF,     /* closed, or stuck: nothing to say that makes sense */
    LINK_RESTING, /* may begin, has nothing */
    LINK_LOADED,  /* may begin, has a packet */
    LINK_SENDING, /* more than its frame's END is left */
    LINK_ENDING,  /* only the END is left */
    LINK_HEARING, /* something comes, or may come */
    LINK_CLASSES,
};

enum { LINK_BLOCK = 64 }; /* bytes: the planes of a packet, and idle ones behind them */

/* One OUT packet that is not answered yet. Sampled planes are one plane late. */
struct link_run {
    uint8_t opcode, planes;
    uint16_t driving;             /* lanes that frames were driven on, as sampled */
    uint16_t before;              /* ... in the first of the sampled planes */
    uint8_t expected[LINK_BLOCK]; /* what is sampled where nobody but the host drives */
    uint64_t driven[LANES];       /* planes that carry a frame, not yet late; of driving lanes only */
};

enum { LINK_RUNS = 64 }; /* more than any depth */

struct board_link {
    struct transport *transport;
    const struct link_client *client;
    void *context;
    struct options options;
    struct board_counters counters;
    int error;         /* why the board is gone, 0 while it is there */
    uint64_t built;    /* planes scheduled since the start */
    uint64_t ticks;    /* ... and the time that they take, as tpi.h counts it */
    uint64_t heard;    /* of these, planes that have come back */
    uint16_t open;     /* lanes whose tiny runs or starts */
    uint16_t starting; /* of these, those that are not ready yet */
    uint16_t waiting;  /* lanes for which `take` may have a packet */
    uint16_t busy;     /* lanes that need the clock */
    uint16_t stuck;    /* lanes that have nothing to say that makes sense */
    uint16_t at[LINK_CLASSES]; /* lanes of each class */
    uint8_t class[LANES];
    uint16_t taken;       /* lanes that are out of service for TPI (programming.h) */
    uint16_t programming; /* of these, those with a job that runs */
    uint16_t resume;      /* ... that are to be started when they are given back */
    struct duplex duplex;
    uint16_t last_sent, last_driven; /* the plane before the next one to be built */
    uint64_t ready_ns[LANES];        /* board time at which a starting lane is ready */
    uint64_t scan_ns;                /* monotonic time of the next look for tinies that talk unasked */
    unsigned depth, first, under_way; /* in `runs`, of which so many are used */
    struct link_run runs[LINK_RUNS];
    struct lane lanes[LANES];
    struct tpi tpi[LANES];
};

/* Check the board's protocol version and hold all tinies in reset. The link is zeroed memory with options set. 0;
 * -EPROTO: another protocol; or what the transport says. */
int board_link_open(struct board_link *, struct transport *, const struct link_client *, void *context);

/* Go on with another transport: what was under way is lost, lanes that were open are started anew. Errors as
 * board_link_open's. */
int board_link_reopen(struct board_link *, struct transport *);

/* Hold all tinies in reset and wait for the packets under way, at most a second. For a board that is gone: nothing. */
void board_link_close(struct board_link *);

/* Let a tiny run; after options.startup_ms its lane takes packets. Where it runs already it is reset; where it is taken
 * for TPI, this waits until it is given back. 0 or the transport's error. */
int board_link_start_lane(struct board_link *, unsigned lane);
/* Hold a tiny in reset. */
int board_link_stop_lane(struct board_link *, unsigned lane);
/* Hold the tinies of the lanes that are not open in reset, let the others run. 0 or the transport's error. */
int board_link_write_resets(struct board_link *);

/* `take` has a packet for the lane. */
static inline void board_link_wake(struct board_link *link, unsigned lane)
{
    link->waiting |= (uint16_t)(1u << lane);
}

/* Do what can be done now. `now_ns` is CLOCK_MONOTONIC. IN packets handled, or -ENODEV: the board is gone. */
int board_link_run(struct board_link *, uint64_t now_ns);

/* When board_link_run wants to be called again, CLOCK_MONOTONIC ns; 0: at once; UINT64_MAX: when the transport's fd is
 * readable, or after board_link_wake. */
uint64_t board_link_deadline(struct board_link *);

/* Nothing is under way and nothing waits: the clock stands. */
bool board_link_rests(const struct board_link *);

#endif
