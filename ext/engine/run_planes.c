/* Half blocks of planes. SSE2, which every x86-64 has, collects the top bits of sixteen bytes in one instruction. */
#include "run_planes.h"
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>

#define UNROLLED _Pragma("GCC unroll 8")

/* A port's bytes of planes 0-15 and 16-31: one lane after the other, from the eighth down. */
static inline void port_to_lanes(uint64_t *lanes, __m128i first, __m128i second)
{
    UNROLLED
    for (unsigned lane = 8; lane--;) {
        lanes[lane] = (uint32_t)_mm_movemask_epi8(first) | (uint64_t)(uint32_t)_mm_movemask_epi8(second) << 16;
        first = _mm_add_epi8(first, first);
        second = _mm_add_epi8(second, second);
    }
}

void run_to_lanes(uint64_t lanes[RUN_LANES], const uint8_t planes[2 * RUN_PLANES])
{
    const __m128i low = _mm_set1_epi16(0xFF);
    __m128i in[4], b[2], d[2];
    for (unsigned i = 0; i < 4; i++)
        in[i] = _mm_loadu_si128((const __m128i *)planes + i);
    for (unsigned i = 0; i < 2; i++) { /* even bytes are PORTB's, odd ones PORTD's */
        b[i] = _mm_packus_epi16(_mm_and_si128(in[2 * i], low), _mm_and_si128(in[2 * i + 1], low));
        d[i] = _mm_packus_epi16(_mm_srli_epi16(in[2 * i], 8), _mm_srli_epi16(in[2 * i + 1], 8));
    }
    port_to_lanes(lanes, b[0], b[1]);
    port_to_lanes(lanes + 8, d[0], d[1]);
}

/* Eight planes at once: byte `eight` of each lane's word, PORTB's lanes before PORTD's. */
static inline void eight_to_planes(uint8_t *planes, __m128i lanes)
{
    UNROLLED
    for (unsigned plane = 8; plane--;) {
        const uint16_t levels = (uint16_t)_mm_movemask_epi8(lanes);
        memcpy(planes + 2 * plane, &levels, sizeof levels);
        lanes = _mm_add_epi8(lanes, lanes);
    }
}

void run_to_planes(uint8_t planes[2 * RUN_PLANES], const uint64_t lanes[RUN_LANES])
{
    __m128i words[4], pairs[4];
    UNROLLED
    for (unsigned i = 0; i < 4; i++) /* the low halves of four lanes */
        words[i] = _mm_castps_si128(_mm_shuffle_ps(_mm_loadu_ps((const float *)(lanes + 4 * i)),
                                                   _mm_loadu_ps((const float *)(lanes + 4 * i + 2)), 0x88));
    /* A perfect shuffle of 64 bytes rotates the six bits of their places: l3 l2 l1 l0 k1 k0 (lane, byte of its word)
     * becomes k1 k0 l3 l2 l1 l0 in four. */
    UNROLLED
    for (unsigned round = 0; round < 4; round++) {
        pairs[0] = _mm_unpacklo_epi8(words[0], words[2]);
        pairs[1] = _mm_unpackhi_epi8(words[0], words[2]);
        pairs[2] = _mm_unpacklo_epi8(words[1], words[3]);
        pairs[3] = _mm_unpackhi_epi8(words[1], words[3]);
        UNROLLED
        for (unsigned i = 0; i < 4; i++)
            words[i] = pairs[i];
    }
    UNROLLED
    for (unsigned i = 0; i < 4; i++)
        eight_to_planes(planes + 16 * i, words[i]);
}
#else
#include "planes.h"

void run_to_lanes(uint64_t lanes[RUN_LANES], const uint8_t planes[2 * RUN_PLANES])
{
    uint8_t block[2 * PLANES_BLOCK] = { 0 };
    memcpy(block, planes, 2 * RUN_PLANES);
    planes_to_lanes(lanes, block, 1);
}

void run_to_planes(uint8_t planes[2 * RUN_PLANES], const uint64_t lanes[RUN_LANES])
{
    uint8_t block[2 * PLANES_BLOCK];
    lanes_to_planes(block, lanes, 1);
    memcpy(planes, block, 2 * RUN_PLANES);
}
#endif
