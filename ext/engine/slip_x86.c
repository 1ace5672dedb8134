/* SLIP's inner loops for x86-64: SSE2 and AVX2 find and move, AVX-512 VBMI2 expands and compresses whole registers.
 *
 * SSE2: copy 16 bytes, step over as many as were plain, treat the special one alone.
 * AVX2: 32 plain bytes are copied; others go eight at a time through a table of shuffles, whatever they hold, so that
 *       escapes cost no mispredicted branch each.
 * VBMI2: no branch on the data but for whole plain registers.
 */
#ifdef __x86_64__
#include "slip_kernels.h"
#include <immintrin.h>

enum { TO_ESCAPED_END = SLIP_END ^ SLIP_ESC_END, TO_ESCAPED_ESC = SLIP_ESC ^ SLIP_ESC_ESC };

/* --- SSE2 ------------------------------------------------------------------------------------------------------- */

static bool always(void)
{
    return true;
}

static inline unsigned specials_16(__m128i bytes)
{
    __m128i end = _mm_cmpeq_epi8(bytes, _mm_set1_epi8((char)SLIP_END));
    __m128i esc = _mm_cmpeq_epi8(bytes, _mm_set1_epi8((char)SLIP_ESC));
    return (unsigned)_mm_movemask_epi8(_mm_or_si128(end, esc));
}

static size_t escape_sse2(uint8_t *out, const uint8_t *in, size_t n)
{
    uint8_t *start = out;
    const uint8_t *end = in + n;
    while (end - in >= 16) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)in);
        unsigned special = specials_16(bytes);
        _mm_storeu_si128((__m128i *)out, bytes);
        if (!special) {
            in += 16;
            out += 16;
            continue;
        }
        unsigned plain = (unsigned)__builtin_ctz(special);
        in += plain;
        out += plain;
        *out++ = SLIP_ESC;
        *out++ = *in++ == SLIP_END ? SLIP_ESC_END : SLIP_ESC_ESC;
    }
    return (size_t)(out - start) + slip_escape_bytes(out, in, (size_t)(end - in));
}

static size_t unescape_sse2(uint8_t *out, const uint8_t *in, size_t n, size_t *made)
{
    uint8_t *start = out;
    size_t i = 0, rest;
    while (n - i >= 16) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(in + i));
        unsigned special = specials_16(bytes);
        _mm_storeu_si128((__m128i *)out, bytes);
        if (!special) {
            i += 16;
            out += 16;
            continue;
        }
        unsigned plain = (unsigned)__builtin_ctz(special);
        i += plain;
        out += plain;
        if (in[i] == SLIP_END || i + 1 == n || (in[i + 1] != SLIP_ESC_END && in[i + 1] != SLIP_ESC_ESC)) {
            *made = (size_t)(out - start);
            return i;
        }
        *out++ = in[i + 1] == SLIP_ESC_END ? SLIP_END : SLIP_ESC;
        i += 2;
    }
    i += slip_unescape_bytes(out, in + i, n - i, &rest);
    *made = (size_t)(out - start) + rest;
    return i;
}

const struct slip_kernels slip_sse2 = { "sse2", always, escape_sse2, unescape_sse2 };

/* --- AVX2 ------------------------------------------------------------------------------------------------------- */

#define AVX2 __attribute__((target("avx2,popcnt")))

/* For eight bytes, by the mask of those that are special: where each byte made comes from. Expanding, an index with
 * its top bit set makes an ESC. Compressing, the masked bytes are left out. */
static uint8_t expand[256][16] __attribute__((aligned(16)));
static uint8_t compress[256][8] __attribute__((aligned(8)));

__attribute__((constructor)) static void fill_tables(void)
{
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

static bool has_avx2(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("popcnt");
}

/* Eight bytes, already changed to what follows an ESC where `special` says so. Stores 16, makes 8 to 16. */
AVX2 static inline unsigned expand_8(uint8_t *out, uint64_t bytes, unsigned special)
{
    __m128i from = _mm_load_si128((const __m128i *)expand[special]);
    __m128i wide = _mm_shuffle_epi8(_mm_cvtsi64_si128((long long)bytes), from);
    wide = _mm_blendv_epi8(wide, _mm_set1_epi8((char)SLIP_ESC), from);
    _mm_storeu_si128((__m128i *)out, wide);
    return 8 + (unsigned)__builtin_popcount(special);
}

AVX2 static size_t escape_avx2(uint8_t *out, const uint8_t *in, size_t n)
{
    uint8_t *start = out;
    const uint8_t *end = in + n;
    const __m256i end_byte = _mm256_set1_epi8((char)SLIP_END), esc_byte = _mm256_set1_epi8((char)SLIP_ESC);
    const __m256i end_change = _mm256_set1_epi8(TO_ESCAPED_END), esc_change = _mm256_set1_epi8(TO_ESCAPED_ESC);
    while (end - in >= 32) {
        __m256i bytes = _mm256_loadu_si256((const __m256i *)in);
        __m256i is_end = _mm256_cmpeq_epi8(bytes, end_byte), is_esc = _mm256_cmpeq_epi8(bytes, esc_byte);
        unsigned special = (unsigned)_mm256_movemask_epi8(_mm256_or_si256(is_end, is_esc));
        in += 32;
        if (!special) {
            _mm256_storeu_si256((__m256i *)out, bytes);
            out += 32;
            continue;
        }
        __m256i change = _mm256_or_si256(_mm256_and_si256(is_end, end_change), _mm256_and_si256(is_esc, esc_change));
        bytes = _mm256_xor_si256(bytes, change);
        __m128i low = _mm256_castsi256_si128(bytes), high = _mm256_extracti128_si256(bytes, 1);
        out += expand_8(out, (uint64_t)_mm_cvtsi128_si64(low), special & 0xFF);
        out += expand_8(out, (uint64_t)_mm_extract_epi64(low, 1), special >> 8 & 0xFF);
        out += expand_8(out, (uint64_t)_mm_cvtsi128_si64(high), special >> 16 & 0xFF);
        out += expand_8(out, (uint64_t)_mm_extract_epi64(high, 1), special >> 24);
    }
    for (; end - in >= 8; in += 8) {
        __m128i bytes = _mm_loadl_epi64((const __m128i *)in);
        __m128i is_end = _mm_cmpeq_epi8(bytes, _mm256_castsi256_si128(end_byte));
        __m128i is_esc = _mm_cmpeq_epi8(bytes, _mm256_castsi256_si128(esc_byte));
        unsigned special = (unsigned)_mm_movemask_epi8(_mm_or_si128(is_end, is_esc)) & 0xFF;
        bytes = _mm_xor_si128(bytes, _mm_and_si128(is_end, _mm256_castsi256_si128(end_change)));
        bytes = _mm_xor_si128(bytes, _mm_and_si128(is_esc, _mm256_castsi256_si128(esc_change)));
        out += expand_8(out, (uint64_t)_mm_cvtsi128_si64(bytes), special);
    }
    return (size_t)(out - start) + slip_escape_bytes(out, in, (size_t)(end - in));
}

/* Eight bytes without those that `leave` marks. Stores 8. */
AVX2 static inline unsigned compress_8(uint8_t *out, uint64_t bytes, unsigned leave)
{
    __m128i from = _mm_loadl_epi64((const __m128i *)compress[leave]);
    _mm_storel_epi64((__m128i *)out, _mm_shuffle_epi8(_mm_cvtsi64_si128((long long)bytes), from));
    return 8 - (unsigned)__builtin_popcount(leave);
}

AVX2 static inline unsigned compress_32(uint8_t *out, __m256i bytes, unsigned leave)
{
    uint8_t *start = out;
    __m128i low = _mm256_castsi256_si128(bytes), high = _mm256_extracti128_si256(bytes, 1);
    out += compress_8(out, (uint64_t)_mm_cvtsi128_si64(low), leave & 0xFF);
    out += compress_8(out, (uint64_t)_mm_extract_epi64(low, 1), leave >> 8 & 0xFF);
    out += compress_8(out, (uint64_t)_mm_cvtsi128_si64(high), leave >> 16 & 0xFF);
    out += compress_8(out, (uint64_t)_mm_extract_epi64(high, 1), leave >> 24);
    return (unsigned)(out - start);
}

AVX2 static size_t unescape_avx2(uint8_t *out, const uint8_t *in, size_t n, size_t *made)
{
    uint8_t *start = out;
    size_t i = 0, rest;
    const __m256i end_byte = _mm256_set1_epi8((char)SLIP_END), esc_byte = _mm256_set1_epi8((char)SLIP_ESC);
    const __m256i esc_end = _mm256_set1_epi8((char)SLIP_ESC_END), esc_esc = _mm256_set1_epi8((char)SLIP_ESC_ESC);
    __m256i before = _mm256_setzero_si256(); /* is_esc of the block before */
    for (; n - i >= 32; i += 32) {
        __m256i bytes = _mm256_loadu_si256((const __m256i *)(in + i));
        __m256i is_end = _mm256_cmpeq_epi8(bytes, end_byte), is_esc = _mm256_cmpeq_epi8(bytes, esc_byte);
        /* all ones in each byte that follows an ESC */
        __m256i after = _mm256_alignr_epi8(is_esc, _mm256_permute2x128_si256(before, is_esc, 0x21), 15);
        __m256i special = _mm256_or_si256(_mm256_or_si256(is_end, is_esc), after);
        before = is_esc;
        if (_mm256_testz_si256(special, special)) {
            _mm256_storeu_si256((__m256i *)out, bytes);
            out += 32;
            continue;
        }
        __m256i was_end = _mm256_and_si256(after, _mm256_cmpeq_epi8(bytes, esc_end));
        __m256i was_esc = _mm256_and_si256(after, _mm256_cmpeq_epi8(bytes, esc_esc));
        __m256i wrong = _mm256_or_si256(is_end, _mm256_andnot_si256(_mm256_or_si256(was_end, was_esc), after));
        unsigned leave = (unsigned)_mm256_movemask_epi8(is_esc), stop = (unsigned)_mm256_movemask_epi8(wrong);
        bytes = _mm256_blendv_epi8(_mm256_blendv_epi8(bytes, end_byte, was_end), esc_byte, was_esc);
        if (stop) { /* before an END, or before the ESC of a wrong pair, which may be in the block before */
            unsigned at = (unsigned)__builtin_ctz(stop), pair = (unsigned)_mm256_movemask_epi8(after) >> at & 1;
            out += compress_32(out, bytes, leave | UINT32_MAX << at);
            *made = (size_t)(out - start);
            return i + at - pair;
        }
        out += compress_32(out, bytes, leave);
    }
    i -= (unsigned)_mm256_movemask_epi8(before) >> 31; /* an ESC whose second byte is not there yet */
    for (; n - i >= 8; i += 8, out += 8) {
        __m128i bytes = _mm_loadl_epi64((const __m128i *)(in + i));
        if (specials_16(bytes) & 0xFF)
            break;
        _mm_storel_epi64((__m128i *)out, bytes);
    }
    i += slip_unescape_bytes(out, in + i, n - i, &rest);
    *made = (size_t)(out - start) + rest;
    return i;
}

const struct slip_kernels slip_avx2 = { "avx2", has_avx2, escape_avx2, unescape_avx2 };

/* --- AVX-512 VBMI2 ----------------------------------------------------------------------------------------------- */

#define VBMI2 __attribute__((target("avx512f,avx512bw,avx512vl,avx512vbmi2,bmi2,popcnt")))

static bool has_vbmi2(void)
{
    return __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("avx512vbmi2") && __builtin_cpu_supports("bmi2");
}

VBMI2 static size_t escape_vbmi2(uint8_t *out, const uint8_t *in, size_t n)
{
    uint8_t *start = out;
    const uint64_t second = UINT64_C(0xAAAAAAAAAAAAAAAA); /* of each pair (ESC, byte) the byte always stays */
    const __m256i end_byte = _mm256_set1_epi8((char)SLIP_END), esc_byte = _mm256_set1_epi8((char)SLIP_ESC);
    while (n) {
        if (n >= 64) {
            __m512i bytes = _mm512_loadu_si512(in);
            uint64_t special = _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8((char)SLIP_END)) |
                               _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8((char)SLIP_ESC));
            if (!special) {
                _mm512_storeu_si512(out, bytes);
                in += 64;
                out += 64;
                n -= 64;
                continue;
            }
        }
        unsigned take = n < 32 ? (unsigned)n : 32;
        __mmask32 valid = (__mmask32)_bzhi_u64(~UINT64_C(0), take);
        __m256i bytes = _mm256_maskz_loadu_epi8(valid, in);
        __mmask32 is_end = _mm256_cmpeq_epi8_mask(bytes, end_byte), is_esc = _mm256_cmpeq_epi8_mask(bytes, esc_byte);
        bytes = _mm256_mask_mov_epi8(bytes, is_end, _mm256_set1_epi8((char)SLIP_ESC_END));
        bytes = _mm256_mask_mov_epi8(bytes, is_esc, _mm256_set1_epi8((char)SLIP_ESC_ESC));
        __m512i pairs = _mm512_slli_epi16(_mm512_cvtepu8_epi16(bytes), 8);
        pairs = _mm512_or_si512(pairs, _mm512_set1_epi16(SLIP_ESC));
        uint64_t keep = _pdep_u64(is_end | is_esc, ~second) | _pdep_u64(valid, second);
        unsigned made = (unsigned)__builtin_popcountll(keep);
        _mm512_mask_storeu_epi8(out, _bzhi_u64(~UINT64_C(0), made), _mm512_maskz_compress_epi8(keep, pairs));
        out += made;
        in += take;
        n -= take;
    }
    return (size_t)(out - start);
}

VBMI2 static size_t unescape_vbmi2(uint8_t *out, const uint8_t *in, size_t n, size_t *made)
{
    uint8_t *start = out;
    size_t i = 0;
    while (i < n) {
        unsigned take = n - i < 64 ? (unsigned)(n - i) : 64;
        uint64_t valid = _bzhi_u64(~UINT64_C(0), take);
        __m512i bytes = _mm512_maskz_loadu_epi8(valid, in + i);
        uint64_t is_end = _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8((char)SLIP_END));
        uint64_t is_esc = _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8((char)SLIP_ESC));
        uint64_t after = is_esc << 1;
        uint64_t was_end = after & _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8((char)SLIP_ESC_END));
        uint64_t was_esc = after & _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8((char)SLIP_ESC_ESC));
        /* Stop before an END, before the ESC of a wrong pair, and before an ESC that is the last byte. */
        uint64_t wrong = is_end | ((after & ~was_end & ~was_esc) >> 1 & is_esc);
        wrong |= is_esc & (UINT64_C(1) << (take - 1));
        unsigned good = wrong ? (unsigned)__builtin_ctzll(wrong) : take;
        uint64_t keep = ~is_esc & _bzhi_u64(~UINT64_C(0), good);
        bytes = _mm512_mask_mov_epi8(bytes, was_end, _mm512_set1_epi8((char)SLIP_END));
        bytes = _mm512_mask_mov_epi8(bytes, was_esc, _mm512_set1_epi8((char)SLIP_ESC));
        unsigned count = (unsigned)__builtin_popcountll(keep);
        _mm512_mask_storeu_epi8(out, _bzhi_u64(~UINT64_C(0), count), _mm512_maskz_compress_epi8(keep, bytes));
        out += count;
        i += good;
        /* An ESC at the end of a full register may have its second byte in the next one. */
        if (good < take && !(good == 63 && i + 1 < n))
            break;
    }
    *made = (size_t)(out - start);
    return i;
}

const struct slip_kernels slip_vbmi2 = { "vbmi2", has_vbmi2, escape_vbmi2, unescape_vbmi2 };
#endif
