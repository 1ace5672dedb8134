/* Cases from stdin, states after each to stdout, on whichever machine is linked in.
 *
 *     core_main cases             struct test_case..., one instruction each
 *     core_main program STEPS     a flash image, run from reset for STEPS instructions */
#include "core_machine.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct test_case {
    struct state state;
    uint16_t words[4]; /* the instruction and what stands behind it, at state.pc */
    uint8_t stack[4];  /* put at SP + 1 */
};

static void step_and_print(void)
{
    struct state state = { 0 };
    uint64_t before = machine_cycle();
    const uint8_t *ram = machine_ram();
    machine_step();
    machine_get(&state);
    state.cycles = machine_cycle() - before;
    for (unsigned i = 0; i < RAM_SIZE; i++)
        state.ram_sum = state.ram_sum * 31 + ram[i];
    fwrite(&state, sizeof state, 1, stdout);
}

int main(int argc, char **argv)
{
    machine_init();
    for (unsigned i = 0; i < RAM_SIZE; i++)
        machine_ram()[i] = i * 167 + (i >> 8) + 13;
    if (argc > 2 && !strcmp(argv[1], "program")) {
        static uint16_t image[FLASH_WORDS];
        memset(image, 0xff, sizeof image);
        size_t bytes = fread(image, 1, sizeof image, stdin);
        machine_flash(0, image, (bytes + 1) / 2);
        for (unsigned long n = strtoul(argv[2], NULL, 0); n; n--)
            step_and_print();
        return 0;
    }
    struct test_case one;
    while (fread(&one, sizeof one, 1, stdin) == 1) {
        machine_flash(one.state.pc, one.words, 4);
        machine_set(&one.state);
        memcpy(machine_ram() + one.state.sp + 1 - RAM_START, one.stack, 4);
        step_and_print();
    }
    return 0;
}
