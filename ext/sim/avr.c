/* The AVR core's life and its data space outside RAM. Decoding is in avr_decode.c, execution in avr_run.c. */
#include "avr_ops.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

int avr_init(struct avr *avr, const struct avr_chip *chip)
{
    *avr = (struct avr){ .chip = chip };
    avr->ram = calloc(chip->ram_size, 1);
    avr->flash = malloc(chip->flash_words * sizeof *avr->flash);
    avr->code = calloc(chip->flash_words + AVR_GUARD_OPS, sizeof *avr->code);
    if (!avr->ram || !avr->flash || !avr->code) {
        avr_free(avr);
        return -ENOMEM;
    }
    memset(avr->flash, 0xff, chip->flash_words * sizeof *avr->flash);
    avr_decode(avr, 0, chip->flash_words);
    avr_reset(avr);
    return 0;
}

void avr_free(struct avr *avr)
{
    free(avr->ram);
    free(avr->flash);
    free(avr->code);
    avr->ram = NULL;
    avr->flash = NULL;
    avr->code = NULL;
}

void avr_reset(struct avr *avr)
{
    avr->pc = 0;
    avr->sreg = 0;
    avr->sp = avr->chip->ram_start + avr->chip->ram_size - 1;
    avr->asleep = avr->irq = false;
}

/* I/O register number of a data address, or -1: SPL, SPH and SREG are the core's own, the rest the chip's. */
static int core_register(const struct avr_chip *chip, uint16_t address)
{
    unsigned io = address - (chip->profile == AVR_RC ? 0u : 0x20u);
    return io >= 0x3d && io <= 0x3f ? (int)io : -1;
}

uint8_t avr_read_other(struct avr *avr, uint16_t address)
{
    const struct avr_chip *chip = avr->chip;
    if (chip->profile == AVR_EPLUS && address < 32)
        return avr->r[address];
    switch (core_register(chip, address)) {
    case 0x3d: return avr->sp & 0xff;
    case 0x3e: return avr->sp >> 8;
    case 0x3f: return avr->sreg;
    }
    return avr_flash_mapped(avr, address) ? avr_flash_byte(avr, address) : chip->read(avr, address);
}

void avr_write_other(struct avr *avr, uint16_t address, uint8_t value)
{
    const struct avr_chip *chip = avr->chip;
    if (chip->profile == AVR_EPLUS && address < 32) {
        avr->r[address] = value;
        return;
    }
    switch (core_register(chip, address)) {
    case 0x3d: avr->sp = (avr->sp & 0xff00) | value; break;
    case 0x3e: avr->sp = (avr->sp & 0xff) | value << 8; break;
    case 0x3f: avr->sreg = value; break;
    default: chip->write(avr, address, value);
    }
}
