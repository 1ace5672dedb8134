/* What the CPU can, as one set of bits, so that the choice of kernels is a function that a test can ask. */
#ifndef TINYMUX_CPU_H
#define TINYMUX_CPU_H

enum cpu_feature {
    CPU_AVX2 = 1 << 0,   /* with BMI1 and POPCNT: every CPU that has AVX2 has them */
    CPU_AVX512 = 1 << 1, /* F, BW and VL, with BMI2 */
    CPU_VBMI = 1 << 2,
    CPU_VBMI2 = 1 << 3,
    CPU_GFNI = 1 << 4,
};

/* What this CPU says it has and the kernel keeps the registers of. */
static inline unsigned cpu_features(void)
{
    unsigned have = 0;
#ifdef __x86_64__
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") && __builtin_cpu_supports("popcnt"))
        have |= CPU_AVX2;
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("bmi2"))
        have |= CPU_AVX512;
    if (__builtin_cpu_supports("avx512vbmi"))
        have |= CPU_VBMI;
    if (__builtin_cpu_supports("avx512vbmi2"))
        have |= CPU_VBMI2;
    if (__builtin_cpu_supports("gfni"))
        have |= CPU_GFNI;
#endif
    return have;
}

#endif
