/* The project's AVRe+ core as a core_machine. */
#include "core_machine.h"
#include "avr.h"
#include <stdlib.h>
#include <string.h>

static struct avr avr;
static uint8_t gpior[3];

static uint8_t *plain(uint16_t address)
{
    return address == GPIOR0 ? gpior : address == GPIOR1 ? gpior + 1 : address == GPIOR2 ? gpior + 2 : NULL;
}

static uint8_t read_io(struct avr *core, uint16_t address)
{
    return plain(address) ? *plain(address) : 0;
}

static void write_io(struct avr *core, uint16_t address, uint8_t value)
{
    if (plain(address))
        *plain(address) = value;
}

static uint64_t steady(struct avr *core, uint16_t address)
{
    return UINT64_MAX;
}

static const struct avr_chip chip = {
    .profile = AVR_EPLUS,
    .flash_words = FLASH_WORDS,
    .ram_start = RAM_START,
    .ram_size = RAM_SIZE,
    .io_end = RAM_START,
    .vectors_words = 2,
    .read = read_io,
    .write = write_io,
    .steady = steady,
};

void machine_init(void)
{
    if (avr_init(&avr, &chip))
        abort();
}

void machine_flash(unsigned address, const uint16_t *words, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        avr.flash[(address + i) % FLASH_WORDS] = words[i];
    avr_decode(&avr, address, count);
    if (address + count > FLASH_WORDS)
        avr_decode(&avr, 0, address + count - FLASH_WORDS);
}

uint8_t *machine_ram(void)
{
    return avr.ram;
}

void machine_set(const struct state *state)
{
    avr.pc = state->pc;
    avr.sp = state->sp;
    avr.sreg = state->sreg;
    memcpy(avr.r, state->r, sizeof avr.r);
    memcpy(gpior, state->gpior, sizeof gpior);
}

void machine_step(void)
{
    avr_run(&avr, avr.cycle + 1);
}

void machine_get(struct state *state)
{
    state->pc = avr.pc;
    state->sp = avr.sp;
    state->sreg = avr.sreg;
    memcpy(state->r, avr.r, sizeof avr.r);
    memcpy(state->gpior, gpior, sizeof gpior);
}

uint64_t machine_cycle(void)
{
    return avr.cycle;
}
