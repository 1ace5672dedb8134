/* Faults around any link: packets are lost, damaged, late, doubled or out of order, both ways, as the seed has it. */
#ifndef TINYMUX_FAULTS_H
#define TINYMUX_FAULTS_H
#include "link.h"

/* X(name): probabilities per packet, from 0 to 1; each is decided for itself, but a packet that is lost meets nothing
 * else, and one that is late is not overtaken as well. The seed decides for each lane and direction by itself: the n-th
 * packet there meets the same whenever it comes and whatever others do. */
#define FAULT_KINDS(X)                                                                                \
    X(drop)      /* the packet is lost */                                                              \
    X(corrupt)   /* one bit is inverted */                                                             \
    X(byte_loss) /* one byte is missing, as where a serial port overruns */                            \
    X(duplicate) /* it comes twice */                                                                  \
    X(reorder)   /* it comes after the one that follows it, or after REORDER_NS if none does */        \
    X(delay)     /* it comes `delay_ns` later; those behind it do not wait */

#define FAULT_FIELD(name) double name;
#define FAULT_COUNTER(name) uint64_t name;

struct fault_rates {
    FAULT_KINDS(FAULT_FIELD)
    uint64_t delay_ns, seed;
};

/* How often each happened. `overrun`: packets that were to be held and found no room, and were lost. */
struct fault_counters {
    FAULT_KINDS(FAULT_COUNTER)
    uint64_t overrun;
};
#undef FAULT_FIELD
#undef FAULT_COUNTER

/* The inner link with faults, which owns it from then on. What is damaged on its way in is looked at again, and counted
 * as if the link had been so bad by itself. NULL: -ENOMEM. */
struct link *faults_around(struct link *, const struct fault_rates *);

/* Of a link that faults_around made. To be read with COUNTED. */
const struct fault_counters *faults_counters(const struct link *);

#endif
