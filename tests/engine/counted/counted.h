/* Work whose instructions callgrind counts: count_from(), the work, count_as(). For tests/engine/counts.py.
 *
 * What a program prints, a line for each case: name, amount, unit, with tabs between. Each starts with count_scale():
 * a plain byte loop, by which compilers are compared.
 */
#ifndef COUNTED_H
#define COUNTED_H
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <valgrind/callgrind.h>

static inline void count_from(void)
{
    CALLGRIND_ZERO_STATS;
}

static inline void count_as(const char *name, double amount, const char *unit)
{
    CALLGRIND_DUMP_STATS_AT(name);
    printf("%s\t%.0f\t%s\n", name, amount, unit);
}

/* splitmix64: the same noise every time */
static inline uint64_t count_noise(void)
{
    static uint64_t state = 1;
    uint64_t word = state += 0x9e3779b97f4a7c15;
    word = (word ^ word >> 30) * 0xbf58476d1ce4e5b9;
    word = (word ^ word >> 27) * 0x94d049bb133111eb;
    return word ^ word >> 31;
}

static inline void count_scale(void)
{
    static uint8_t from[1 << 14], to[2 << 14];
    for (size_t i = 0; i < sizeof from; i++)
        from[i] = (uint8_t)count_noise();
    uint8_t *at = to;
    count_from();
    for (size_t i = 0; i < sizeof from; i++) {
        if (from[i] == 0xC0 || from[i] == 0xDB)
            *at++ = 0xDB;
        *at++ = from[i];
    }
    __asm__ volatile("" ::"r"(at) : "memory");
    count_as("scale", sizeof from, "byte");
}

#endif
