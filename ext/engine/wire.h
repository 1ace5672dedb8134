/* A board link without tuns and without a thread: packets in, packets out, and board time that passes only when told.
 * For tests and benchmarks; the same calls give the same planes. */
#ifndef TINYMUX_WIRE_H
#define TINYMUX_WIRE_H
#include "board_link.h"

struct wire; /* opaque */

/* Called for each good packet instead of queueing it, from wire_run; it may call wire_send. */
typedef void wire_packet_fn(void *context, unsigned lane, const uint8_t *packet, unsigned length);

/* The tinies of `lanes` are started, the others held in reset. NULL: *error says why, a negative errno. */
struct wire *wire_new(struct transport *, const struct options *, uint16_t lanes, int *error);
void wire_free(struct wire *);
void wire_hook(struct wire *, wire_packet_fn *, void *context);

/* Queue a packet. 0, -EMSGSIZE beyond MTU_MAX, -ENOMEM. */
int wire_send(struct wire *, unsigned lane, const uint8_t *packet, unsigned length);
/* The next packet that came and its lane: its length, or -EAGAIN. `packet` has room for MTU_MAX. */
int wire_receive(struct wire *, unsigned *lane, uint8_t *packet);

/* Let board time pass until that many planes have come back, that many ns have passed, nothing is left to do, or, if
 * asked for, a packet has come. 0, -ENODEV, -ETIMEDOUT: board time stands although there is something to do. */
int wire_run(struct wire *, uint64_t planes, uint64_t ns, bool until_packet);

struct board_link *wire_link(struct wire *);
const struct lane_counters *wire_lane_counters(const struct wire *, unsigned lane);
const struct board_counters *wire_board_counters(const struct wire *);

#endif
