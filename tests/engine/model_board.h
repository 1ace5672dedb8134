/* A board to test the engine with: pump and sixteen echo tinies, one bit at a time, as plainly as can be.
 *
 * It shares nothing with the engine but the contract (transport.h, protocol.toml, SLIP, the bits on a lane). Its
 * tinies answer each good IPv4 packet with the packet itself, addresses swapped, and drop everything else in silence.
 */
#ifndef MODEL_BOARD_H
#define MODEL_BOARD_H
#include "protocol.h"
#include "transport.h"
#include "wiring.h"
#include <stdbool.h>

enum { MODEL_BUFFER = 4096, MODEL_FLIPS = 64 };

enum flip { FLIP_HOST = 1, FLIP_TINY = 2, FLIP_BOTH = 3 }; /* who sees the wrong level */

/* What a test can set about a tiny, and what it saw, by name. Times are in planes. */
#define MODEL_TINY(X)                                                                       \
    X(mute)        /* never answers */                                                      \
    X(stuck_low)   /* drives its lane low for ever */                                       \
    X(leading_end) /* begins its frames with an END */                                      \
    X(think)       /* from an END to the answer's first start bit */                        \
    X(pause)       /* after each byte that it sends */                                      \
    X(needs)       /* after each byte that it gets; what comes sooner is lost */            \
    X(chatter)     /* after that many planes it talks unasked; counts down, 0: never */     \
    X(jabber)      /* after that many planes it sends bytes without an END, for ever */     \
    X(frames)      /* that came, not empty */                                               \
    X(echoes)      /* that it answered */                                                   \
    X(bad)         /* that were no good packet */                                           \
    X(lost)        /* bytes that came too soon */                                           \
    X(clashes)     /* bits that it drove while the host drove too */

#define MODEL_NAME(name) MODEL_##name,
enum { MODEL_TINY(MODEL_NAME) MODEL_NUMBERS };

struct model_tiny {
    enum { TINY_HELD, TINY_HEARS, TINY_THINKS, TINY_TALKS } state;
    bool escape, overrun;
    unsigned bits, byte; /* of the byte under way */
    unsigned length, at, wait;
    uint8_t packet[MODEL_BUFFER], frame[MODEL_BUFFER];
    bool level; /* false: the tiny drives its lane low */
    uint64_t numbers[MODEL_NUMBERS];
};

struct model_board {
    struct transport transport; /* first: the engine is given its address */
    uint16_t resets, last;      /* as in REQUEST_RESETS; levels of the last plane */
    uint64_t plane;             /* planes run */
    unsigned first, count;
    struct {
        uint8_t bytes[64];
        unsigned length;
    } queue[64];
    unsigned burst; /* packets that one service hands over at most */
    bool gone, refuse_next;
    struct {
        uint64_t plane;
        unsigned lane, who;
    } flips[MODEL_FLIPS];
    unsigned flip_count;
    uint64_t controls;
    struct model_tiny tinies[LANES];
};

/* A model at its start. To be freed with free(). */
struct model_board *model_new(unsigned depth);
/* At this plane, this lane's level is seen wrong by some. */
void model_flip(struct model_board *, unsigned lane, uint64_t plane, unsigned who);
/* The number of this name, of a tiny; NULL: there is none. */
uint64_t *model_number(struct model_board *, unsigned lane, const char *name);
uint64_t model_plane(const struct model_board *);
uint16_t model_resets(const struct model_board *);
void model_unplug(struct model_board *);
void model_refuse_next(struct model_board *);
/* Packets that one service hands over at most; 1 at first. */
void model_burst(struct model_board *, unsigned packets);
#endif
