/* Transpositions for x86-64: the network of planes_network.h in SSE2 and AVX2.
 *
 * Each 128-bit half works alone, so AVX2 takes two blocks at once, one in each half. Shuffles and shifts have two ports
 * of an AMD or Intel core between them, loads and stores their own: so halves are joined by loads and parted by stores.
 */
#ifdef __x86_64__
#include "planes_kernels.h"
#include "planes_network.h"
#include <immintrin.h>

static void to_lanes_sse2(uint64_t *lanes, const uint8_t *planes, size_t blocks)
{
    for (; blocks--; lanes += 16, planes += 128) {
        __m128i a[8], b[8];
        UNROLLED
        for (unsigned i = 0; i < 8; i++)
            a[i] = _mm_loadu_si128((const __m128i *)planes + i);
        ROUNDS(_mm, 8, b, a)
        EXCHANGES(_mm, si128, __m128i, b)
        UNROLLED
        for (unsigned i = 0; i < 8; i += 2) {
            _mm_storeu_si128((__m128i *)(lanes + i), _mm_unpacklo_epi64(b[i], b[i + 1]));
            _mm_storeu_si128((__m128i *)(lanes + i + 8), _mm_unpackhi_epi64(b[i], b[i + 1]));
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
        ROUNDS(_mm, 16, b, a)
        UNROLLED
        for (unsigned i = 0; i < 8; i++)
            _mm_storeu_si128((__m128i *)planes + i, b[i]);
    }
}

const struct planes_kernels planes_sse2 = { { "sse2", 0 }, to_lanes_sse2, to_planes_sse2 };

/* --- AVX2: block 0 in the low halves, block 1 in the high ones ---------------------------------------------------- */

#define AVX2 __attribute__((target("avx2")))

/* Row i of both blocks, eight rows of 16 bytes each. The broadcast and the blend need no shuffle. */
AVX2 static inline __m256i load_row(const void *blocks, unsigned i)
{
    const __m128i *row = (const __m128i *)blocks + i;
    __m256i both = _mm256_broadcastsi128_si256(_mm_loadu_si128(row + 8));
    return _mm256_blend_epi32(_mm256_loadu_si256((const __m256i *)row), both, 0xF0);
}

/* The rows back. Block 1 first and from its end: each store of 32 bytes spoils the row before it, which comes next. */
AVX2 static inline void store_rows(void *blocks, const __m256i rows[8])
{
    __m128i *row = blocks;
    UNROLLED
    for (int i = 7; i >= 0; i--)
        _mm256_storeu_si256((__m256i *)(row + 7 + i), rows[i]);
    UNROLLED
    for (int i = 0; i < 8; i++)
        _mm_storeu_si128(row + i, _mm256_castsi256_si128(rows[i]));
}

AVX2 static void to_lanes_avx2(uint64_t *lanes, const uint8_t *planes, size_t blocks)
{
    for (; blocks >= 2; blocks -= 2, lanes += 32, planes += 256) {
        __m256i a[8], b[8];
        UNROLLED
        for (unsigned i = 0; i < 8; i++)
            a[i] = load_row(planes, i);
        ROUNDS(_mm256, 8, b, a)
        EXCHANGES(_mm256, si256, __m256i, b)
        UNROLLED
        for (unsigned i = 0; i < 4; i++) {
            a[i] = _mm256_unpacklo_epi64(b[2 * i], b[2 * i + 1]);
            a[4 + i] = _mm256_unpackhi_epi64(b[2 * i], b[2 * i + 1]);
        }
        store_rows(lanes, a);
    }
    to_lanes_sse2(lanes, planes, blocks);
}

AVX2 static void to_planes_avx2(uint8_t *planes, const uint64_t *lanes, size_t blocks)
{
    for (; blocks >= 2; blocks -= 2, lanes += 32, planes += 256) {
        __m256i a[8], b[8];
        UNROLLED
        for (unsigned i = 0; i < 4; i++) { /* two lanes of each port in a row */
            __m256i low = load_row(lanes, i), high = load_row(lanes, i + 4);
            a[2 * i] = _mm256_unpacklo_epi8(low, high);
            a[2 * i + 1] = _mm256_unpackhi_epi8(low, high);
        }
        EXCHANGES(_mm256, si256, __m256i, a)
        ROUNDS(_mm256, 16, b, a)
        store_rows(planes, b);
    }
    to_planes_sse2(planes, lanes, blocks);
}

const struct planes_kernels planes_avx2 = { { "avx2", CPU_AVX2 }, to_lanes_avx2, to_planes_avx2 };
#endif
