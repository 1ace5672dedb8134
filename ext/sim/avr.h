/* One AVR core, two profiles: AVRrc (ATtiny10) and AVRe+ (ATmega32U4).
 *
 * The core knows registers, SREG, flash, RAM, the stack, cycles and interrupts; a chip gives it the rest by hooks.
 * Time is the chip's own CPU cycle count; the board converts between chips. Flash is decoded once, when loaded.
 */
#ifndef TINYMUX_SIM_AVR_H
#define TINYMUX_SIM_AVR_H
#include <stdint.h>
#include <stdbool.h>

enum avr_profile { AVR_RC, AVR_EPLUS };

struct avr;
struct avr_op; /* one decoded instruction, avr_ops.h */

/* What a chip tells its core. `address` is a data-space address: I/O register n is n on AVRrc and n + 0x20 on AVRe+.
 * In a hook avr.cycle is the cycle of the access (the instruction's last) and avr.pc its instruction; avr.sreg has I and
 * T only. A hook may change avr.irq, lower avr.stop and set avr.asleep. */
struct avr_chip {
    enum avr_profile profile;
    uint16_t flash_words; /* a power of two */
    uint16_t ram_start, ram_size; /* bytes */
    uint16_t io_end;              /* first data address that is no I/O register */
    uint8_t vectors_words;        /* words per interrupt vector: 1 or 2 */
    /* I/O, except SPL, SPH and SREG, which are the core's; and every address where nothing is. */
    uint8_t (*read)(struct avr *, uint16_t address);
    void (*write)(struct avr *, uint16_t address, uint8_t value);
    /* First cycle at which reading `address` could give another value with the chip left alone; the core jumps over
     * polling loops with it, asking after a read at avr.cycle. Not after avr.cycle: a read has an effect, don't jump.
     * UINT64_MAX: not before something outside changes. NULL: never jump. */
    uint64_t (*steady)(struct avr *, uint16_t address);
    /* Highest-priority interrupt that is pending and enabled, or -1, upon which the core clears avr.irq. Asked only
     * while avr.irq is set and SREG.I is. */
    int (*vector)(struct avr *);
    void (*taken)(struct avr *, int vector); /* the flag is cleared here */
    /* AVR_SLEEP: set avr.asleep if sleep is enabled. */
    void (*special)(struct avr *, int what);
};
enum { AVR_SLEEP, AVR_WDR, AVR_BREAK, AVR_SPM };

struct avr {
    uint64_t cycle; /* CPU cycles since power-on */
    uint64_t stop;  /* avr_run returns once cycle >= stop; a hook may lower it to be called soon */
    uint16_t pc;    /* in words */
    uint16_t sp;
    uint8_t r[32];  /* AVRrc uses 16-31 */
    uint8_t sreg;   /* as the datasheet has it: I T H S V N Z C from bit 7 */
    bool irq;       /* a flag or an enable bit was set: ask chip->vector */
    bool asleep;    /* cycles pass, nothing is executed, an interrupt wakes */
    uint8_t *ram;
    uint16_t *flash;     /* as programmed; read by LPM, or at 0x4000 by LD on AVRrc */
    struct avr_op *code; /* decoded flash */
    const struct avr_chip *chip;
    /* One I/O register whose value the chip tells beforehand: reads before that cycle need no hook. Optional, for speed.*/
    uint64_t known_until;
    uint16_t known_address;
    uint8_t known_value;
    uint64_t shadow;  /* cycle at which no interrupt is taken: SEI or RETI has just ended */
    uint64_t illegal; /* count of undefined opcodes met; they execute as NOP */
    uint16_t illegal_pc;
};

/* Allocates RAM (zeros), flash (erased) and code. 0, or -ENOMEM. The struct itself is the caller's, usually the head of
 * a chip's. */
int avr_init(struct avr *, const struct avr_chip *);
void avr_free(struct avr *);
/* Decode again after flash[first..first+count) words changed. */
void avr_decode(struct avr *, unsigned first, unsigned count);
/* pc = 0, SREG = 0, SP = end of RAM; registers and RAM kept, as a reset does. */
void avr_reset(struct avr *);
/* Execute until cycle >= until (the last instruction may overshoot) or a hook lowers avr.stop. */
void avr_run(struct avr *, uint64_t until);
#endif
