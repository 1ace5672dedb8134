/* Between attiny10.c and the tiny_*.c: registers, bits, and what each part offers. Names as in the datasheet (8127). */
#ifndef TINYMUX_SIM_TINY_PARTS_H
#define TINYMUX_SIM_TINY_PARTS_H
#include "attiny10.h"

enum tiny_register {
    PINB = 0x00, DDRB = 0x01, PORTB = 0x02, PUEB = 0x03, PORTCR = 0x0c,
    PCMSK = 0x10, PCIFR = 0x11, PCICR = 0x12, EIMSK = 0x13, EIFR = 0x14, EICRA = 0x15, DIDR0 = 0x17,
    ADCL = 0x19, ADMUX = 0x1b, ADCSRB = 0x1c, ADCSRA = 0x1d, ACSR = 0x1f,
    ICR0L = 0x22, ICR0H = 0x23, OCR0BL = 0x24, OCR0BH = 0x25, OCR0AL = 0x26, OCR0AH = 0x27, TCNT0L = 0x28, TCNT0H = 0x29,
    TIFR0 = 0x2a, TIMSK0 = 0x2b, TCCR0C = 0x2c, TCCR0B = 0x2d, TCCR0A = 0x2e, GTCCR = 0x2f,
    WDTCSR = 0x31, NVMCSR = 0x32, NVMCMD = 0x33, VLMCSR = 0x34, PRR = 0x35, CLKPSR = 0x36, CLKMSR = 0x37,
    OSCCAL = 0x39, SMCR = 0x3a, RSTFLR = 0x3b, CCP = 0x3c,
};
enum { PORF = 0x01, EXTRF = 0x02, WDRF = 0x08 };                 /* RSTFLR */
enum { WDIF = 0x80, WDIE = 0x40, WDE = 0x08 };                   /* WDTCSR */
enum { TOV0 = 0x01, OCF0A = 0x02, OCF0B = 0x04, ICF0 = 0x20 };   /* TIFR0, and the same bits of TIMSK0 */
enum { PRTIM0 = 0x01, PRADC = 0x02 };                            /* PRR */
enum { RSTDISBL = 0x01, WDTON = 0x02 };                          /* configuration byte; 0 is programmed */

/* Interrupt vectors, section 9. */
enum tiny_vector {
    VECTOR_RESET, VECTOR_INT0, VECTOR_PCINT0, VECTOR_CAPTURE, VECTOR_OVERFLOW, VECTOR_COMPARE_A, VECTOR_COMPARE_B,
    VECTOR_COMPARATOR, VECTOR_WATCHDOG, VECTOR_VLM, VECTOR_ADC,
};

static inline struct tiny *tiny_of(struct avr *avr)
{
    return (struct tiny *)avr;
}

/* Board time at which a cycle begins. */
static inline uint64_t tiny_ps(const struct tiny *tiny, uint64_t cycle)
{
    return tiny->epoch_ps + (cycle - tiny->epoch_cycle) * tiny->period_ps;
}

/* Cycles that `ps` (not 0) take, a begun one counts; mostly few, and then the division is a short one. */
static inline uint64_t tiny_cycles(const struct tiny *tiny, uint64_t ps)
{
    if (ps - 1 <= UINT32_MAX)
        return (uint32_t)(ps - 1) / tiny->period_ps + 1;
    return (ps - 1) / tiny->period_ps + 1;
}

/* First cycle that begins at or after a board time. */
static inline uint64_t tiny_cycle(const struct tiny *tiny, uint64_t time_ps)
{
    if (time_ps == UINT64_MAX)
        return UINT64_MAX;
    return tiny->epoch_cycle + (time_ps > tiny->epoch_ps ? tiny_cycles(tiny, time_ps - tiny->epoch_ps) : 0);
}

/* attiny10.c */
void tiny_due(struct tiny *, enum tiny_part, uint64_t cycle); /* look at that part at this cycle; UINT64_MAX: don't */
void tiny_flag(struct tiny *, enum tiny_register, uint8_t bits); /* set flags, ask for an interrupt */
void tiny_restart(struct tiny *, uint64_t time_ps, uint8_t cause); /* watchdog reset and the like; RSTFLR bit */

/* tiny_clock.c */
void clock_reset(struct tiny *);
void clock_start(struct tiny *, uint64_t time_ps); /* the first cycle after reset begins now */
void clock_write(struct tiny *, uint16_t address, uint8_t value);
static inline bool clock_unprotected(const struct tiny *tiny)
{
    return tiny->avr.cycle < tiny->ccp_until;
}

/* tiny_ports.c */
uint8_t ports_read_pins(struct tiny *);             /* PINB, in the cycle avr.cycle */
uint64_t ports_steady(struct tiny *);               /* first cycle at which PINB could read otherwise */
void ports_look(struct tiny *);                     /* what PINB shows has changed from outside, or DIDR0 */
void ports_update(struct tiny *, uint64_t cycle);   /* what drives the pins has changed: they follow in this cycle */
void ports_release(struct tiny *, uint64_t time_ps, struct tiny_pins); /* in reset: what TPI drives, or nothing */

/* tiny_pinint.c: INT0, PCINT0, and the timer's two inputs */
void pinint_update(struct tiny *);                  /* what is watched may have changed */
void pinint_edges(struct tiny *);                   /* edges may have been pushed */
void pinint_due(struct tiny *);

/* tiny_timer0.c */
void timer_reset(struct tiny *);
uint8_t timer_read(struct tiny *, uint16_t address);
void timer_write(struct tiny *, uint16_t address, uint8_t value);
uint64_t timer_steady(struct tiny *);               /* cycle at which TIFR0 could change */
void timer_freeze(struct tiny *, bool frozen);
void timer_due(struct tiny *);
void timer_capture(struct tiny *, bool rising);     /* ICP0 */
void timer_external(struct tiny *, bool rising);    /* T0 */
bool timer_wants_pins(const struct tiny *);

/* tiny_watchdog.c */
void watchdog_reset(struct tiny *);
void watchdog_start(struct tiny *, uint64_t time_ps); /* WDR, and at the start after reset */
void watchdog_write(struct tiny *, uint8_t value);
void watchdog_due(struct tiny *);

/* tiny_analog.c: ADC, comparator, supply monitor */
uint8_t analog_read(struct tiny *, uint16_t address);
void analog_write(struct tiny *, uint16_t address, uint8_t value);
void analog_due(struct tiny *);

/* tiny_nvm.c */
void nvm_init(struct tiny *);
uint8_t nvm_read(struct tiny *, uint16_t address, uint64_t time_ps);  /* everything that is not I/O and not RAM */
void nvm_write(struct tiny *, uint16_t address, uint8_t value, uint64_t time_ps);

/* tiny_tpi.c */
void tpi_reset(struct tiny *);
void tpi_run(struct tiny *, uint64_t until_ps);     /* while /RESET is low */
#endif
