/* simavr's ATmega32U4 as a core_machine: the oracle. Linked with libsimavr (GPL) at test time, a program of its own. */
#include "core_machine.h"
#include <simavr/sim_avr.h>
#include <simavr/sim_core.h>
#include <stdlib.h>
#include <string.h>

static avr_t *avr;
enum { SPL_ADDRESS = 0x5d, SREG_ADDRESS = 0x5f };

void machine_init(void)
{
    avr = avr_make_mcu_by_name("atmega32u4");
    if (!avr || avr_init(avr))
        abort();
    avr->log = LOG_NONE;
    avr->run_cycle_count = 1; /* one instruction per call */
    avr->state = cpu_Running;
    avr->codeend = avr->flashend;
}

void machine_flash(unsigned address, const uint16_t *words, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        memcpy(avr->flash + (address + i) % FLASH_WORDS * 2, words + i, 2);
}

uint8_t *machine_ram(void)
{
    return avr->data + RAM_START;
}

void machine_set(const struct state *state)
{
    avr->pc = state->pc * 2;
    memcpy(avr->data, state->r, 32);
    memcpy(avr->data + SPL_ADDRESS, &state->sp, 2);
    for (unsigned i = 0; i < 8; i++)
        avr->sreg[i] = state->sreg >> i & 1;
    avr->data[GPIOR0] = state->gpior[0];
    avr->data[GPIOR1] = state->gpior[1];
    avr->data[GPIOR2] = state->gpior[2];
}

void machine_step(void)
{
    avr->pc = avr_run_one(avr);
    avr->interrupt_state = 0;
    avr->state = cpu_Running;
}

void machine_get(struct state *state)
{
    state->pc = avr->pc / 2 % FLASH_WORDS;
    memcpy(&state->sp, avr->data + SPL_ADDRESS, 2);
    memcpy(state->r, avr->data, 32);
    for (unsigned i = 0; i < 8; i++)
        state->sreg |= avr->sreg[i] << i;
    state->gpior[0] = avr->data[GPIOR0];
    state->gpior[1] = avr->data[GPIOR1];
    state->gpior[2] = avr->data[GPIOR2];
}

uint64_t machine_cycle(void)
{
    return avr->cycle;
}
