/* The inner loops of SLIP, once per instruction set, behind slip.c. */
#ifndef TINYMUX_SLIP_KERNELS_H
#define TINYMUX_SLIP_KERNELS_H
#include "cpu.h"
#include "paths.h"
#include "slip.h"

struct slip_kernels {
    struct path path;
    /* Escape n bytes. Bytes made, at most 2n; never stores past out + 2n. */
    size_t (*escape)(uint8_t *out, const uint8_t *in, size_t n);
    /* Undo it for as many of n bytes as are whole and plain and have room: stops before an END, before an ESC that ends
     * the bytes, before an ESC with a wrong byte after it. Bytes taken; *made were stored, none past out + room. */
    size_t (*unescape)(uint8_t *out, size_t room, const uint8_t *in, size_t n, size_t *made);
    /* slip_decode: slip_decode_steps, or a shorter way for frames that come whole. */
    size_t (*decode)(struct slip_decoder *, const uint8_t *bytes, size_t length, enum slip_event *event);
};

extern const struct slip_kernels slip_portable;
#ifdef __x86_64__
extern const struct slip_kernels slip_sse2, slip_avx2, slip_vbmi2;
#elif defined __aarch64__
extern const struct slip_kernels slip_neon;
#endif

/* Take the best kernels for a CPU with these features; slip_paths lists what it has. */
void slip_choose(unsigned features);

/* Byte by byte: the reference, and the tails of the others. */
size_t slip_escape_bytes(uint8_t *out, const uint8_t *in, size_t n);
size_t slip_unescape_bytes(uint8_t *out, size_t room, const uint8_t *in, size_t n, size_t *made);

/* slip_decode in any state, around the chosen kernels' unescape. */
size_t slip_decode_steps(struct slip_decoder *, const uint8_t *bytes, size_t length, enum slip_event *event);
/* The same from byte `in` on, for a frame whose packet has been stored up to `out`. */
size_t slip_decode_on(struct slip_decoder *, const uint8_t *bytes, size_t length, enum slip_event *event,
                      const uint8_t *in, uint8_t *out);

/* Whether a new frame starts with the next byte, or after the END that it is. */
static inline bool slip_fresh(const struct slip_decoder *decoder)
{
    return !decoder->escape && !decoder->wrong && (decoder->complete || !decoder->length);
}

#endif
