/* A machine that executes one AVR instruction at a time: ours (core_ours.c) or simavr (core_simavr.c). core_main.c runs
 * the same cases on either, in separate programs, and test_core_eplus.py compares what they print. */
#ifndef TINYMUX_CORE_MACHINE_H
#define TINYMUX_CORE_MACHINE_H
#include <stdint.h>

enum { RAM_START = 0x100, RAM_SIZE = 2560, FLASH_WORDS = 16384 }; /* ATmega32U4 */
enum { GPIOR0 = 0x3e, GPIOR1 = 0x4a, GPIOR2 = 0x4b };             /* data addresses: plain registers */

struct state {
    uint32_t pc, cycles; /* words; cycles of the step */
    uint8_t r[32], sreg, gpior[3];
    uint16_t sp, ram_sum;
};

void machine_init(void);
void machine_flash(unsigned word_address, const uint16_t *words, unsigned count);
uint8_t *machine_ram(void);
void machine_set(const struct state *);
void machine_step(void);
void machine_get(struct state *); /* all but cycles and ram_sum */
uint64_t machine_cycle(void);
#endif
