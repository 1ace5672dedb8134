/* The AVX-512 and GFNI instructions that the engine's kernels use, in plain C, after the pseudocode of Intel's manual
 * (Software Developer's Manual, volume 2). With them the kernels are tested on CPUs that have none of it.
 *
 * To be included after immintrin.h and before the kernels' source. Each intrinsic's name becomes a macro for its
 * function here, and target attributes lose their meaning, so that the compiler emits none of these instructions.
 */
#ifndef AVX512_BY_HAND_H
#define AVX512_BY_HAND_H
#include <stdint.h>
#include <string.h>

typedef struct {
    uint8_t b[64];
} hand_512;

#define MASKED(i) (mask >> (i) & 1)
#define EACH(n) for (unsigned i = 0; i < (n); i++)

static inline hand_512 hand_load(const void *from)
{
    hand_512 v;
    memcpy(v.b, from, 64);
    return v;
}

static inline void hand_store(void *to, hand_512 v)
{
    memcpy(to, v.b, 64);
}

static inline hand_512 hand_set8(char value)
{
    hand_512 v;
    memset(v.b, value, 64);
    return v;
}

static inline hand_512 hand_set16(short value)
{
    hand_512 v;
    EACH(32) memcpy(v.b + 2 * i, &value, 2);
    return v;
}

static inline hand_512 hand_set64(long long value)
{
    hand_512 v;
    EACH(8) memcpy(v.b + 8 * i, &value, 8);
    return v;
}

static inline uint64_t hand_equal(hand_512 x, hand_512 y)
{
    uint64_t mask = 0;
    EACH(64) mask |= (uint64_t)(x.b[i] == y.b[i]) << i;
    return mask;
}

/* A masked load touches no byte whose bit is 0. */
static inline hand_512 hand_masked_load(uint64_t mask, const void *from)
{
    hand_512 v = { { 0 } };
    EACH(64) if (MASKED(i)) v.b[i] = ((const uint8_t *)from)[i];
    return v;
}

static inline void hand_masked_store(void *to, uint64_t mask, hand_512 v)
{
    EACH(64) if (MASKED(i)) ((uint8_t *)to)[i] = v.b[i];
}

static inline hand_512 hand_masked_move(hand_512 x, uint64_t mask, hand_512 y)
{
    EACH(64) if (MASKED(i)) x.b[i] = y.b[i];
    return x;
}

static inline hand_512 hand_compress(uint64_t mask, hand_512 x)
{
    hand_512 v = { { 0 } };
    unsigned n = 0;
    EACH(64) if (MASKED(i)) v.b[n++] = x.b[i];
    return v;
}

static inline hand_512 hand_expand(hand_512 v, uint64_t mask, hand_512 x)
{
    unsigned n = 0;
    EACH(64) if (MASKED(i)) v.b[i] = x.b[n++];
    return v;
}

/* The upper half is undefined: here it is noise. */
static inline hand_512 hand_cast(__m256i x)
{
    hand_512 v;
    memset(v.b, 0xA5, 64);
    memcpy(v.b, &x, 32);
    return v;
}

static inline hand_512 hand_subtract(hand_512 x, hand_512 y)
{
    EACH(64) x.b[i] -= y.b[i];
    return x;
}

static inline uint64_t hand_at_most(hand_512 x, hand_512 y)
{
    uint64_t mask = 0;
    EACH(64) mask |= (uint64_t)(x.b[i] <= y.b[i]) << i;
    return mask;
}

/* Each 16 bytes alone; an index with its top bit set makes zero. */
static inline hand_512 hand_masked_shuffle(hand_512 v, uint64_t mask, hand_512 x, hand_512 from)
{
    EACH(64) if (MASKED(i)) v.b[i] = from.b[i] & 0x80 ? 0 : x.b[(i & ~15u) + (from.b[i] & 15)];
    return v;
}

static inline hand_512 hand_permute(hand_512 from, hand_512 x)
{
    hand_512 v;
    EACH(64) v.b[i] = x.b[from.b[i] & 63];
    return v;
}

/* Bit 6 of an index chooses between the two sources. */
static inline hand_512 hand_permute_2(hand_512 x, hand_512 from, hand_512 y)
{
    hand_512 v;
    EACH(64) v.b[i] = from.b[i] & 64 ? y.b[from.b[i] & 63] : x.b[from.b[i] & 63];
    return v;
}

/* GF2P8AFFINEQB: bit j of a byte is the parity of that byte and byte 7 - j of the matrix in the same 64 bits. */
static inline void hand_affine_bytes(uint8_t *v, const uint8_t *x, const uint8_t *matrix, unsigned plus, unsigned n)
{
    EACH(n)
    {
        v[i] = (uint8_t)plus;
        for (unsigned j = 0; j < 8; j++)
            v[i] ^= (uint8_t)(__builtin_parity(matrix[(i & ~7u) + 7 - j] & x[i]) << j);
    }
}

static inline hand_512 hand_affine(hand_512 x, hand_512 matrix, unsigned plus)
{
    hand_512 v;
    hand_affine_bytes(v.b, x.b, matrix.b, plus, 64);
    return v;
}

static inline __m256i hand_affine_32(__m256i x, __m256i matrix, unsigned plus)
{
    uint8_t v[32], a[32], b[32];
    memcpy(a, &x, 32);
    memcpy(b, &matrix, 32);
    hand_affine_bytes(v, a, b, plus, 32);
    memcpy(&x, v, 32);
    return x;
}

static inline uint32_t hand_equal_32(__m256i x, __m256i y)
{
    return (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(x, y));
}

static inline __m256i hand_masked_load_32(uint32_t mask, const void *from)
{
    uint8_t bytes[32] = { 0 };
    __m256i v;
    EACH(32) if (MASKED(i)) bytes[i] = ((const uint8_t *)from)[i];
    memcpy(&v, bytes, 32);
    return v;
}

static inline __m256i hand_masked_move_32(__m256i x, uint32_t mask, __m256i y)
{
    uint8_t a[32], b[32];
    memcpy(a, &x, 32);
    memcpy(b, &y, 32);
    EACH(32) if (MASKED(i)) a[i] = b[i];
    memcpy(&x, a, 32);
    return x;
}

static inline uint64_t hand_bzhi(uint64_t x, unsigned n)
{
    return n < 64 ? x & ((UINT64_C(1) << n) - 1) : x;
}

static inline uint64_t hand_pdep(uint64_t x, uint64_t mask)
{
    uint64_t v = 0;
    for (unsigned i = 0; i < 64; i++)
        if (MASKED(i)) {
            v |= (x & 1) << i;
            x >>= 1;
        }
    return v;
}

static inline uint64_t hand_pext(uint64_t x, uint64_t mask)
{
    uint64_t v = 0;
    unsigned n = 0;
    for (unsigned i = 0; i < 64; i++)
        if (MASKED(i))
            v |= (x >> i & 1) << n++;
    return v;
}

#define __m512i hand_512
#define _mm512_loadu_si512 hand_load
#define _mm512_storeu_si512 hand_store
#define _mm512_set1_epi8 hand_set8
#define _mm512_set1_epi16 hand_set16
#define _mm512_set1_epi64 hand_set64
#define _mm512_cmpeq_epi8_mask hand_equal
#define _mm512_maskz_loadu_epi8 hand_masked_load
#define _mm512_mask_storeu_epi8 hand_masked_store
#define _mm512_mask_mov_epi8 hand_masked_move
#define _mm512_maskz_compress_epi8 hand_compress
#define _mm512_mask_expand_epi8 hand_expand
#define _mm512_castsi256_si512 hand_cast
#define _mm512_sub_epi8 hand_subtract
#define _mm512_mask_cmple_epu8_mask(mask, x, y) (hand_at_most(x, y) & (mask))
#define _mm512_mask_shuffle_epi8 hand_masked_shuffle
#define _mm512_permutexvar_epi8 hand_permute
#define _mm512_permutex2var_epi8 hand_permute_2
#define _mm512_gf2p8affine_epi64_epi8 hand_affine
#define _mm256_gf2p8affine_epi64_epi8 hand_affine_32
#define _mm256_cmpeq_epi8_mask hand_equal_32
#define _mm256_maskz_loadu_epi8 hand_masked_load_32
#define _mm256_mask_mov_epi8 hand_masked_move_32
#define _bzhi_u64 hand_bzhi
#define _pdep_u64 hand_pdep
#define _pext_u64 hand_pext
#define target(options) unused
#define __builtin_cpu_supports(feature) 1
#endif
