/* The inner loops of SLIP, once per instruction set, behind slip.c. */
#ifndef TINYMUX_SLIP_KERNELS_H
#define TINYMUX_SLIP_KERNELS_H
#include "slip.h"

struct slip_kernels {
    const char *name;
    bool (*supported)(void);
    /* Escape n bytes. Bytes made, at most 2n; never stores past out + 2n. */
    size_t (*escape)(uint8_t *out, const uint8_t *in, size_t n);
    /* Undo it for as many of n bytes as are whole and plain: stops before an END, before an ESC that ends the bytes,
     * before an ESC with a wrong byte after it. Bytes taken; *made were stored. Never stores past out + n. */
    size_t (*unescape)(uint8_t *out, const uint8_t *in, size_t n, size_t *made);
};

extern const struct slip_kernels slip_portable;
#ifdef __x86_64__
extern const struct slip_kernels slip_sse2, slip_avx2, slip_vbmi2;
#endif

/* Byte by byte: the reference, and the tails of the others. */
size_t slip_escape_bytes(uint8_t *out, const uint8_t *in, size_t n);
size_t slip_unescape_bytes(uint8_t *out, const uint8_t *in, size_t n, size_t *made);

#endif
