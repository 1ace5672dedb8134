/* Transpositions for x86-64 with GFNI, which transposes 8 x 8 bits with one instruction; permutations of bytes before
 * and after do the rest. Twice: with AVX2 for the many CPUs that have GFNI and no AVX-512, and with AVX-512 VBMI.
 */
#ifdef __x86_64__
#include "planes_kernels.h"
#include <immintrin.h>

#define UNROLLED _Pragma("GCC unroll 4") /* so that the arrays below are registers */

/* Rows of a matrix are taken from the last byte to the first: with this one, in that order, it transposes the other. */
#define IDENTITY ((long long)UINT64_C(0x8040201008040201))

/* --- AVX2: a block is four registers. Places as in planes_x86.c: register | half | byte --------------------------- */

#define GFNI_AVX2 __attribute__((target("avx2,gfni")))

#define ROUND(bits, to, from)                                             \
    UNROLLED                                                              \
    for (unsigned i = 0; i < 2; i++) {                                    \
        to[2 * i] = _mm256_unpacklo_epi##bits(from[i], from[i + 2]);      \
        to[2 * i + 1] = _mm256_unpackhi_epi##bits(from[i], from[i + 2]);  \
    }

GFNI_AVX2 static void to_lanes_gfni_avx2(uint64_t *lanes, const uint8_t *planes, size_t blocks)
{
    /* eight planes of PORTB's lanes, then of PORTD's, last plane first */
    const __m256i by_port = _mm256_broadcastsi128_si256(
        _mm_setr_epi8(14, 12, 10, 8, 6, 4, 2, 0, 15, 13, 11, 9, 7, 5, 3, 1));
    const __m256i interleave = _mm256_broadcastsi128_si256(
        _mm_setr_epi8(0, 8, 1, 9, 2, 10, 3, 11, 4, 12, 5, 13, 6, 14, 7, 15));
    for (; blocks--; lanes += 16, planes += 128) {
        __m256i a[4], b[4];
        UNROLLED
        for (unsigned i = 0; i < 4; i++) {
            __m256i rows = _mm256_shuffle_epi8(_mm256_loadu_si256((const __m256i *)planes + i), by_port);
            a[i] = _mm256_gf2p8affine_epi64_epi8(_mm256_set1_epi64x(IDENTITY), rows, 0);
        } /* p5 p4 | p3 | l3 l2 l1 l0 */
        ROUND(8, b, a) /* p4 l3 | p3 | l2 l1 l0 p5 */
        ROUND(8, a, b) /* l3 l2 | p3 | l1 l0 p5 p4 */
        UNROLLED
        for (unsigned i = 0; i < 4; i++) { /* l3 l2 | l1 | l0 p5 p4 p3 */
            __m256i halves = _mm256_permute4x64_epi64(a[i], _MM_SHUFFLE(3, 1, 2, 0));
            _mm256_storeu_si256((__m256i *)(lanes + 4 * i), _mm256_shuffle_epi8(halves, interleave));
        }
    }
}

GFNI_AVX2 static void to_planes_gfni_avx2(uint8_t *planes, const uint64_t *lanes, size_t blocks)
{
    /* l1 | p4 p3 l2 l0 to p3 | p4 l1 l2 l0, then to p3 | p4 l2 l1 l0 with the last lane first */
    const __m256i eights = _mm256_setr_epi32(0, 4, 2, 6, 1, 5, 3, 7);
    const __m256i reversed = _mm256_broadcastsi128_si256(
        _mm_setr_epi8(7, 6, 3, 2, 5, 4, 1, 0, 15, 14, 11, 10, 13, 12, 9, 8));
    for (; blocks--; lanes += 16, planes += 128) {
        __m256i a[4], b[4];
        UNROLLED
        for (unsigned i = 0; i < 4; i++)
            a[i] = _mm256_loadu_si256((const __m256i *)(lanes + 4 * i)); /* l3 l2 | l1 | l0 p5 p4 p3 */
        UNROLLED
        for (unsigned i = 0; i < 4; i += 2) { /* l3 l0 | l1 | p5 p4 p3 l2 */
            b[i] = _mm256_unpacklo_epi8(a[i], a[i + 1]);
            b[i + 1] = _mm256_unpackhi_epi8(a[i], a[i + 1]);
        }
        UNROLLED
        for (unsigned i = 0; i < 4; i += 2) { /* l3 p5 | l1 | p4 p3 l2 l0 */
            a[i] = _mm256_unpacklo_epi8(b[i], b[i + 1]);
            a[i + 1] = _mm256_unpackhi_epi8(b[i], b[i + 1]);
        }
        UNROLLED
        for (unsigned i = 0; i < 4; i++) { /* l3 p5 | p3 | p4 p2 p1 p0 */
            __m256i rows = _mm256_shuffle_epi8(_mm256_permutevar8x32_epi32(a[i], eights), reversed);
            b[i] = _mm256_gf2p8affine_epi64_epi8(_mm256_set1_epi64x(IDENTITY), rows, 0);
        }
        ROUND(8, a, b) /* p5 p4 | p3 | p2 p1 p0 l3 */
        UNROLLED
        for (unsigned i = 0; i < 4; i++)
            _mm256_storeu_si256((__m256i *)planes + i, a[i]);
    }
}

const struct planes_kernels planes_gfni_avx2 = {
    { "gfni-avx2", CPU_AVX2 | CPU_GFNI }, to_lanes_gfni_avx2, to_planes_gfni_avx2,
};

/* --- AVX-512 VBMI: a block is two registers ----------------------------------------------------------------------- */

#define GFNI __attribute__((target("avx512f,avx512bw,avx512vbmi,gfni")))

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
    return _mm512_gf2p8affine_epi64_epi8(_mm512_set1_epi64(IDENTITY), rows, 0);
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

const struct planes_kernels planes_gfni = {
    { "gfni", CPU_AVX512 | CPU_VBMI | CPU_GFNI }, to_lanes_gfni, to_planes_gfni,
};
#endif
