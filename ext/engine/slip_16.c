/* SLIP's inner loops with the 16-byte vectors that every CPU of its kind has, SSE2 or NEON: copy 16 bytes, step over as
 * many as were plain, treat the special one alone. */
#if defined __x86_64__ || defined __aarch64__
#include "slip_kernels.h"

#ifdef __x86_64__
#include <emmintrin.h>

enum { BITS = 1 }; /* of each byte in a mask */

/* Copy 16 bytes. Which of them are END or ESC. */
static inline unsigned copy_16(uint8_t *out, const uint8_t *in)
{
    __m128i bytes = _mm_loadu_si128((const __m128i *)in);
    __m128i end = _mm_cmpeq_epi8(bytes, _mm_set1_epi8((char)SLIP_END));
    __m128i esc = _mm_cmpeq_epi8(bytes, _mm_set1_epi8((char)SLIP_ESC));
    _mm_storeu_si128((__m128i *)out, bytes);
    return (unsigned)_mm_movemask_epi8(_mm_or_si128(end, esc));
}
#else
#include <arm_neon.h>

enum { BITS = 4 };

static inline uint64_t copy_16(uint8_t *out, const uint8_t *in)
{
    uint8x16_t bytes = vld1q_u8(in);
    uint8x16_t special = vorrq_u8(vceqq_u8(bytes, vdupq_n_u8(SLIP_END)), vceqq_u8(bytes, vdupq_n_u8(SLIP_ESC)));
    vst1q_u8(out, bytes);
    return vget_lane_u64(vreinterpret_u64_u8(vshrn_n_u16(vreinterpretq_u16_u8(special), 4)), 0);
}
#endif

static size_t escape_16(uint8_t *out, const uint8_t *in, size_t n)
{
    uint8_t *start = out;
    const uint8_t *end = in + n;
    while (end - in >= 16) {
        uint64_t special = copy_16(out, in);
        if (!special) {
            in += 16;
            out += 16;
            continue;
        }
        unsigned plain = (unsigned)__builtin_ctzll(special) / BITS;
        in += plain;
        out += plain;
        *out++ = SLIP_ESC;
        *out++ = *in++ == SLIP_END ? SLIP_ESC_END : SLIP_ESC_ESC;
    }
    return (size_t)(out - start) + slip_escape_bytes(out, in, (size_t)(end - in));
}

static size_t unescape_16(uint8_t *out, size_t room, const uint8_t *in, size_t n, size_t *made)
{
    uint8_t *start = out, *limit = out + room;
    size_t i = 0, rest;
    while (n - i >= 16 && limit - out >= 16) {
        uint64_t special = copy_16(out, in + i);
        if (!special) {
            i += 16;
            out += 16;
            continue;
        }
        unsigned plain = (unsigned)__builtin_ctzll(special) / BITS;
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

#ifdef __x86_64__
const struct slip_kernels slip_sse2 = { { "sse2", 0 }, escape_16, unescape_16, slip_decode_steps };
#else
const struct slip_kernels slip_neon = { { "neon", 0 }, escape_16, unescape_16, slip_decode_steps };
#endif
#endif
