/* Between board_link.c and link_runs.c: runs of planes, what goes out and what comes back. */
#ifndef TINYMUX_LINK_RUNS_H
#define TINYMUX_LINK_RUNS_H
#include "board_link.h"

static inline uint16_t lane_bit(unsigned lane)
{
    return (uint16_t)(1u << lane);
}

/* A loop over the lanes of a mask. */
#define EACH_LANE(lane, mask) \
    for (unsigned left = (mask), lane; left && (lane = (unsigned)__builtin_ctz(left), true); left &= left - 1)

/* The board is lost, by this negative errno, which is returned. */
int link_gone(struct board_link *, int error);

/* After anything that may have changed a lane's phase. */
void link_note(struct board_link *, unsigned lane);

/* Lanes that need the clock: they have something to say, are waiting for something, or are being programmed. */
uint16_t link_needy(const struct board_link *);

/* Keep the pump busy as long as there is something to do. */
void link_fill(struct board_link *);

/* Let the clock run with all lanes released until somebody talks, for up to 256 * n planes. */
bool link_submit_idle(struct board_link *, uint8_t n);

/* The transport's IN packets. `context` is the link. */
transport_in_fn link_take_in;

#endif
