/* The codec's loops with their branches decided beforehand, for llvm-mca: model.py takes the loop of each function.
 *
 * An iteration is 32 bytes of a packet (encoding with escapes), 64 (all else with AVX-512) or 32 (all else with AVX2).
 */
#if defined MODEL_VBMI2
#include "../ext/engine/slip_vbmi2.c"

VBMI2 void copy_64(uint8_t *out, const uint8_t *in, size_t n)
{
    for (; n; n -= 64, in += 64, out += 64) {
        _mm512_storeu_si512(out, _mm512_loadu_si512(in));
        __asm__ volatile("" ::: "memory"); /* or it becomes a call of memcpy */
    }
}

VBMI2 void escape_one_64(uint8_t *out, const uint8_t *in, size_t n)
{
    for (; n; n -= 64, in += 64) {
        __m512i bytes = _mm512_loadu_si512(in);
        __mmask64 is_end = _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8((char)SLIP_END));
        __mmask64 is_esc = _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8((char)SLIP_ESC));
        uint64_t special = is_end | is_esc;
        if (special & (special - 1))
            return;
        out += escape_64(out, bytes, is_end, is_esc);
    }
}

VBMI2 void escape_more_32(uint8_t *out, const uint8_t *in, size_t n)
{
    __m512i made;
    for (; n; n -= 32, in += 32) {
        unsigned size = escape_32(&made, _mm256_loadu_si256((const __m256i *)in), UINT32_MAX);
        _mm512_storeu_si512(out, made);
        out += size;
    }
}

VBMI2 void unescape_64(uint8_t *out, const uint8_t *in, size_t n)
{
    uint64_t carry = 0;
    for (; n; n -= 64, in += 64) {
        struct block block = resolve(_mm512_loadu_si512(in), carry);
        if (block.stop)
            return;
        _mm512_storeu_si512(out, _mm512_maskz_compress_epi8(~block.is_esc, block.bytes));
        out += 64 - __builtin_popcountll(block.is_esc);
        carry = block.is_esc >> 63;
    }
}
#else
#include "../ext/engine/slip_avx2.c"

AVX2 void copy_32(uint8_t *out, const uint8_t *in, size_t n)
{
    for (; n; n -= 32, in += 32, out += 32) {
        _mm256_storeu_si256((__m256i *)out, _mm256_loadu_si256((const __m256i *)in));
        __asm__ volatile("" ::: "memory");
    }
}

AVX2 void plain_32(uint8_t *out, const uint8_t *in, size_t n)
{
    for (; n; n -= 32, in += 32, out += 32) {
        struct block block = load_block(in);
        if (specials(&block))
            return;
        _mm256_storeu_si256((__m256i *)out, block.bytes);
    }
}

AVX2 void unescape_special_32(uint8_t *out, const uint8_t *in, size_t n)
{
    uint64_t carry = 0;
    for (; n; n -= 32, in += 32) {
        struct block block = load_block(in);
        if (mask_32(resolve(&block, in)))
            return;
        uint64_t pairs = 2 * (uint64_t)mask_32(block.is_esc) + carry;
        out = compress_32(out, block.bytes, (unsigned)pairs);
        carry = pairs >> 32;
    }
}
#endif
