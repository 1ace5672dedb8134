/* One tiny under remote control, for the tests: a command per line of stdin, an answer per line of stdout.
 *
 *     image HEX          flash as if programmed before power-on       power SEED PPM     power on, /RESET low
 *     fine 0|1           let time pass one CPU cycle at a time, so that no waiting loop is jumped over
 *     reset|user|lane|clock LEVEL    set a pin from outside now        run PS             let board time pass
 *     step               one instruction (and events before it)      until CYCLE        run to a CPU cycle
 *     planes BITS PS     drive the lane with each bit for a plane of PS, clock low first; answers the levels seen
 *     get NAME           pc sp sreg cycle ps period asleep illegal lane pin0-3 r16-r31 mAAAA (data space, no effect on
 *                        time) flash config lock words erases refused errors status resets changes
 *     set NAME VALUE     startup vcc config lock mv0-mv3 rN mAAAA word_ps erase_ps
 *     debug 0|1|2        let go; profile; also halt before each instruction and look at everything
 *     label WORD NUMBER  whose a word of flash is, before debug
 *     spent NUMBER       visits cycles waiting worst blind of a label
 *     longest            "FROM TO CYCLES" of each blind stretch, separated by commas
 */
#include "attiny10.h"
#include "avr_ops.h"
#include "tiny_debug.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINE = 1 << 20 };

static struct wire clock_wire;
static struct tiny tiny;
static uint64_t now;
static char changes[1 << 16]; /* user pin: "time:level " each */

static void changed(struct tiny *t, uint64_t time_ps)
{
    static enum tiny_drive last = TINY_RELEASED;
    enum tiny_drive user = tiny_pin(t, 2, time_ps);
    size_t used = strlen(changes);
    if (user != last && used + 40 < sizeof changes)
        snprintf(changes + used, 40, "%" PRIu64 ":%d ", time_ps, user);
    last = user;
}

static bool fine;

static void run(uint64_t until)
{
    while (fine && now + tiny.period_ps < until) {
        now += tiny.period_ps;
        tiny_run(&tiny, now);
    }
    now = until;
    tiny_run(&tiny, now);
}

static void planes(char *bits, uint64_t period)
{
    for (char *bit = bits; *bit; bit++) {
        uint64_t start = now;
        bool level = tiny_lane(&tiny, now);
        wire_set(&clock_wire, now, 0);
        run(now + period / 10);
        tiny_lane_pin(&tiny, now, *bit == '1');
        run(start + period / 2);
        wire_set(&clock_wire, now, 1);
        run(start + period);
        *bit = '0' + level;
    }
    puts(bits);
}

static void dump_flash(void)
{
    for (unsigned i = 0; i < TINY_FLASH / 2; i++)
        printf("%02x%02x", tiny.avr.flash[i] & 0xff, tiny.avr.flash[i] >> 8);
    putchar('\n');
}

static uint64_t get(const char *name)
{
    struct { const char *name; uint64_t value; } values[] = {
        { "pc", tiny.avr.pc }, { "sp", tiny.avr.sp }, { "sreg", tiny.avr.sreg }, { "cycle", tiny.avr.cycle }, { "ps", now },
        { "period", tiny.period_ps }, { "asleep", tiny.avr.asleep }, { "illegal", tiny.avr.illegal },
        { "lane", tiny_lane(&tiny, now) }, { "config", tiny.nvm.config }, { "lock", tiny.nvm.lock },
        { "words", tiny.nvm.words }, { "erases", tiny.nvm.erases }, { "refused", tiny.nvm.refused },
        { "errors", tiny.tpi.errors }, { "status", tiny.tpi.status }, { "resets", tiny.watchdog_resets },
    };
    if (*name == 'm') { /* as the CPU would read it */
        uint16_t address = strtoul(name + 1, NULL, 16);
        return address >= 0x40 && address < 0x60 ? tiny.avr.ram[address - 0x40] : avr_read_other(&tiny.avr, address);
    }
    if (*name == 'r' && name[1] >= '0' && name[1] <= '9')
        return tiny.avr.r[atoi(name + 1) & 31];
    if (!strncmp(name, "pin", 3))
        return tiny_pin(&tiny, atoi(name + 3) & 3, now);
    for (unsigned i = 0; i < sizeof values / sizeof *values; i++)
        if (!strcmp(name, values[i].name))
            return values[i].value;
    exit(3);
}

static void set(const char *name, uint64_t value)
{
    if (!strcmp(name, "startup")) tiny.startup_ps = value;
    else if (!strcmp(name, "vcc")) tiny.vcc_mv = value;
    else if (!strcmp(name, "config")) tiny.nvm.config = value;
    else if (!strcmp(name, "lock")) tiny.nvm.lock = value;
    else if (!strcmp(name, "word_ps")) tiny.nvm.word_ps = value;
    else if (!strcmp(name, "erase_ps")) tiny.nvm.erase_ps = value;
    else if (!strncmp(name, "mv", 2)) tiny.analog_mv[atoi(name + 2) & 3] = value;
    else if (*name == 'r') tiny.avr.r[atoi(name + 1) & 31] = value;
    else if (*name == 'm') tiny.avr.ram[(strtoul(name + 1, NULL, 16) - 0x40) & 31] = value;
    else exit(3);
}

static struct tiny_debug debug;

static void halted(void *context, enum debug_why why, uint16_t address, unsigned access)
{
    for (unsigned at = 0; at < 0x10000; at += at < 0x60 ? 1 : 0x3d)
        debug_peek(&tiny, at);
    if (why != DEBUG_STEPPED || access || address != tiny.avr.pc * 2)
        abort();
    debug.step = true;
}

static void hold(unsigned how)
{
    debug.halt = how == 2 ? halted : NULL;
    debug.step = how == 2;
    debug_attach(&tiny, how ? &debug : NULL);
}

static void spent(unsigned number)
{
    debug_settle(&tiny);
    const struct profile_label *label = &debug.profile.labels[number % PROFILE_WORDS];
    printf("%" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", label->visits, label->cycles, label->waiting,
           label->worst, label->blind);
}

static void longest(void)
{
    for (unsigned i = 0; i < debug.profile.stretches; i++) {
        const struct profile_stretch *stretch = &debug.profile.longest[i];
        printf("%s%u %u %" PRIu64, i ? "," : "", stretch->from, stretch->to, stretch->cycles);
    }
    putchar('\n');
}

static void image(const char *hex)
{
    static uint8_t bytes[TINY_FLASH + 1];
    unsigned n = 0, byte;
    for (; sscanf(hex, "%2x", &byte) == 1 && n < sizeof bytes; hex += 2)
        bytes[n++] = byte;
    printf("%d\n", tiny_load(&tiny, bytes, n));
}

int main(void)
{
    char *line = malloc(LINE), *rest;
    if (!line || tiny_init(&tiny, &clock_wire))
        return 1;
    tiny.changed = changed;
    while (fgets(line, LINE, stdin)) {
        line[strcspn(line, "\n")] = 0;
        rest = line + strcspn(line, " ");
        if (*rest)
            *rest++ = 0;
        char *second = rest + strcspn(rest, " ");
        if (*second)
            *second++ = 0;
        uint64_t value = strtoull(rest, NULL, 0), extra = strtoll(second, NULL, 0);
        if (!strcmp(line, "image")) { image(rest); fflush(stdout); continue; }
        if (!strcmp(line, "planes")) { planes(rest, extra); fflush(stdout); continue; }
        if (!strcmp(line, "get") && !strcmp(rest, "flash")) { dump_flash(); fflush(stdout); continue; }
        if (!strcmp(line, "get") && !strcmp(rest, "changes")) { puts(changes); fflush(stdout); continue; }
        if (!strcmp(line, "get")) { printf("%" PRIu64 "\n", get(rest)); fflush(stdout); continue; }
        if (!strcmp(line, "spent")) { spent(value); fflush(stdout); continue; }
        if (!strcmp(line, "longest")) { longest(); fflush(stdout); continue; }
        if (!strcmp(line, "debug")) hold(value);
        else if (!strcmp(line, "label")) debug.profile.label[value % PROFILE_WORDS] = extra;
        else if (!strcmp(line, "fine")) fine = value;
        else if (!strcmp(line, "power")) tiny_power_on(&tiny, now, value, extra);
        else if (!strcmp(line, "reset")) tiny_reset_pin(&tiny, now, value);
        else if (!strcmp(line, "user")) tiny_user_pin(&tiny, now, value);
        else if (!strcmp(line, "lane")) tiny_lane_pin(&tiny, now, value);
        else if (!strcmp(line, "clock")) wire_set(&clock_wire, now, value);
        else if (!strcmp(line, "run")) run(now + value);
        else if (!strcmp(line, "step")) {
            for (uint64_t before = tiny.avr.cycle, tries = 0; tiny.avr.cycle == before && tries < 1000; tries++)
                run(now + tiny.period_ps);
        } else if (!strcmp(line, "until")) {
            for (unsigned tries = 0; tiny.avr.cycle < value && tries < 10000000; tries++)
                run(now + tiny.period_ps);
        } else if (!strcmp(line, "set")) set(rest, extra);
        else return 2;
        puts("ok");
        fflush(stdout);
    }
    tiny_free(&tiny);
    free(line);
    return 0;
}
