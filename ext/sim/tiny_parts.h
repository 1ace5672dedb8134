/* Between attiny10.c and the tiny_*.c: what each peripheral offers. Register names and bits as in the datasheet. */
#ifndef TINYMUX_SIM_TINY_PARTS_H
#define TINYMUX_SIM_TINY_PARTS_H
#include "attiny10.h"

enum tiny_register {
    PINB = 0x00, DDRB = 0x01, PORTB = 0x02, PUEB = 0x03, PORTCR = 0x0c,
    CLKPSR = 0x36, CLKMSR = 0x37, OSCCAL = 0x39, CCP = 0x3c,
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

/* First cycle that begins at or after a board time. */
static inline uint64_t tiny_cycle(const struct tiny *tiny, uint64_t time_ps)
{
    return time_ps <= tiny->epoch_ps ? tiny->epoch_cycle
                                     : tiny->epoch_cycle + (time_ps - tiny->epoch_ps - 1) / tiny->period_ps + 1;
}

/* tiny_ports.c */
void ports_reset(struct tiny *);
uint8_t ports_read_pins(struct tiny *);   /* PINB, in the cycle avr.cycle */
uint64_t ports_steady(struct tiny *);     /* first cycle at which PINB could read otherwise */
void ports_update(struct tiny *, uint64_t time_ps); /* DDRB, PORTB or PUEB changed */
#endif
