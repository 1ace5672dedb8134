/* Run a tiny's flash image alone: this program plays the pump chip for one lane, plane by plane.
 *
 *     cc -std=gnu11 -O2 -Iext/sim -o tiny_wire tests/sim/tiny_wire.c ext/sim/{avr*,attiny10,tiny_*}.c
 *     echo 4500...  | ./tiny_wire image.bin [option value]...
 *
 * image.bin is raw flash (avr-objcopy -O binary). Options:
 *     plane  CYCLES  tiny's clock cycles per plane at its nominal 8 MHz (25 = 50 cycles of the pump chip); may be 12.5
 *     gap    PLANES  idle planes after each byte that is sent (3)
 *     quiet  PLANES  a reply, or its absence, has ended after this many silent planes (300)
 *     ppm    N       oscillator error of the tiny, positive is faster (0)
 *     seed   N       of RAM and registers at power-on (1)
 *
 * Each line of stdin is one command:
 *     HEX            a packet: sent as a SLIP frame with leading and trailing END
 *     raw HEX        these bytes as they are
 *     idle PLANES    nothing sent
 *     reset          /RESET low for 1 ms, start-up, ten idle planes
 *     dump           registers r16-r31 and RAM
 * and is answered by one line of JSON for each frame that came back, then one for the command itself:
 *     {"frame": "4500...", "first": planes from the last bit sent to the first start bit, "planes": of the whole frame,
 *      "cycles": ...}
 *     {"done": "HEX", "planes": of the command, "cycles": tiny's, "lowest_sp": since reset, "illegal": opcodes met,
 *      "collisions": planes in which both drove the lane, "driven_high": cycles with PB0 or PB1 driven high}
 */
#include "attiny10.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { END = 0xc0, ESC = 0xdb, ESC_END = 0xdc, ESC_ESC = 0xdd, MAX = 4096 };

static struct wire clock_wire = { .count = 1, .first = false }; /* idle high */
static struct tiny tiny;
static uint64_t now, plane_ps = 25 * 125000, planes;
static unsigned gap = 3, quiet = 300, lowest_sp, collisions, driven_high;

/* --- from the tiny --- */
static int bits = -1;  /* of the byte that is coming, -1 while idle */
static unsigned value; /* of it */
static uint8_t frame[MAX];
static unsigned length;
static bool escaped;
static uint64_t silent, sent_at, frame_at, frame_cycle;

static void run(uint64_t until)
{
    /* One cycle at a time: the lowest stack pointer and driven pins are wanted, not speed. */
    while (now < until) {
        now = now + 125000 < until ? now + 125000 : until;
        tiny_run(&tiny, now);
        if (tiny.avr.sp < lowest_sp)
            lowest_sp = tiny.avr.sp;
        driven_high += tiny_pin(&tiny, 0, now) == TINY_HIGH || tiny_pin(&tiny, 1, now) == TINY_HIGH;
    }
}

static void byte_came(uint8_t byte)
{
    if (byte == END) {
        if (length) {
            printf("{\"frame\": \"");
            for (unsigned i = 0; i < length; i++)
                printf("%02x", frame[i]);
            printf("\", \"first\": %" PRIu64 ", \"planes\": %" PRIu64 ", \"cycles\": %" PRIu64 "}\n", frame_at - sent_at,
                   planes - frame_at, tiny.avr.cycle - frame_cycle);
        }
        length = 0;
        frame_at = 0;
    } else if (byte == ESC) {
        escaped = true;
    } else if (length < MAX) {
        frame[length++] = escaped ? (byte == ESC_END ? END : ESC) : byte;
        escaped = false;
    }
}

/* One plane, in the pump's order: sample, clock low, drive, clock high. */
static void plane(bool released)
{
    uint64_t start = now;
    bool level = tiny_lane(&tiny, now), pump_low = !wire_level(&tiny.lane, tiny.lane.count);
    if (pump_low)
        collisions += tiny_pin(&tiny, 0, now) == TINY_LOW || tiny_pin(&tiny, 0, now) == TINY_HIGH;
    else if (bits >= 0) {
        value |= level << bits++;
        if (bits == 8) {
            byte_came(value);
            bits = -1;
        }
    } else if (!level) {
        bits = 0;
        value = 0;
        if (!frame_at) {
            frame_at = planes;
            frame_cycle = tiny.avr.cycle;
        }
    }
    silent = level && bits < 0 ? silent + 1 : 0;

    run(start + plane_ps * 3 / 50);
    wire_set(&clock_wire, now, 0);
    run(start + plane_ps * 5 / 50);
    tiny_lane_pin(&tiny, now, released);
    run(start + plane_ps / 2);
    wire_set(&clock_wire, now, 1);
    run(start + plane_ps);
    planes++;
}

static void send(uint8_t byte)
{
    plane(0);
    for (unsigned i = 0; i < 8; i++)
        plane(byte >> i & 1);
    for (unsigned i = 0; i < gap; i++)
        plane(1);
}

static void send_packet(const uint8_t *packet, unsigned size)
{
    send(END);
    for (unsigned i = 0; i < size; i++) {
        if (packet[i] == END || packet[i] == ESC) {
            send(ESC);
            send(packet[i] == END ? ESC_END : ESC_ESC);
        } else {
            send(packet[i]);
        }
    }
    send(END);
}

static void reset(void)
{
    tiny_reset_pin(&tiny, now, 0);
    now += 1000000000;
    tiny_reset_pin(&tiny, now, 1);
    now += tiny.startup_ps;
    lowest_sp = 0x5f;
    for (unsigned i = 0; i < 10; i++)
        plane(1);
}

static unsigned hex(const char *text, uint8_t *bytes)
{
    unsigned n = 0, byte;
    for (; sscanf(text, " %2x", &byte) == 1 && n < MAX; text += 2 + strspn(text, " "))
        bytes[n++] = byte;
    return n;
}

static void command(char *line)
{
    static uint8_t bytes[MAX];
    uint64_t planes_before = planes, cycles_before = tiny.avr.cycle;
    if (!strcmp(line, "reset")) {
        reset();
    } else if (!strncmp(line, "idle ", 5)) {
        for (unsigned long n = strtoul(line + 5, NULL, 0); n; n--)
            plane(1);
    } else if (!strcmp(line, "dump")) {
        printf("{\"registers\": \"");
        for (unsigned i = 16; i < 32; i++)
            printf("%02x", tiny.avr.r[i]);
        printf("\", \"ram\": \"");
        for (unsigned i = 0; i < TINY_RAM; i++)
            printf("%02x", tiny.avr.ram[i]);
        printf("\", \"pc\": %u, \"sp\": %u, \"sreg\": %u}\n", tiny.avr.pc * 2, tiny.avr.sp, tiny.avr.sreg);
    } else {
        bool raw = !strncmp(line, "raw ", 4);
        unsigned size = hex(raw ? line + 4 : line, bytes);
        if (raw)
            for (unsigned i = 0; i < size; i++)
                send(bytes[i]);
        else
            send_packet(bytes, size);
        sent_at = planes - gap;
        silent = 0;
        for (unsigned long limit = 1000000; silent < quiet && limit; limit--)
            plane(1);
    }
    printf("{\"done\": \"%.20s\", \"planes\": %" PRIu64 ", \"cycles\": %" PRIu64 ", \"lowest_sp\": %u, \"illegal\": %" PRIu64
           ", \"collisions\": %u, \"driven_high\": %u}\n",
           line, planes - planes_before, tiny.avr.cycle - cycles_before, lowest_sp, tiny.avr.illegal, collisions, driven_high);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    static uint8_t image[TINY_FLASH + 1];
    static char line[3 * MAX];
    long ppm = 0, seed = 1;
    for (int i = 2; i + 1 < argc; i += 2) {
        if (!strcmp(argv[i], "plane")) plane_ps = strtod(argv[i + 1], NULL) * 125000;
        else if (!strcmp(argv[i], "gap")) gap = strtoul(argv[i + 1], NULL, 0);
        else if (!strcmp(argv[i], "quiet")) quiet = strtoul(argv[i + 1], NULL, 0);
        else if (!strcmp(argv[i], "ppm")) ppm = strtol(argv[i + 1], NULL, 0);
        else if (!strcmp(argv[i], "seed")) seed = strtol(argv[i + 1], NULL, 0);
        else return fprintf(stderr, "unknown option %s\n", argv[i]), 2;
    }
    FILE *file = argc > 1 ? fopen(argv[1], "rb") : NULL;
    if (!file)
        return fprintf(stderr, "usage: tiny_wire image.bin [option value]...\n"), 2;
    size_t size = fread(image, 1, sizeof image, file);
    fclose(file);
    if (tiny_init(&tiny, &clock_wire))
        return 1;
    if (tiny_load(&tiny, image, size))
        return fprintf(stderr, "image is larger than %d bytes\n", TINY_FLASH), 1;
    tiny_power_on(&tiny, 0, seed, ppm);
    reset();
    while (fgets(line, sizeof line, stdin)) {
        line[strcspn(line, "\r\n")] = 0;
        if (*line)
            command(line);
    }
    tiny_free(&tiny);
    return 0;
}
