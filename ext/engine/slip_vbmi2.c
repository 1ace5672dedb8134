/* SLIP's inner loops with AVX-512 VBMI2, which expands and compresses whole registers.
 *
 * 64 bytes of noise hold a special one or none with even chances, and a mispredicted branch costs more than the work:
 * so none and one are the same here, and in decoding any number. Tails are loaded and stored with masks.
 */
#ifdef __x86_64__
#include "slip_kernels.h"
#include <immintrin.h>

#define VBMI2 __attribute__((target("avx512f,avx512bw,avx512vl,avx512vbmi2,bmi,bmi2,popcnt")))
#define INLINE __attribute__((always_inline)) static inline

VBMI2 INLINE uint64_t below(unsigned n) /* n <= 64 */
{
    return _bzhi_u64(~UINT64_C(0), n);
}

/* Of up to 32 bytes those in `valid`. Bytes made, zeros after them. */
VBMI2 INLINE unsigned escape_32(__m512i *made, __m256i bytes, uint32_t valid)
{
    const uint64_t second = UINT64_C(0xAAAAAAAAAAAAAAAA); /* of each pair (ESC, byte) the byte always stays */
    __mmask32 is_end = _mm256_cmpeq_epi8_mask(bytes, _mm256_set1_epi8((char)SLIP_END));
    __mmask32 is_esc = _mm256_cmpeq_epi8_mask(bytes, _mm256_set1_epi8((char)SLIP_ESC));
    bytes = _mm256_mask_mov_epi8(bytes, is_end, _mm256_set1_epi8((char)SLIP_ESC_END));
    bytes = _mm256_mask_mov_epi8(bytes, is_esc, _mm256_set1_epi8((char)SLIP_ESC_ESC));
    uint64_t keep = _pdep_u64(is_end | is_esc, ~second) | _pdep_u64(valid, second);
    __m512i escapes = _mm512_set1_epi8((char)SLIP_ESC);
    *made = _mm512_mask_expand_epi8(escapes, _pext_u64(second, keep), _mm512_castsi256_si512(bytes));
    return (unsigned)__builtin_popcountll(keep);
}

/* 64 bytes with no special one or one. Stores 65, makes 64 or 65: the ESC pushes the last byte out of the register. */
VBMI2 INLINE unsigned escape_64(uint8_t *out, __m512i bytes, __mmask64 is_end, __mmask64 is_esc)
{
    __m512i escapes = _mm512_set1_epi8((char)SLIP_ESC);
    bytes = _mm512_mask_mov_epi8(bytes, is_end, _mm512_set1_epi8((char)SLIP_ESC_END));
    bytes = _mm512_mask_mov_epi8(bytes, is_esc, _mm512_set1_epi8((char)SLIP_ESC_ESC));
    _mm512_storeu_si512(out + 1, bytes);
    _mm512_storeu_si512(out, _mm512_mask_expand_epi8(escapes, ~(is_end | is_esc), bytes));
    return 64 + ((is_end | is_esc) != 0);
}

VBMI2 static size_t escape_vbmi2(uint8_t *out, const uint8_t *in, size_t n)
{
    uint8_t *start = out;
    __m512i made;
    for (; n >= 64; in += 64, n -= 64) {
        __m512i bytes = _mm512_loadu_si512(in);
        __mmask64 is_end = _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8((char)SLIP_END));
        __mmask64 is_esc = _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8((char)SLIP_ESC));
        uint64_t special = is_end | is_esc;
        if (!(special & (special - 1))) {
            out += escape_64(out, bytes, is_end, is_esc);
            continue;
        }
        for (unsigned half = 0; half < 64; half += 32) {
            unsigned size = escape_32(&made, _mm256_loadu_si256((const __m256i *)(in + half)), UINT32_MAX);
            _mm512_storeu_si512(out, made);
            out += size;
        }
    }
    while (n) {
        unsigned take = n < 32 ? (unsigned)n : 32;
        __mmask32 valid = (__mmask32)below(take);
        unsigned size = escape_32(&made, _mm256_maskz_loadu_epi8(valid, in), valid);
        _mm512_mask_storeu_epi8(out, below(size), made);
        out += size;
        in += take;
        n -= take;
    }
    return (size_t)(out - start);
}

struct block {
    __m512i bytes;   /* 64 bytes of a frame, the second of each pair resolved */
    uint64_t is_esc; /* to be left out */
    uint64_t after;  /* follows an ESC */
    uint64_t stop;   /* END, or the second byte of a wrong pair */
};

VBMI2 INLINE struct block resolve(__m512i bytes, uint64_t carry)
{
    uint64_t is_end = _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8((char)SLIP_END));
    uint64_t is_esc = _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8((char)SLIP_ESC));
    uint64_t after = is_esc << 1 | carry;
    const __m512i meant = _mm512_set1_epi16((short)(SLIP_ESC << 8 | SLIP_END)); /* by ESC_END and by the one after it */
    __m512i which = _mm512_sub_epi8(bytes, _mm512_set1_epi8((char)SLIP_ESC_END));
    uint64_t good = _mm512_mask_cmple_epu8_mask(after, which, _mm512_set1_epi8(1));
    bytes = _mm512_mask_shuffle_epi8(bytes, after, meant, which);
    return (struct block){ bytes, is_esc, after, is_end | (after & ~good) };
}

VBMI2 INLINE size_t unescape(uint8_t *out, size_t room, const uint8_t *in, size_t n, size_t *made)
{
    uint8_t *const start = out;
    size_t i = 0;
    uint64_t carry = 0; /* 1 if the next byte belongs to the ESC before it */
    for (; n - i >= 64 && room >= 64; i += 64) {
        struct block block = resolve(_mm512_loadu_si512(in + i), carry);
        if (block.stop)
            break; /* the same again, below */
        unsigned size = 64 - (unsigned)__builtin_popcountll(block.is_esc);
        _mm512_storeu_si512(out, _mm512_maskz_compress_epi8(~block.is_esc, block.bytes));
        out += size;
        room -= size;
        carry = block.is_esc >> 63;
    }
    while (i < n) {
        unsigned take = n - i < 64 ? (unsigned)(n - i) : 64;
        struct block block = resolve(_mm512_maskz_loadu_epi8(below(take), in + i), carry);
        uint64_t stop = block.stop & below(take), pair = 0;
        if (stop) {
            unsigned good = (unsigned)_tzcnt_u64(stop);
            pair = block.after >> good & 1; /* it stops before the ESC, which may be in the block before */
            take = good;
        }
        uint64_t keep = ~block.is_esc & below(take);
        unsigned size = (unsigned)__builtin_popcountll(keep);
        if (size > room) {
            size_t rest;
            i -= carry;
            i += slip_unescape_bytes(out, room, in + i, n - i, &rest);
            *made = (size_t)(out - start) + rest;
            return i;
        }
        _mm512_mask_storeu_epi8(out, below(size), _mm512_maskz_compress_epi8(keep, block.bytes));
        out += size;
        room -= size;
        i += take;
        if (stop) {
            i -= pair;
            carry = 0;
            break;
        }
        carry = block.is_esc >> (take - 1) & 1;
    }
    *made = (size_t)(out - start);
    return i - carry;
}

VBMI2 static size_t unescape_vbmi2(uint8_t *out, size_t room, const uint8_t *in, size_t n, size_t *made)
{
    return unescape(out, room, in, n, made);
}

/* A frame that comes whole without a detour. */
VBMI2 static size_t decode_vbmi2(struct slip_decoder *decoder, const uint8_t *bytes, size_t length,
                                 enum slip_event *event)
{
    if (!length || !slip_fresh(decoder))
        return slip_decode_steps(decoder, bytes, length, event);
    size_t i = *bytes == SLIP_END, made;
    i += unescape(decoder->packet, decoder->capacity, bytes + i, length - i, &made);
    if (!made || i == length || bytes[i] != SLIP_END)
        return slip_decode_on(decoder, bytes, length, event, bytes + i, decoder->packet + made);
    decoder->length = made;
    decoder->complete = true;
    *event = SLIP_PACKET;
    return i + 1;
}

const struct slip_kernels slip_vbmi2 = {
    { "vbmi2", CPU_AVX512 | CPU_VBMI2 }, escape_vbmi2, unescape_vbmi2, decode_vbmi2,
};
#endif
