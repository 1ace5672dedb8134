/* What the engine counts, by name: the one list behind the C structs and the dicts that Python sees.
 *
 * One thread writes a counter, any thread may read it: plain 64-bit numbers, moved by relaxed atomics, which cost
 * nothing over a plain move. "out" is towards the tiny, "in" is from it.
 */
#ifndef TINYMUX_COUNTERS_H
#define TINYMUX_COUNTERS_H
#include <stdint.h>

#define LANE_COUNTERS(X)                                                                                     \
    X(packets_out)    /* packets sent whole */                                                               \
    X(bytes_out)      /* their bytes, as IP counts them */                                                   \
    X(packets_in)     /* good packets; some of them may then be a drop_tun_... */                              \
    X(bytes_in)                                                                                              \
    X(collisions)     /* frames that were given up: the lane was not as driven, or the tiny talked as well */ \
    X(resyncs)        /* lone ENDs sent to find a common start again */                                      \
    X(silences)       /* packets that call for an answer and got none within the listen window */            \
    X(suspect)        /* times the lane was silent for too many packets in a row, or talked without end */   \
    X(resets)         /* times the tiny was put into reset */                                                \
    X(acks_offloaded) /* bare TCP ACKs that were not sent, option offload_acks */                            \
    X(drop_collision) /* out: every try collided */                                                          \
    X(drop_oversize)  /* longer than the MTU, out or in */                                                   \
    X(drop_slip)      /* in: an ESC that is followed by neither ESC_END nor ESC_ESC */                       \
    X(drop_stalled)   /* in: a frame that stopped before its END */                                          \
    X(drop_version)   /* in: neither IPv4 nor IPv6 */                                                        \
    X(drop_length)    /* in: shorter than its header, or the total length is not the frame's */              \
    X(drop_checksum)  /* in: wrong IPv4 header checksum */                                                   \
    X(drop_tun_full)  /* in: a good packet, but the tun took no more */                                      \
    X(drop_tun_down)  /* in: a good packet, but the tun is down, gone or refused it */

#define BOARD_COUNTERS(X)                                                                                    \
    X(planes_both)  /* planes run that were driven and sampled */                                            \
    X(planes_tx)    /* driven only */                                                                        \
    X(planes_rx)    /* sampled only */                                                                       \
    X(planes_idle)  /* idle runs */                                                                          \
    X(packets_out)  /* USB packets to the board */                                                           \
    X(packets_in)   /* USB packets from the board */                                                         \
    X(bad_packets)  /* IN packets that do not answer the OUT packet whose turn it was */                     \
    X(scans)        /* idle runs that looked for tinies which talk unasked */                                \
    X(starts)       /* times the clock was started because there was something to do */

#define COUNTER_FIELD(name) uint64_t name;
struct lane_counters { LANE_COUNTERS(COUNTER_FIELD) };
struct board_counters { BOARD_COUNTERS(COUNTER_FIELD) };
#undef COUNTER_FIELD

/* Only by the thread that owns the counter. */
#define COUNT_BY(counter, n) __atomic_store_n(&(counter), (counter) + (n), __ATOMIC_RELAXED)
#define COUNT(counter) COUNT_BY(counter, 1)
/* By any thread. */
#define COUNTED(counter) __atomic_load_n(&(counter), __ATOMIC_RELAXED)

#endif
