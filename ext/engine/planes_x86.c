/* Transpositions for x86-64.
 *
 * SSE2 and AVX2 share one network. Write a bit's place as register | bytes | bit: a block of planes comes as
 *     p5 p4 p3 | p2 p1 p0 l3 | l2 l1 l0        (p: number of the plane, l: number of the lane)
 * Transposing 8 x 8 16-bit elements, three rounds of unpack, gives p2 p1 p0 | p5 p4 p3 l3 | l2 l1 l0; exchanging bits
 * between pairs of registers gives l2 l1 l0 | p5 p4 p3 l3 | p2 p1 p0; then bytes are sorted by l3 and stored. Each
 * 128-bit half works alone, so AVX2 takes two blocks at once. Backwards it is the same, from the end.
 *
 * GFNI transposes 8 x 8 bits with one instruction, byte permutations before and after do the rest.
 */
#ifdef __x86_64__
#include "planes_kernels.h"
#include <immintrin.h>

#define UNROLLED _Pragma("GCC unroll 8") /* so that the arrays below are registers */

/* One round of three: the element's top bit goes into the register's number, which gives its own top bit for it. */
#define ROUND(P, to, from)                                         \
    UNROLLED                                                       \
    for (unsigned i = 0; i < 4; i++) {                             \
        to[2 * i] = P##_unpacklo_epi16(from[i], from[i + 4]);      \
        to[2 * i + 1] = P##_unpackhi_epi16(from[i], from[i + 4]);  \
    }

/* Exchange bit `bit` of the place within a byte with the same bit of the register's number. */
#define EXCHANGE(P, SI, V, r, bit, mask)                                                                         \
    UNROLLED                                                                                                     \
    for (unsigned i = 0; i < 8; i++)                                                                             \
        if (!(i >> bit & 1)) {                                                                                   \
            V *low = &r[i], *high = &r[i | 1 << bit];                                                            \
            V change = P##_and_##SI(P##_xor_##SI(P##_srli_epi64(*low, 1 << bit), *high), P##_set1_epi8(mask));   \
            *high = P##_xor_##SI(*high, change);                                                                 \
            *low = P##_xor_##SI(*low, P##_slli_epi64(change, 1 << bit));                                         \
        }

#define EXCHANGES(P, SI, V, r)         \
    EXCHANGE(P, SI, V, r, 0, 0x55)     \
    EXCHANGE(P, SI, V, r, 1, 0x33)     \
    EXCHANGE(P, SI, V, r, 2, 0x0F)

static bool always(void)
{
    return true;
}

static void to_lanes_sse2(uint64_t *lanes, const uint8_t *planes, size_t blocks)
{
    for (; blocks--; lanes += 16, planes += 128) {
        __m128i a[8], b[8];
        UNROLLED
        for (unsigned i = 0; i < 8; i++)
            a[i] = _mm_loadu_si128((const __m128i *)planes + i);
        ROUND(_mm, b, a)
        ROUND(_mm, a, b)
        ROUND(_mm, b, a)
        EXCHANGES(_mm, si128, __m128i, b)
        UNROLLED
        for (unsigned i = 0; i < 8; i++) /* even bytes are PORTB's, odd ones PORTD's */
            a[i] = _mm_packus_epi16(_mm_and_si128(b[i], _mm_set1_epi16(0xFF)), _mm_srli_epi16(b[i], 8));
        UNROLLED
        for (unsigned i = 0; i < 8; i += 2) {
            _mm_storeu_si128((__m128i *)(lanes + i), _mm_unpacklo_epi64(a[i], a[i + 1]));
            _mm_storeu_si128((__m128i *)(lanes + i + 8), _mm_unpackhi_epi64(a[i], a[i + 1]));
        }
    }
}

static void to_planes_sse2(uint8_t *planes, const uint64_t *lanes, size_t blocks)
{
    for (; blocks--; lanes += 16, planes += 128) {
        __m128i a[8], b[8];
        UNROLLED
        for (unsigned i = 0; i < 8; i++)
            a[i] = _mm_unpacklo_epi8(_mm_loadl_epi64((const __m128i *)(lanes + i)),
                                     _mm_loadl_epi64((const __m128i *)(lanes + i + 8)));
        EXCHANGES(_mm, si128, __m128i, a)
        ROUND(_mm, b, a)
        ROUND(_mm, a, b)
        ROUND(_mm, b, a)
        UNROLLED
        for (unsigned i = 0; i < 8; i++)
            _mm_storeu_si128((__m128i *)planes + i, b[i]);
    }
}

const struct planes_kernels planes_sse2 = { "sse2", always, to_lanes_sse2, to_planes_sse2 };

/* --- AVX2: block 0 in the low halves, block 1 in the high ones ---------------------------------------------------- */

#define AVX2 __attribute__((target("avx2")))

static bool has_avx2(void)
{
    return __builtin_cpu_supports("avx2");
}

AVX2 static inline __m256i halves(__m128i low, __m128i high)
{
    return _mm256_inserti128_si256(_mm256_castsi128_si256(low), high, 1);
}

AVX2 static inline void store_halves(void *low, void *high, __m256i v)
{
    _mm_storeu_si128((__m128i *)low, _mm256_castsi256_si128(v));
    _mm_storeu_si128((__m128i *)high, _mm256_extracti128_si256(v, 1));
}

AVX2 static void to_lanes_avx2(uint64_t *lanes, const uint8_t *planes, size_t blocks)
{
    const __m128i even_odd = _mm_setr_epi8(0, 2, 4, 6, 8, 10, 12, 14, 1, 3, 5, 7, 9, 11, 13, 15);
    const __m256i by_port = _mm256_broadcastsi128_si256(even_odd);
    for (; blocks >= 2; blocks -= 2, lanes += 32, planes += 256) {
        __m256i a[8], b[8];
        const __m128i *in = (const __m128i *)planes;
        UNROLLED
        for (unsigned i = 0; i < 8; i++)
            a[i] = halves(_mm_loadu_si128(in + i), _mm_loadu_si128(in + 8 + i));
        ROUND(_mm256, b, a)
        ROUND(_mm256, a, b)
        ROUND(_mm256, b, a)
        EXCHANGES(_mm256, si256, __m256i, b)
        UNROLLED
        for (unsigned i = 0; i < 8; i++)
            a[i] = _mm256_shuffle_epi8(b[i], by_port);
        UNROLLED
        for (unsigned i = 0; i < 8; i += 2) {
            store_halves(lanes + i, lanes + 16 + i, _mm256_unpacklo_epi64(a[i], a[i + 1]));
            store_halves(lanes + 8 + i, lanes + 24 + i, _mm256_unpackhi_epi64(a[i], a[i + 1]));
        }
    }
    to_lanes_sse2(lanes, planes, blocks);
}

AVX2 static void to_planes_avx2(uint8_t *planes, const uint64_t *lanes, size_t blocks)
{
    for (; blocks >= 2; blocks -= 2, lanes += 32, planes += 256) {
        __m256i a[8], b[8];
        UNROLLED
        for (unsigned i = 0; i < 8; i += 2) { /* two lanes of each port in a load */
            const __m128i *in = (const __m128i *)(lanes + i);
            __m256i low = halves(_mm_loadu_si128(in), _mm_loadu_si128(in + 8));
            __m256i high = halves(_mm_loadu_si128(in + 4), _mm_loadu_si128(in + 12));
            a[i] = _mm256_unpacklo_epi8(low, high);
            a[i + 1] = _mm256_unpackhi_epi8(low, high);
        }
        EXCHANGES(_mm256, si256, __m256i, a)
        ROUND(_mm256, b, a)
        ROUND(_mm256, a, b)
        ROUND(_mm256, b, a)
        UNROLLED
        for (unsigned i = 0; i < 8; i++)
            store_halves(planes + 16 * i, planes + 128 + 16 * i, b[i]);
    }
    to_planes_sse2(planes, lanes, blocks);
}

const struct planes_kernels planes_avx2 = { "avx2", has_avx2, to_lanes_avx2, to_planes_avx2 };

/* --- GFNI with AVX-512 VBMI: a block is two registers ------------------------------------------------------------- */

#define GFNI __attribute__((target("avx512f,avx512bw,avx512vbmi,gfni")))

static bool has_gfni(void)
{
    return __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vbmi") &&
           __builtin_cpu_supports("gfni");
}

/* Byte permutations, filled in once. Rows of eight bytes are 8 x 8 bits. */
static uint8_t gather[2][64], spread[64], scatter[2][64], turn[64] __attribute__((aligned(64)));

__attribute__((constructor)) static void fill_permutations(void)
{
    for (unsigned i = 0; i < 64; i++) {
        unsigned row = i / 8, column = i % 8;
        spread[i] = (uint8_t)(8 * column + row);
        /* The instruction takes the rows of a matrix from the last byte to the first. */
        turn[i] = (uint8_t)(8 * (7 - column) + row);
        for (unsigned port = 0; port < 2; port++) {
            gather[port][i] = (uint8_t)(16 * row + 2 * (7 - column) + port);
            scatter[port][i] = (uint8_t)((i & 1) << 6 | port << 5 | i >> 1);
        }
    }
}

/* Transpose each 8 x 8 bits, whose rows come in reverse order. */
GFNI static inline __m512i transpose_8x8(__m512i rows)
{
    return _mm512_gf2p8affine_epi64_epi8(_mm512_set1_epi64((long long)UINT64_C(0x8040201008040201)), rows, 0);
}

GFNI static void to_lanes_gfni(uint64_t *lanes, const uint8_t *planes, size_t blocks)
{
    const __m512i from[2] = { _mm512_loadu_si512(gather[0]), _mm512_loadu_si512(gather[1]) };
    const __m512i to = _mm512_loadu_si512(spread);
    for (; blocks--; lanes += 16, planes += 128) {
        __m512i low = _mm512_loadu_si512(planes), high = _mm512_loadu_si512(planes + 64);
        for (unsigned port = 0; port < 2; port++) {
            __m512i rows = _mm512_permutex2var_epi8(low, from[port], high);
            _mm512_storeu_si512(lanes + 8 * port, _mm512_permutexvar_epi8(to, transpose_8x8(rows)));
        }
    }
}

GFNI static void to_planes_gfni(uint8_t *planes, const uint64_t *lanes, size_t blocks)
{
    const __m512i from = _mm512_loadu_si512(turn);
    const __m512i to[2] = { _mm512_loadu_si512(scatter[0]), _mm512_loadu_si512(scatter[1]) };
    for (; blocks--; lanes += 16, planes += 128) {
        __m512i low = transpose_8x8(_mm512_permutexvar_epi8(from, _mm512_loadu_si512(lanes)));
        __m512i high = transpose_8x8(_mm512_permutexvar_epi8(from, _mm512_loadu_si512(lanes + 8)));
        _mm512_storeu_si512(planes, _mm512_permutex2var_epi8(low, to[0], high));
        _mm512_storeu_si512(planes + 64, _mm512_permutex2var_epi8(low, to[1], high));
    }
}

const struct planes_kernels planes_gfni = { "gfni", has_gfni, to_lanes_gfni, to_planes_gfni };
#endif
