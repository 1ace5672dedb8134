/* What can be tuned, by name: the one list behind the C struct, its defaults and bounds, and Python's keywords. */
#ifndef TINYMUX_OPTIONS_H
#define TINYMUX_OPTIONS_H
#include <stdint.h>

#define MTU_MAX 1500 /* bytes; buffers are sized for it */

/* X(name, default, least, most): planes, unless it says otherwise. Which gaps a tiny can follow is its program's affair
 * (avr/README.md): the defaults leave it 66 cycles between two bytes at 7.2 MHz, the slowest that the datasheet allows,
 * with the firmware's planes of 49 cycles and, one way, ours of 30. */
#define OPTIONS(X)                                                                                                    \
    X(gap, 2, 0, 7)              /* idle planes after each byte to a tiny */                                          \
    X(gap_tx, 4, 0, 7)           /* ... in runs that only drive, whose planes are shorter */                          \
    X(listen, 96, 1, 65535)      /* after a frame's END: how long the answer may take to begin */                     \
    X(turnaround, 64, 1, 65535)  /* silence after an answer's END, or a packet that gets none, before the next */     \
    X(stall, 128, 9, 65535)      /* silence within a frame from a tiny that ends it */                                \
    X(resync, 10, 9, 65535)      /* silence before the lone END: nine end any byte a tiny may be in */                \
    X(leading_end, 0, 0, 1)      /* 1: each frame starts with an END of its own (RFC 1055), not only after doubt */   \
    X(tries, 2, 1, 255)          /* times a frame is sent before collisions drop it */                                \
    X(suspect, 4, 1, 65535)      /* unanswered packets in a row that make a lane suspect */                           \
    X(mtu, MTU_MAX, 28, MTU_MAX) /* bytes in a packet, each way */                                                    \
    X(depth, 4, 1, 64)           /* OUT packets under way: as few as keep the pump busy, each costs 31 planes of      \
                                    latency at every turnaround */                                                    \
    X(duplex, 1, 0, 1)           /* 1: runs that only drive or only sample where that is faster, see duplex.h */      \
    X(padding_tx, 0x0104, 0, 65535) /* loops of 3 cycles while the clock is low, + 256 * while it is high, in runs    \
                                    that only drive, with duplex; 0: as the firmware has it (atmega/README.md) */     \
    X(padding_rx, 0x0203, 0, 65535) /* ... that only sample */                                                        \
    X(offload_acks, 0, 0, 0xFFFF) /* bit per lane: bare TCP ACKs are not sent; for images that keep no TCP state */   \
    X(startup_ms, 70, 0, 60000)  /* ms of board time from a tiny's reset to its first frame: 64 ms (datasheet 8127H   \
                                    section 8.2.1) and the program's own start */                                     \
    X(scan_ms, 0, 0, 60000)      /* ms between looks for tinies that talk unasked while the clock stands; 0: there    \
                                    are none, and runs that only drive may miss one */

#define OPTION_FIELD(name, standard, least, most) uint32_t name;
struct options { OPTIONS(OPTION_FIELD) };
#undef OPTION_FIELD

#define OPTION_DEFAULT(name, standard, least, most) .name = standard,
static const struct options OPTIONS_DEFAULT = { OPTIONS(OPTION_DEFAULT) };
#undef OPTION_DEFAULT

/* 0; -ENOENT: no such option; -ERANGE: out of its bounds. */
int options_set(struct options *, const char *name, int64_t value);

#endif
