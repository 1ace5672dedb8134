/* Bytes on a lane as planes, a word at a time: a start bit 0, eight data bits, LSB first, then idle planes, 1.
 *
 * Bit 0 of a word is the plane that comes first. A tiny needs some idle planes after each byte (`gap`); from a tiny
 * the next start bit may come at the ninth plane after the last one: there is no stop bit.
 */
#ifndef TINYMUX_BITS_H
#define TINYMUX_BITS_H
#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

#define BITS_PER_BYTE 9 /* start bit and data */
#define BITS_MOST 48    /* planes at once that all functions here can do */

static inline uint64_t bits_mask(unsigned n) /* n < 64 */
{
    return (UINT64_C(1) << n) - 1;
}

/* A byte stream on its way out. */
struct bits_out {
    const uint8_t *at, *end; /* bytes that are not yet in `word` */
    uint64_t word;           /* planes that are, the next one in bit 0, zeros above them */
    unsigned have;           /* how many */
};

static inline void bits_start(struct bits_out *out, const uint8_t *bytes, const uint8_t *end)
{
    *out = (struct bits_out){ .at = bytes, .end = end };
}

static inline bool bits_done(const struct bits_out *out)
{
    return out->at == out->end && out->have == 0;
}

/* The next n planes; no byte from `limit` on is begun. Of the planes *made carry the stream, the rest are idle. The
 * last byte of all has no gap: its answer may follow at once. */
static inline uint64_t bits_take(struct bits_out *out, const uint8_t *limit, unsigned gap, unsigned n, unsigned *made)
{
    assert(n <= BITS_MOST && gap <= 7 && limit <= out->end);
    const uint64_t pause = bits_mask(gap) << BITS_PER_BYTE;
    const uint8_t *at = out->at; /* copies: bytes may alias whatever they are stored beside */
    uint64_t word = out->word;
    unsigned have = out->have;
    if (have < n && at < limit) {
        do {
            word |= ((uint64_t)*at++ << 1 | pause) << have;
            have += BITS_PER_BYTE + gap;
        } while (have < n && at < limit);
        out->at = at;
        if (at == out->end)
            have -= gap;
    }
    *made = have < n ? have : n;
    out->word = word >> n;
    out->have = have - *made;
    return (word | ~bits_mask(have)) & bits_mask(n);
}

/* Idle planes after those that are left of a byte. */
static inline void bits_pause(struct bits_out *out, unsigned n)
{
    out->word |= bits_mask(n) << out->have;
    out->have += n;
}

/* Planes as they come in. */
struct bits_in {
    uint64_t low;  /* planes of a byte that is not complete, its start bit in bit 0; 1: the lane was low */
    uint8_t have;  /* how many, at most 8 */
    uint32_t idle; /* planes since the last byte ended, 0 within one */
};

/* Take in n planes; the bytes that they complete, at most n / 9 + 1, are stored. Their number. */
static inline unsigned bits_receive(struct bits_in *in, uint64_t planes, unsigned n, uint8_t *bytes)
{
    assert(n <= BITS_MOST && in->have < BITS_PER_BYTE);
    uint64_t low = in->low | (~planes & bits_mask(n)) << in->have;
    unsigned have = in->have + n, count = 0;
    const bool idle = !in->have;
    while (low) {
        unsigned start = (unsigned)__builtin_ctzll(low);
        low >>= start;
        have -= start;
        if (have < BITS_PER_BYTE) {
            in->idle = 0;
            in->low = low;
            in->have = (uint8_t)have;
            return count;
        }
        bytes[count++] = (uint8_t)~(low >> 1);
        low >>= BITS_PER_BYTE;
        have -= BITS_PER_BYTE;
    }
    in->idle = count || !idle ? have : in->idle + have; /* nothing but idle planes are left */
    in->low = 0;
    in->have = 0;
    return count;
}

#endif
