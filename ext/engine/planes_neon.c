/* Transpositions for AArch64: the network of planes_network.h in NEON. */
#ifdef __aarch64__
#include "planes_kernels.h"
#include "planes_network.h"
#include <arm_neon.h>

#define WORDS(v) vreinterpretq_u64_u8(v)
#define HALVES(v) vreinterpretq_u16_u8(v)
#define neon_unpacklo_epi8(a, b) vzip1q_u8(a, b)
#define neon_unpackhi_epi8(a, b) vzip2q_u8(a, b)
#define neon_unpacklo_epi16(a, b) vreinterpretq_u8_u16(vzip1q_u16(HALVES(a), HALVES(b)))
#define neon_unpackhi_epi16(a, b) vreinterpretq_u8_u16(vzip2q_u16(HALVES(a), HALVES(b)))
#define neon_unpacklo_epi64(a, b) vreinterpretq_u8_u64(vzip1q_u64(WORDS(a), WORDS(b)))
#define neon_unpackhi_epi64(a, b) vreinterpretq_u8_u64(vzip2q_u64(WORDS(a), WORDS(b)))
#define neon_srli_epi64(v, n) vreinterpretq_u8_u64(vshrq_n_u64(WORDS(v), n))
#define neon_slli_epi64(v, n) vreinterpretq_u8_u64(vshlq_n_u64(WORDS(v), n))
#define neon_and_u8(a, b) vandq_u8(a, b)
#define neon_xor_u8(a, b) veorq_u8(a, b)
#define neon_set1_epi8(byte) vdupq_n_u8(byte)

static void to_lanes_neon(uint64_t *lanes, const uint8_t *planes, size_t blocks)
{
    for (; blocks--; lanes += 16, planes += 128) {
        uint8x16_t a[8], b[8];
        UNROLLED
        for (unsigned i = 0; i < 8; i++)
            a[i] = vld1q_u8(planes + 16 * i);
        ROUNDS(neon, 8, b, a)
        EXCHANGES(neon, u8, uint8x16_t, b)
        UNROLLED
        for (unsigned i = 0; i < 8; i += 2) {
            vst1q_u8((uint8_t *)(lanes + i), neon_unpacklo_epi64(b[i], b[i + 1]));
            vst1q_u8((uint8_t *)(lanes + i + 8), neon_unpackhi_epi64(b[i], b[i + 1]));
        }
    }
}

static void to_planes_neon(uint8_t *planes, const uint64_t *lanes, size_t blocks)
{
    for (; blocks--; lanes += 16, planes += 128) {
        uint8x16_t a[8], b[8];
        UNROLLED
        for (unsigned i = 0; i < 4; i++) { /* two lanes of each port */
            uint8x16_t low = vld1q_u8((const uint8_t *)(lanes + 2 * i));
            uint8x16_t high = vld1q_u8((const uint8_t *)(lanes + 2 * i + 8));
            a[2 * i] = neon_unpacklo_epi8(low, high);
            a[2 * i + 1] = neon_unpackhi_epi8(low, high);
        }
        EXCHANGES(neon, u8, uint8x16_t, a)
        ROUNDS(neon, 16, b, a)
        UNROLLED
        for (unsigned i = 0; i < 8; i++)
            vst1q_u8(planes + 16 * i, b[i]);
    }
}

const struct planes_kernels planes_neon = { { "neon", 0 }, to_lanes_neon, to_planes_neon };
#endif
