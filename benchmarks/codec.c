/* Times the codec on this CPU: SLIP against memcpy and a byte loop, planes in snapshots per second.
 *
 *     codec       JSON: one object per line {"what", "path", "bytes", "escapes", "per_s"}
 *
 * per_s is bytes of packets per second, or planes. All contenders take turns, some milliseconds' part each, and the
 * best of their turns counts: what the machine can, its noise taken out.
 */
#define _GNU_SOURCE
#include "planes_kernels.h"
#include "slip.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* So many bytes that the CPU cannot learn their escapes by heart (it does learn 128 KB), but that they fit its second
 * cache. */
enum { BYTES = 384 << 10, LONGEST = 1500, SHORTEST = 100, PACKETS = BYTES / SHORTEST };
enum { BLOCKS = 64, TURNS = 41, MOST = 32 };

static uint8_t packets[BYTES], frames[SLIP_BOUND(BYTES) + 2 * PACKETS], out[SLIP_BOUND(LONGEST)];
static size_t starts[PACKETS + 1], bytes, count; /* of frames */
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

/* Packets of noise in which this share of bytes, at random places, need an escape. */
static void fill(size_t length, unsigned percent)
{
    bytes = length;
    count = BYTES / length;
    for (size_t i = 0; i < count * bytes; i++) {
        bool special = random64() % 100 < percent;
        uint8_t byte = (uint8_t)random64();
        while (!special && (byte == SLIP_END || byte == SLIP_ESC))
            byte = (uint8_t)random64();
        packets[i] = !special ? byte : byte & 1 ? SLIP_END : SLIP_ESC;
    }
    for (size_t i = 0; i < count; i++)
        starts[i + 1] = starts[i] + slip_encode(frames + starts[i], packets + i * bytes, bytes);
    for (size_t i = 0; i < sizeof planes; i++)
        planes[i] = (uint8_t)random64();
}

static void encode(void)
{
    for (size_t i = 0; i < count; i++)
        sink = (uint8_t)slip_encode(out, packets + i * bytes, bytes);
}

static void decode(void)
{
    for (size_t i = 0; i < count; i++) {
        struct slip_decoder decoder = { .packet = out, .capacity = bytes };
        enum slip_event event;
        size_t length = starts[i + 1] - starts[i], at = slip_decode(&decoder, frames + starts[i], length, &event);
        if (event != SLIP_PACKET || at != length)
            abort();
    }
}

static void copy(void)
{
    for (size_t i = 0; i < count; i++) {
        memcpy(out, packets + i * bytes, bytes);
        __asm__ volatile("" ::: "memory");
        sink = out[0];
    }
}

static void byteloop_encode(void)
{
    for (size_t i = 0; i < count; i++) {
        const uint8_t *packet = packets + i * bytes;
        uint8_t *to = out;
        *to++ = SLIP_END;
        for (size_t j = 0; j < bytes; j++) {
            uint8_t byte = packet[j];
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
        const uint8_t *frame = frames + starts[i];
        uint8_t *to = out;
        for (size_t j = 1; frame[j] != SLIP_END; j++) {
            uint8_t byte = frame[j];
            if (byte == SLIP_ESC)
                byte = frame[++j] == SLIP_ESC_END ? SLIP_END : SLIP_ESC;
            *to++ = byte;
        }
        __asm__ volatile("" ::: "memory");
    }
}

static void to_lanes(void) { planes_to_lanes(lanes, planes, BLOCKS); }
static void to_planes(void) { lanes_to_planes(planes, lanes, BLOCKS); }
static void hidden_to_lanes(void) { planes_gfni_avx2.to_lanes(lanes, planes, BLOCKS); }
static void hidden_to_planes(void) { planes_gfni_avx2.to_planes(planes, lanes, BLOCKS); }

static struct contender {
    const char *what, *path;
    void (*once)(void);
    double best; /* seconds */
} contenders[MOST];
static unsigned entered;

static void enter(const char *what, const char *path, void (*once)(void))
{
    contenders[entered++] = (struct contender){ what, path, once, 1e9 };
}

/* Let all that entered take turns; `amount` is what each does at once. */
static void run(size_t length, unsigned escapes, double amount)
{
    for (unsigned turn = 0; turn < TURNS; turn++)
        for (struct contender *c = contenders; c < contenders + entered; c++) {
            slip_use(c->path);
            planes_use(c->path);
            unsigned times = 0;
            double start = seconds(), took;
            do {
                c->once();
                times++;
            } while ((took = seconds() - start) < 3e-4);
            c->best = took / times < c->best ? took / times : c->best;
        }
    for (struct contender *c = contenders; c < contenders + entered; c++)
        printf("{\"what\": \"%s\", \"path\": \"%s\", \"bytes\": %zu, \"escapes\": %u, \"per_s\": %.4g}\n", c->what,
               c->path, length, escapes, amount / c->best);
    entered = 0;
}

/* Cycles per second while it is busy: a loop of one cycle. */
static void report_clock(void)
{
    double most = 0;
    for (unsigned turn = 0; turn < TURNS; turn++) {
        unsigned long cycles = 1000000;
        double start = seconds(), rate = (double)cycles;
        __asm__ volatile("1: sub $1, %0\n\tjnz 1b" : "+r"(cycles));
        rate /= seconds() - start;
        most = rate > most ? rate : most;
    }
    printf("{\"what\": \"clock\", \"path\": \"\", \"bytes\": 0, \"escapes\": 0, \"per_s\": %.4g}\n", most);
}

/* Whether the CPU knows instructions that it does not announce: some hypervisors hide them. */
static bool runs(void (*once)(void))
{
    int status;
    pid_t child = fork();
    if (!child) {
        once();
        _exit(0);
    }
    return child > 0 && waitpid(child, &status, 0) == child && status == 0;
}

int main(void)
{
    static const size_t sizes[] = { SHORTEST, LONGEST };
    static const unsigned escapes[] = { 1, 10 };
    for (size_t s = 0; s < 2; s++)
        for (size_t e = 0; e < 2; e++) {
            fill(sizes[s], escapes[e]);
            enter("copy", "memcpy", copy);
            enter("encode", "byteloop", byteloop_encode);
            enter("decode", "byteloop", byteloop_decode);
            for (const char *const *path = slip_paths(); *path; path++) {
                enter("encode", *path, encode);
                enter("decode", *path, decode);
            }
            run(sizes[s], escapes[e], (double)(bytes * count));
        }
    bool hidden = !(cpu_features() & CPU_GFNI) && runs(hidden_to_lanes);
    for (const char *const *path = planes_paths(); *path; path++) {
        enter("to_lanes", *path, to_lanes);
        enter("to_planes", *path, to_planes);
    }
    if (hidden) {
        enter("to_lanes", "gfni-avx2, hidden", hidden_to_lanes);
        enter("to_planes", "gfni-avx2, hidden", hidden_to_planes);
    }
    run(0, 0, BLOCKS * PLANES_BLOCK);
    report_clock();
    return 0;
}
