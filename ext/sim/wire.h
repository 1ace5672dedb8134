/* A wire as its readers see it: the times of its edges, pushed once by whoever drives it, consumed by each reader at
 * its own pace. Levels alternate, so edge number n alone tells the level behind it. */
#ifndef TINYMUX_SIM_WIRE_H
#define TINYMUX_SIM_WIRE_H
#include <assert.h>
#include <stdint.h>
#include <stdbool.h>

enum { WIRE_EDGES = 1024 }; /* a reader may be this many edges late, no more */

struct wire {
    uint64_t count;          /* edges so far */
    bool first;              /* level before edge 0 */
    uint64_t at[WIRE_EDGES]; /* ps, board time, ascending */
};

/* Level once `edges` edges have passed. */
static inline bool wire_level(const struct wire *wire, uint64_t edges)
{
    return wire->first ^ (edges & 1);
}

/* The wire has this level from `time` on; no edge if it had it before. */
static inline void wire_set(struct wire *wire, uint64_t time, bool level)
{
    if (level != wire_level(wire, wire->count))
        wire->at[wire->count++ % WIRE_EDGES] = time;
}

/* Time of a reader's next edge, UINT64_MAX if there is none yet. */
static inline uint64_t wire_next(const struct wire *wire, uint64_t seen)
{
    assert(wire->count - seen <= WIRE_EDGES);
    return seen == wire->count ? UINT64_MAX : wire->at[seen % WIRE_EDGES];
}

/* How many edges have passed at `time`, for a reader that has seen `seen`. */
static inline uint64_t wire_seen(const struct wire *wire, uint64_t seen, uint64_t time)
{
    while (wire_next(wire, seen) <= time)
        seen++;
    return seen;
}

#endif
