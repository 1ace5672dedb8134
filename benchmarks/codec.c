/* Times the codec on this CPU: SLIP against memcpy and a byte loop, planes in snapshots per second.
 *
 *     codec time                      JSON: one object per line {"what", "path", "bytes", "escapes", "per_s"}
 *     codec run WHAT PATH BYTES       a fixed amount of that work, for callgrind: encode, decode, to_lanes, to_planes
 *
 * per_s is bytes of packets per second, or planes; the best of nine runs, each of some milliseconds.
 */
#define _GNU_SOURCE
#include "planes.h"
#include "slip.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* So many packets that the CPU cannot learn their escapes by heart, but that they fit its second cache. */
enum { PACKETS = 1024, BYTES = 128 << 10, LONGEST = 1500, BLOCKS = 64, ROUNDS = 9 };

static uint8_t packets[PACKETS][LONGEST], frames[PACKETS][SLIP_BOUND(LONGEST)], out[SLIP_BOUND(LONGEST)];
static size_t lengths[PACKETS], bytes, count;
static uint8_t planes[BLOCKS * PLANES_BLOCK * 2];
static uint64_t lanes[BLOCKS * PLANES_LANES];
static volatile uint8_t sink;

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* splitmix64: the same packets every time */
static uint64_t random64(void)
{
    static uint64_t state = 1;
    uint64_t word = state += 0x9e3779b97f4a7c15;
    word = (word ^ word >> 30) * 0xbf58476d1ce4e5b9;
    word = (word ^ word >> 27) * 0x94d049bb133111eb;
    return word ^ word >> 31;
}

static void fill(size_t length, unsigned percent)
{
    bytes = length;
    count = length * PACKETS > BYTES ? BYTES / length : PACKETS;
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < length; j++) {
            uint64_t word = random64();
            uint8_t plain = word >> 8;
            if (plain == SLIP_END || plain == SLIP_ESC)
                plain ^= 1;
            packets[i][j] = word % 128 * 100 < percent * 128 ? (word >> 16 & 1 ? SLIP_END : SLIP_ESC) : plain;
        }
        lengths[i] = slip_encode(frames[i], packets[i], length);
    }
    for (size_t i = 0; i < sizeof planes; i++)
        planes[i] = (uint8_t)random64();
}

static void encode(void)
{
    for (size_t i = 0; i < count; i++)
        sink = (uint8_t)slip_encode(out, packets[i], bytes);
}

static void decode(void)
{
    for (size_t i = 0; i < count; i++) {
        struct slip_decoder decoder = { .packet = out, .capacity = bytes };
        enum slip_event event;
        size_t at = slip_decode(&decoder, frames[i], lengths[i], &event);
        if (event != SLIP_PACKET || at != lengths[i])
            abort();
    }
}

static void copy(void)
{
    for (size_t i = 0; i < count; i++) {
        memcpy(out, packets[i], bytes);
        __asm__ volatile("" ::: "memory");
        sink = out[0];
    }
}

static void byteloop_encode(void)
{
    for (size_t i = 0; i < count; i++) {
        uint8_t *to = out;
        *to++ = SLIP_END;
        for (size_t j = 0; j < bytes; j++) {
            uint8_t byte = packets[i][j];
            if (byte == SLIP_END || byte == SLIP_ESC) {
                *to++ = SLIP_ESC;
                byte = byte == SLIP_END ? SLIP_ESC_END : SLIP_ESC_ESC;
            }
            *to++ = byte;
        }
        *to = SLIP_END;
        __asm__ volatile("" ::: "memory");
    }
}

static void byteloop_decode(void)
{
    for (size_t i = 0; i < count; i++) {
        uint8_t *to = out;
        for (size_t j = 1; frames[i][j] != SLIP_END; j++) {
            uint8_t byte = frames[i][j];
            if (byte == SLIP_ESC)
                byte = frames[i][++j] == SLIP_ESC_END ? SLIP_END : SLIP_ESC;
            *to++ = byte;
        }
        __asm__ volatile("" ::: "memory");
    }
}

static void to_lanes(void) { planes_to_lanes(lanes, planes, BLOCKS); }
static void to_planes(void) { lanes_to_planes(planes, lanes, BLOCKS); }

static const struct work {
    const char *name;
    void (*once)(void);
} works[] = { { "encode", encode }, { "decode", decode }, { "to_lanes", to_lanes }, { "to_planes", to_planes } };

/* The best of some runs: what the machine can, its noise taken out. */
static double best(void (*once)(void), double amount)
{
    double fastest = 0;
    unsigned times = 1;
    for (unsigned round = 0; round < ROUNDS; round++) {
        double start, took;
        for (;;) {
            start = seconds();
            for (unsigned i = 0; i < times; i++)
                once();
            took = seconds() - start;
            if (took > 4e-3)
                break;
            times *= 2;
        }
        double rate = amount * times / took;
        fastest = rate > fastest ? rate : fastest;
    }
    return fastest;
}

static void report(const char *what, const char *path, unsigned escapes, double per_s)
{
    printf("{\"what\": \"%s\", \"path\": \"%s\", \"bytes\": %zu, \"escapes\": %u, \"per_s\": %.4g}\n", what, path, bytes,
           escapes, per_s);
}

static void time_all(void)
{
    static const size_t sizes[] = { 100, LONGEST };
    static const unsigned escapes[] = { 1, 10 };
    for (size_t s = 0; s < 2; s++)
        for (size_t e = 0; e < 2; e++) {
            fill(sizes[s], escapes[e]);
            double amount = (double)(bytes * count);
            report("copy", "memcpy", escapes[e], best(copy, amount));
            report("encode", "byteloop", escapes[e], best(byteloop_encode, amount));
            report("decode", "byteloop", escapes[e], best(byteloop_decode, amount));
            for (const char *const *path = slip_paths(); *path; path++) {
                slip_use(*path);
                report("encode", *path, escapes[e], best(encode, amount));
                report("decode", *path, escapes[e], best(decode, amount));
            }
        }
    for (const char *const *path = planes_paths(); *path; path++) {
        planes_use(*path);
        report("to_lanes", *path, 0, best(to_lanes, BLOCKS * PLANES_BLOCK));
        report("to_planes", *path, 0, best(to_planes, BLOCKS * PLANES_BLOCK));
    }
}

int main(int argc, char **words)
{
    if (argc == 2 && !strcmp(words[1], "time")) {
        time_all();
        return 0;
    }
    for (size_t i = 0; argc == 5 && i < sizeof works / sizeof *works; i++)
        if (!strcmp(words[1], "run") && !strcmp(words[2], works[i].name)) {
            if (slip_use(words[3]) && planes_use(words[3]))
                return 3;
            fill(strtoul(words[4], NULL, 10) % (LONGEST + 1), 1);
            works[i].once();
            return 0;
        }
    fputs("codec time | codec run encode|decode|to_lanes|to_planes PATH BYTES\n", stderr);
    return 2;
}
