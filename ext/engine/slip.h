/* SLIP (RFC 1055): packets in a stream of bytes. Any piece at a time, bounded, as fast as the CPU's vectors allow. */
#ifndef TINYMUX_SLIP_H
#define TINYMUX_SLIP_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SLIP_END = 0xC0, SLIP_ESC = 0xDB, SLIP_ESC_END = 0xDC, SLIP_ESC_ESC = 0xDD };

/* Most bytes that slip_encode makes of n. */
#define SLIP_BOUND(n) (2 * (size_t)(n) + 2)

/* One packet as a frame: END, its bytes with END and ESC escaped, END. The leading END flushes what noise may have
 * left at the other side. The frame's length; `frame` has room for SLIP_BOUND(length). */
size_t slip_encode(uint8_t *frame, const uint8_t *packet, size_t length);

enum slip_event {
    SLIP_MORE,     /* all bytes taken, no frame is complete */
    SLIP_PACKET,   /* `packet` holds `length` bytes; the next call starts a new one */
    SLIP_OVERSIZE, /* a frame ended that did not fit `capacity`: dropped */
    SLIP_GARBLED,  /* a frame ended that had ESC before another byte than ESC_END and ESC_ESC: dropped */
};

/* A receiver. Zero it, then set packet and capacity. */
struct slip_decoder {
    uint8_t *packet;
    size_t capacity, length;
    bool escape;           /* the last byte was ESC */
    bool complete;         /* the packet was handed out */
    enum slip_event wrong; /* SLIP_MORE while the frame is good */
};

/* Take bytes up to the first frame's END, or all. How many were taken; *event says why it stopped. Empty frames, as
 * between two ENDs, are no event. */
size_t slip_decode(struct slip_decoder *, const uint8_t *bytes, size_t length, enum slip_event *event);

/* The ways to do it that this CPU has, the best first, ending with NULL. */
const char *const *slip_paths(void);
/* Use the one of this name instead of the best. 0, or -ENOENT. Not while others encode or decode. */
int slip_use(const char *path);

#endif
