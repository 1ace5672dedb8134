/* The ATtiny10 (datasheet 8127): AVRrc core, 1 KB flash, 32 B SRAM, and its peripherals, one a file (tiny_*.c).
 *
 * A tiny runs lazily: the board pushes edges of the clock (one wire for all tinies) and of the tiny's lane with their
 * board time, and calls tiny_run when it wants to know what the tiny drives. Board time is picoseconds.
 *
 * Not modelled: the external clock (CLKMSR = 2: the tiny stops until reset), CKOUT, break-before-make, the input
 * capture's noise canceller, comparator interrupts, 12 V programming.
 */
#ifndef TINYMUX_SIM_ATTINY10_H
#define TINYMUX_SIM_ATTINY10_H
#include "avr.h"
#include "wire.h"
#include <stddef.h>

enum { TINY_FLASH = 1024, TINY_RAM = 32, TINY_IO = 64 };
#define TINY_PERIOD_PS 125000u       /* 8 MHz */
#define TINY_STARTUP_PS 64000000000u /* 64 ms from the release of /RESET to the first instruction, section 8 */
/* Not in the datasheet, which wants NVMBSY polled; these are what avrdude waits without polling. */
#define TINY_WORD_PS 4500000000u     /* 4.5 ms */
#define TINY_ERASE_PS 10000000000u   /* 10 ms */

enum tiny_drive { TINY_RELEASED, TINY_PULLED_UP, TINY_LOW, TINY_HIGH };

/* What the tiny does to its four pins: a bit per pin. */
struct tiny_pins {
    uint8_t out, level, pull; /* driven; high if driven; pull-up on */
    uint8_t listen, fixed;    /* PINB: which of clock and lane it shows; the other bits */
};

/* Who wants to be looked at, at a CPU cycle; tiny_parts.h. */
enum tiny_part { PART_PINS, PART_TIMER, PART_WATCHDOG, PART_ADC, PART_CCP, PARTS };

struct tiny_timer {
    uint64_t synced;        /* cycle up to which it has counted */
    uint64_t prescaler;     /* cycle at which the prescaler was 0 */
    uint16_t count, a, b;   /* TCNT0, and OCR0A, OCR0B as compared with */
    uint16_t next_a, next_b, capture; /* as written; ICR0 */
    uint8_t temp;           /* high byte of 16-bit accesses */
    bool down, blocked, frozen; /* counting down; no match in the tick after a write; clock stopped by sleep or PRR */
    uint8_t oc;             /* levels of OC0A (bit 0) and OC0B (bit 1) */
};

struct tiny_nvm {
    uint8_t config, lock, calibration; /* section 15: bits are 0 where programmed */
    uint8_t signature[3];
    uint8_t low;                       /* low byte of the word that is being written */
    uint64_t busy_ps;                  /* board time until which NVMBSY is set */
    uint64_t word_ps, erase_ps;        /* how long it takes */
    uint32_t words, erases, refused;   /* counts; refused: locked, busy, or below 4.5 V */
};

struct tiny_tpi {
    uint8_t phase, next;    /* physical layer; access layer's next byte */
    uint8_t ones, zeros;    /* clocks in a row with the data line high, low; saturating */
    uint8_t bit, guard;     /* of the frame; idle bits left before an answer */
    uint16_t frame;
    uint8_t opcode, answer, key, guard_bits, status;
    uint16_t pointer;
    uint32_t errors;        /* parity, frame, collision, unknown instruction */
};

struct tiny {
    struct avr avr; /* first: the core's hooks get it */

    /* --- inputs --- */
    const struct wire *clock; /* PB1, TPICLK */
    struct wire lane;         /* PB0, TPIDATA, as driven by the pump chip: 0 low, 1 released to the pull-up */
    uint64_t clock_seen, lane_seen; /* edges that have been consumed */
    uint64_t edge_cycle;      /* first cycle that reads the next edge; 0: not known */
    bool user_level;          /* PB2, if the tiny does not drive it */
    bool reset_level;         /* PB3 */
    uint16_t vcc_mv;          /* 5000 */
    uint16_t analog_mv[4];    /* at ADC0-ADC3, should the program convert */

    /* --- outputs --- */
    struct tiny_pins pins, pins_before; /* now, and until pins_ps */
    uint64_t pins_ps, pins_cycle;       /* when the pins changed last; the last cycle that reads them as before */
    /* Called at each change of `pins`, with the board time of the change; for LEDs and traces. May be NULL. */
    void (*changed)(struct tiny *, uint64_t time_ps);
    void *context; /* the board's own */
    /* Called before each instruction and each interrupt, with avr->pc where it is: for meters and debuggers. While it is
     * set nothing is jumped over: the tiny is slow, and runs exactly as without. May be NULL. */
    void (*watch)(struct tiny *);
    void *watcher;

    /* --- time: cycle c begins at epoch_ps + (c - epoch_cycle) * period_ps --- */
    uint64_t epoch_ps, epoch_cycle;
    uint32_t period_ps;  /* of one CPU cycle */
    int32_t rc_error;    /* of the oscillator, ppm; positive is faster */
    uint64_t startup_ps; /* TINY_STARTUP_PS, unless a test wants less */
    uint64_t start_ps;   /* board time of the first instruction after reset; UINT64_MAX while in reset */
    uint64_t now_ps;     /* as far as it has been run */
    uint64_t due[PARTS], event; /* CPU cycles; event is the first of them */
    bool running;        /* out of reset and started up */
    bool retimed;        /* a cycle's board time has changed */
    bool stopped;        /* a clock was chosen that is not there */

    /* --- the chip's parts --- */
    uint8_t io[TINY_IO];   /* registers as last written; flags as they are */
    uint64_t ccp_until;    /* protected registers may be written before this cycle */
    bool watching;         /* somebody waits for edges: INT0, PCINT0, the timer's inputs */
    uint8_t pins_watched;  /* PINB as they saw it last */
    uint64_t watchdog_ps;  /* board time of the next time-out, UINT64_MAX when off */
    struct tiny_timer timer;
    struct tiny_nvm nvm;
    struct tiny_tpi tpi;
    uint32_t watchdog_resets;
};

/* The clock wire must outlive the tiny. 0, or -ENOMEM. Flash is erased, configuration as from the factory. */
int tiny_init(struct tiny *, const struct wire *clock);
void tiny_free(struct tiny *);
/* Put an image into flash as if programmed before power-on; what it does not reach is erased. 0, or -EFBIG. */
int tiny_load(struct tiny *, const uint8_t *image, size_t length);
/* Power comes up, with /RESET low: RAM and registers are random. rc_error: ppm, positive is faster. */
void tiny_power_on(struct tiny *, uint64_t time_ps, uint64_t seed, int32_t rc_error);

/* Inputs. Times never go back, neither against each other nor against tiny_run. */
void tiny_reset_pin(struct tiny *, uint64_t time_ps, bool level);
void tiny_user_pin(struct tiny *, uint64_t time_ps, bool level);
static inline void tiny_lane_pin(struct tiny *tiny, uint64_t time_ps, bool released)
{
    wire_set(&tiny->lane, time_ps, released);
}

/* Run to a board time; edges up to it must have been pushed. At most WIRE_EDGES edges may be pushed between two calls.*/
void tiny_run(struct tiny *, uint64_t until_ps);

/* What the tiny does to a pin (0-3) at a board time that it was just run to. */
static inline enum tiny_drive tiny_pin(const struct tiny *tiny, unsigned pin, uint64_t time_ps)
{
    const struct tiny_pins *pins = time_ps >= tiny->pins_ps ? &tiny->pins : &tiny->pins_before;
    if (pins->out >> pin & 1)
        return pins->level >> pin & 1 ? TINY_HIGH : TINY_LOW;
    return pins->pull >> pin & 1 ? TINY_PULLED_UP : TINY_RELEASED;
}
/* The lane's level at the time that the tiny was just run to: low if the tiny or the pump chip drives it low. */
bool tiny_lane(const struct tiny *, uint64_t time_ps);
#endif
