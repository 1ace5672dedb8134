/* SLIP's inner loops with SSE2, which every x86-64 has: copy 16 bytes, step over as many as were plain, treat the
 * special one alone. */
#ifdef __x86_64__
#include "slip_kernels.h"
#include <emmintrin.h>

static inline unsigned specials_16(__m128i bytes)
{
    __m128i end = _mm_cmpeq_epi8(bytes, _mm_set1_epi8((char)SLIP_END));
    __m128i esc = _mm_cmpeq_epi8(bytes, _mm_set1_epi8((char)SLIP_ESC));
    return (unsigned)_mm_movemask_epi8(_mm_or_si128(end, esc));
}

static size_t escape_sse2(uint8_t *out, const uint8_t *in, size_t n)
{
    uint8_t *start = out;
    const uint8_t *end = in + n;
    while (end - in >= 16) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)in);
        unsigned special = specials_16(bytes);
        _mm_storeu_si128((__m128i *)out, bytes);
        if (!special) {
            in += 16;
            out += 16;
            continue;
        }
        unsigned plain = (unsigned)__builtin_ctz(special);
        in += plain;
        out += plain;
        *out++ = SLIP_ESC;
        *out++ = *in++ == SLIP_END ? SLIP_ESC_END : SLIP_ESC_ESC;
    }
    return (size_t)(out - start) + slip_escape_bytes(out, in, (size_t)(end - in));
}

static size_t unescape_sse2(uint8_t *out, size_t room, const uint8_t *in, size_t n, size_t *made)
{
    uint8_t *start = out, *limit = out + room;
    size_t i = 0, rest;
    while (n - i >= 16 && limit - out >= 16) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(in + i));
        unsigned special = specials_16(bytes);
        _mm_storeu_si128((__m128i *)out, bytes);
        if (!special) {
            i += 16;
            out += 16;
            continue;
        }
        unsigned plain = (unsigned)__builtin_ctz(special);
        i += plain;
        out += plain;
        if (in[i] == SLIP_END || i + 1 == n || (in[i + 1] != SLIP_ESC_END && in[i + 1] != SLIP_ESC_ESC)) {
            *made = (size_t)(out - start);
            return i;
        }
        *out++ = in[i + 1] == SLIP_ESC_END ? SLIP_END : SLIP_ESC;
        i += 2;
    }
    i += slip_unescape_bytes(out, (size_t)(limit - out), in + i, n - i, &rest);
    *made = (size_t)(out - start) + rest;
    return i;
}

const struct slip_kernels slip_sse2 = { "sse2", 0, escape_sse2, unescape_sse2, slip_decode_steps };
#endif
