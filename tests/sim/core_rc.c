/* One AVRrc instruction per line of stdin, the state after it on stdout.
 *
 *     in:  pc word word word word sreg sp r16-r31 ram(32) io(61)     all hex, byte strings without spaces
 *     out: pc cycles sreg sp r16-r31 ram io illegal asleep */
#include "avr.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RAM = 32, IO = 61, WORDS = 512 };
static uint8_t io[64];

static uint8_t read_io(struct avr *avr, uint16_t address)
{
    return address < IO ? io[address] : 0xee; /* holes read as 0xee here, so that a test can tell */
}

static void write_io(struct avr *avr, uint16_t address, uint8_t value)
{
    if (address < IO)
        io[address] = value;
}

static void special(struct avr *avr, int what)
{
    avr->asleep = what == AVR_SLEEP;
}

static uint64_t steady(struct avr *avr, uint16_t address)
{
    return UINT64_MAX;
}

static const struct avr_chip chip = {
    .profile = AVR_RC,
    .flash_words = WORDS,
    .ram_start = 0x40,
    .ram_size = RAM,
    .io_end = 0x40,
    .vectors_words = 1,
    .read = read_io,
    .write = write_io,
    .special = special,
    .steady = steady,
};

static void get(const char *text, uint8_t *bytes, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        unsigned byte = 0;
        if (sscanf(text + 2 * i, "%2x", &byte) != 1)
            abort();
        bytes[i] = byte;
    }
}

static void put(const uint8_t *bytes, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        printf("%02x", bytes[i]);
    putchar(' ');
}

int main(void)
{
    char line[1024], registers[64], ram[128], ports[160];
    unsigned pc, word[4], sreg, sp;
    while (fgets(line, sizeof line, stdin)) {
        struct avr avr;
        if (avr_init(&avr, &chip))
            return 1;
        if (sscanf(line, "%x %x %x %x %x %x %x %63s %127s %159s", &pc, word, word + 1, word + 2, word + 3, &sreg, &sp, registers,
                   ram, ports) != 10)
            return 2;
        for (unsigned i = 0; i < 4; i++)
            avr.flash[(pc + i) % WORDS] = word[i];
        avr_decode(&avr, 0, WORDS);
        avr.pc = pc;
        avr.sreg = sreg;
        avr.sp = sp;
        get(registers, avr.r + 16, 16);
        get(ram, avr.ram, RAM);
        get(ports, io, IO);
        avr_run(&avr, 1);
        printf("%x %x %x %x ", avr.pc, (unsigned)avr.cycle, avr.sreg, avr.sp);
        put(avr.r + 16, 16);
        put(avr.ram, RAM);
        put(io, IO);
        printf("%x %x\n", (unsigned)avr.illegal, avr.asleep);
        avr_free(&avr);
    }
    return 0;
}
