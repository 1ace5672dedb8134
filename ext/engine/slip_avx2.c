/* SLIP's inner loops with AVX2: 32 bytes at a time.
 *
 * A mispredicted branch costs as much as four blocks, and escapes come at random, so that few branches hang on them:
 * plain blocks are copied; in decoding, one escape in a block is taken out by shifting all that follows it; more go
 * eight bytes at a time through a table of shuffles, whatever they hold. Tails are done with the block before them once
 * more, so that nothing is read or stored beyond the ends.
 */
#ifdef __x86_64__
#include "slip_kernels.h"
#include <immintrin.h>
#include <string.h>

#define AVX2 __attribute__((target("avx2,bmi,popcnt")))
#define INLINE __attribute__((always_inline)) static inline
#define RARELY(condition) __builtin_expect(!!(condition), 0)

enum { TO_ESCAPED_END = SLIP_END ^ SLIP_ESC_END, TO_ESCAPED_ESC = SLIP_ESC ^ SLIP_ESC_ESC };

/* For eight bytes, by the mask of those that are special: where each byte made comes from. Expanding, an index with
 * its top bit set makes an ESC. Compressing, the masked bytes are left out. */
static uint8_t expand[256][16] __attribute__((aligned(16)));
static uint8_t compress[256][8] __attribute__((aligned(8)));

/* Constants in memory: the compiler would make each from an integer, three instructions, at each call. */
static struct {
    uint8_t end[32], esc[32], esc_end[32], esc_esc[32], count[32];
} constants __attribute__((aligned(32)));
#define CONSTANT(name) _mm256_load_si256((const __m256i *)constants.name)

__attribute__((constructor)) static void fill_tables(void)
{
    memset(constants.end, SLIP_END, 32);
    memset(constants.esc, SLIP_ESC, 32);
    memset(constants.esc_end, SLIP_ESC_END, 32);
    memset(constants.esc_esc, SLIP_ESC_ESC, 32);
    for (uint8_t i = 0; i < 32; i++)
        constants.count[i] = i + 1;
    for (unsigned mask = 0; mask < 256; mask++) {
        unsigned wide = 0, narrow = 0;
        for (uint8_t i = 0; i < 8; i++) {
            if (mask >> i & 1)
                expand[mask][wide++] = 0x80;
            else
                compress[mask][narrow++] = i;
            expand[mask][wide++] = i;
        }
    }
}

AVX2 INLINE unsigned mask_32(__m256i bytes)
{
    return (unsigned)_mm256_movemask_epi8(bytes);
}

/* --- Encoding --------------------------------------------------------------------------------------------------- */

/* Eight bytes, already changed to what follows an ESC where `special` says so. Stores 16, makes 8 to 16. */
AVX2 INLINE unsigned expand_8(uint8_t *out, __m128i bytes, unsigned special)
{
    __m128i from = _mm_load_si128((const __m128i *)expand[special]);
    __m128i wide = _mm_blendv_epi8(_mm_shuffle_epi8(bytes, from), _mm256_castsi256_si128(CONSTANT(esc)), from);
    _mm_storeu_si128((__m128i *)out, wide);
    return 8 + (unsigned)__builtin_popcount(special);
}

/* Eight bytes from `in`, `done` of which stand before `out` already: they are made again in their place. */
AVX2 INLINE uint8_t *escape_8(uint8_t *out, const uint8_t *in, unsigned done)
{
    __m128i bytes = _mm_loadl_epi64((const __m128i *)in);
    __m128i is_end = _mm_cmpeq_epi8(bytes, _mm256_castsi256_si128(CONSTANT(end)));
    __m128i is_esc = _mm_cmpeq_epi8(bytes, _mm256_castsi256_si128(CONSTANT(esc)));
    unsigned special = (unsigned)_mm_movemask_epi8(_mm_or_si128(is_end, is_esc)) & 0xFF;
    bytes = _mm_xor_si128(bytes, _mm_and_si128(is_end, _mm_set1_epi8(TO_ESCAPED_END)));
    bytes = _mm_xor_si128(bytes, _mm_and_si128(is_esc, _mm_set1_epi8(TO_ESCAPED_ESC)));
    out -= done + (unsigned)__builtin_popcount(special & ((1u << done) - 1));
    return out + expand_8(out, bytes, special);
}

AVX2 static size_t escape_avx2(uint8_t *out, const uint8_t *in, size_t n)
{
    uint8_t *start = out;
    const uint8_t *end = in + n;
    const __m256i end_change = _mm256_set1_epi8(TO_ESCAPED_END), esc_change = _mm256_set1_epi8(TO_ESCAPED_ESC);
    if (n < 8)
        return slip_escape_bytes(out, in, n);
    for (; end - in >= 32; in += 32) {
        __m256i bytes = _mm256_loadu_si256((const __m256i *)in);
        __m256i is_end = _mm256_cmpeq_epi8(bytes, CONSTANT(end)), is_esc = _mm256_cmpeq_epi8(bytes, CONSTANT(esc));
        unsigned special = mask_32(_mm256_or_si256(is_end, is_esc));
        if (!special) {
            _mm256_storeu_si256((__m256i *)out, bytes);
            out += 32;
            continue;
        }
        __m256i change = _mm256_or_si256(_mm256_and_si256(is_end, end_change), _mm256_and_si256(is_esc, esc_change));
        bytes = _mm256_xor_si256(bytes, change);
        __m128i low = _mm256_castsi256_si128(bytes), high = _mm256_extracti128_si256(bytes, 1);
        out += expand_8(out, low, special & 0xFF);
        out += expand_8(out, _mm_unpackhi_epi64(low, low), special >> 8 & 0xFF);
        out += expand_8(out, high, special >> 16 & 0xFF);
        out += expand_8(out, _mm_unpackhi_epi64(high, high), special >> 24);
    }
    for (; end - in >= 8; in += 8)
        out = escape_8(out, in, 0);
    if (in < end)
        out = escape_8(out, end - 8, (unsigned)(8 - (end - in)));
    return (size_t)(out - start);
}

/* --- Decoding --------------------------------------------------------------------------------------------------- */

struct block {
    __m256i bytes, next; /* 32 bytes of a frame, and the same from the second one on */
    __m256i is_end, is_esc;
};

AVX2 INLINE struct block load_block(const uint8_t *in)
{
    struct block block = { .bytes = _mm256_loadu_si256((const __m256i *)in) };
    block.is_end = _mm256_cmpeq_epi8(block.bytes, CONSTANT(end));
    block.is_esc = _mm256_cmpeq_epi8(block.bytes, CONSTANT(esc));
    return block;
}

AVX2 INLINE unsigned specials(const struct block *block)
{
    return mask_32(_mm256_or_si256(block->is_end, block->is_esc));
}

/* Put what it stands for in the place of each ESC; reads the byte after the block. What decoding stops at: an END, the
 * ESC of a wrong pair. */
AVX2 INLINE __m256i resolve(struct block *block, const uint8_t *in)
{
    block->next = _mm256_loadu_si256((const __m256i *)(in + 1));
    __m256i to_end = _mm256_cmpeq_epi8(block->next, CONSTANT(esc_end));
    __m256i to_esc = _mm256_cmpeq_epi8(block->next, CONSTANT(esc_esc));
    __m256i wrong = _mm256_andnot_si256(_mm256_or_si256(to_end, to_esc), block->is_esc);
    block->bytes = _mm256_blendv_epi8(block->bytes, CONSTANT(end), _mm256_and_si256(block->is_esc, to_end));
    return _mm256_or_si256(wrong, block->is_end);
}

/* Eight bytes without those that `leave` marks. Stores 8. */
AVX2 INLINE uint8_t *compress_8(uint8_t *out, __m128i bytes, unsigned leave)
{
    __m128i from = _mm_loadl_epi64((const __m128i *)compress[leave]);
    _mm_storel_epi64((__m128i *)out, _mm_shuffle_epi8(bytes, from));
    return out + 8 - __builtin_popcount(leave);
}

AVX2 INLINE uint8_t *compress_32(uint8_t *out, __m256i bytes, unsigned leave)
{
    __m128i low = _mm256_castsi256_si128(bytes), high = _mm256_extracti128_si256(bytes, 1);
    out = compress_8(out, low, leave & 0xFF);
    out = compress_8(out, _mm_unpackhi_epi64(low, low), leave >> 8 & 0xFF);
    out = compress_8(out, high, leave >> 16 & 0xFF);
    return compress_8(out, _mm_unpackhi_epi64(high, high), leave >> 24);
}

/* A block without the one byte that `leave` marks, if any. Stores 32. */
AVX2 INLINE uint8_t *without_one(uint8_t *out, const struct block *block, uint64_t leave)
{
    __m256i later = _mm256_cmpgt_epi8(CONSTANT(count), _mm256_set1_epi8((char)_tzcnt_u64(leave)));
    _mm256_storeu_si256((__m256i *)out, _mm256_blendv_epi8(block->bytes, block->next, later));
    return out + 32 - ((uint32_t)leave != 0);
}

/* n bytes, at most 32. */
INLINE void copy_short(uint8_t *to, const uint8_t *from, unsigned n)
{
    if (n >= 16) {
        __m128i first = _mm_loadu_si128((const __m128i *)from);
        __m128i last = _mm_loadu_si128((const __m128i *)(from + n - 16));
        _mm_storeu_si128((__m128i *)to, first);
        _mm_storeu_si128((__m128i *)(to + n - 16), last);
    } else if (n >= 8) {
        uint64_t first, last;
        memcpy(&first, from, 8);
        memcpy(&last, from + n - 8, 8);
        memcpy(to, &first, 8);
        memcpy(to + n - 8, &last, 8);
    } else if (n >= 4) {
        uint32_t first, last;
        memcpy(&first, from, 4);
        memcpy(&last, from + n - 4, 4);
        memcpy(to, &first, 4);
        memcpy(to + n - 4, &last, 4);
    } else {
        for (unsigned i = 0; i < n; i++)
            to[i] = from[i];
    }
}

AVX2 static size_t unescape_avx2(uint8_t *out, size_t room, const uint8_t *in, size_t n, size_t *made)
{
    uint8_t *const start = out, *const limit = out + room;
    const uint8_t *const begin = in, *const end = in + n;
    uint64_t carry = 0; /* 1 if the next byte belongs to the ESC before it */
    if (n <= 32)
        return slip_sse2.unescape(out, room, in, n, made);
    for (; end - in > 32 && limit - out >= 32; in += 32) {
        struct block block = load_block(in);
        if (!(specials(&block) | carry)) {
            _mm256_storeu_si256((__m256i *)out, block.bytes);
            out += 32;
            continue;
        }
        unsigned stop = mask_32(resolve(&block, in));
        uint64_t pairs = 2 * (uint64_t)mask_32(block.is_esc) + carry; /* the second byte of each */
        if (stop) {
            unsigned good = _tzcnt_u32(stop);
            out = compress_32(out, block.bytes, (unsigned)pairs | UINT32_MAX << good);
            *made = (size_t)(out - start);
            return (size_t)(in + good - begin);
        }
        out = pairs & (pairs - 1) ? compress_32(out, block.bytes, (unsigned)pairs) : without_one(out, &block, pairs);
        carry = pairs >> 32;
    }
    /* What is left, or what room is: from 33 bytes that are there, of which some are done, by way of a buffer. */
    while (end - in > 1 + (ptrdiff_t)carry) {
        unsigned done = end - in < 33 ? 33 - (unsigned)(end - in) : 0, open = UINT32_MAX << done;
        struct block block = load_block(in - done);
        unsigned stop = mask_32(resolve(&block, in - done)) & open, good = _tzcnt_u32(stop);
        uint64_t pairs = 2 * (uint64_t)mask_32(block.is_esc) + carry;
        uint64_t leave = pairs | ~open | UINT64_MAX << good;
        uint8_t buffer[32];
        unsigned size = (unsigned)(compress_32(buffer, block.bytes, (unsigned)leave) - buffer);
        if (size > limit - out)
            break;
        copy_short(out, buffer, size);
        out += size;
        in += good - done;
        carry = stop ? 0 : pairs >> 32;
        if (stop)
            break;
    }
    in += carry;
    in += slip_unescape_bytes(out, (size_t)(limit - out), in, (size_t)(end - in), &room);
    *made = (size_t)(out - start) + room;
    return (size_t)(in - begin);
}

/* A frame that comes whole, with few escapes, in as few instructions as can be; unescape_avx2 takes on all else. */
AVX2 static size_t decode_avx2(struct slip_decoder *decoder, const uint8_t *bytes, size_t length,
                               enum slip_event *event)
{
    if (length < 34 || !slip_fresh(decoder))
        return slip_decode_steps(decoder, bytes, length, event);
    uint8_t *out = decoder->packet;
    const uint8_t *const end = bytes + length, *in = bytes + (*bytes == SLIP_END);
    size_t most = (size_t)(end - 1 - in);
    most = most < decoder->capacity ? most : decoder->capacity;
    uint64_t carry = 0;
    for (const uint8_t *last = in + most / 32 * 32; in < last; in += 32) {
        struct block block = load_block(in);
        if (!RARELY(specials(&block) | carry)) {
            _mm256_storeu_si256((__m256i *)out, block.bytes);
            out += 32;
            continue;
        }
        __m256i stop = resolve(&block, in);
        uint64_t pairs = 2 * (uint64_t)mask_32(block.is_esc) + carry;
        if (RARELY(!_mm256_testz_si256(stop, stop) || pairs & (pairs - 1)))
            return slip_decode_on(decoder, bytes, length, event, in + carry, out);
        out = without_one(out, &block, pairs);
        carry = pairs >> 32;
    }
    in += carry;
    size_t left = (size_t)(end - in);
    if (left - 1 < 32) { /* plain bytes and an END */
        struct block block = load_block(end - 32);
        unsigned special = (specials(&block) | 1u << 31) >> (32 - left), n = _tzcnt_u32(special);
        size_t have = (size_t)(out - decoder->packet) + n;
        if (in[n] == SLIP_END && have <= decoder->capacity) {
            copy_short(out, in, n);
            decoder->length = have;
            decoder->complete = true;
            *event = SLIP_PACKET;
            return (size_t)(in + n + 1 - bytes);
        }
    }
    return slip_decode_on(decoder, bytes, length, event, in, out);
}

const struct slip_kernels slip_avx2 = { { "avx2", CPU_AVX2 }, escape_avx2, unescape_avx2, decode_avx2 };
#endif
