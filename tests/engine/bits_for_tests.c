/* Functions of bits.h and cpu.h as a library has them. */
#include "bits.h"
#include "cpu.h"

unsigned cpu_features_for_tests(void)
{
    return cpu_features();
}

void bits_for_tests_start(struct bits_out *out, const uint8_t *bytes, unsigned n)
{
    bits_start(out, bytes, bytes + n);
}

uint64_t bits_for_tests_take(struct bits_out *out, unsigned gap, unsigned n, unsigned *made)
{
    return bits_take(out, out->end, gap, n, made);
}

unsigned bits_for_tests_receive(struct bits_in *in, uint64_t planes, unsigned n, uint8_t *bytes)
{
    return bits_receive(in, planes, n, bytes);
}

unsigned bits_for_tests_idle(const struct bits_in *in)
{
    return in->idle;
}
