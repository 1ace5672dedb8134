/* Port B of the ATtiny10: four pins, pull-ups, and the synchroniser before PINB (datasheet section 10.2.4). */
#include "tiny_parts.h"

enum { LANE = 1, CLOCK = 2, USER = 4, RESET = 8 };

static uint8_t levels(const struct tiny *tiny, const struct tiny_pins *pins)
{
    uint8_t outside = wire_level(&tiny->lane, tiny->lane_seen) | wire_level(tiny->clock, tiny->clock_seen) << 1 |
                      tiny->user_level << 2 | tiny->reset_level << 3;
    /* The pull-up matters on PB2 only: lane and clock are driven, or pulled up, from outside. */
    outside |= pins->pull & USER;
    return ((pins->level & pins->out) | (outside & ~pins->out)) & ~tiny->io[DIDR0] & 15;
}

/* The latch before PINB closes at the falling clock edge in the middle of a cycle and PINB takes it over at the next
 * rising edge: IN reads what the pin was half a cycle before. */
uint8_t ports_read_pins(struct tiny *tiny)
{
    uint64_t cycle = tiny->avr.cycle, sample = tiny_ps(tiny, cycle) - tiny->period_ps / 2;
    tiny->clock_seen = wire_seen(tiny->clock, tiny->clock_seen, sample);
    tiny->lane_seen = wire_seen(&tiny->lane, tiny->lane_seen, sample);
    return levels(tiny, cycle > tiny->pins_cycle ? &tiny->pins : &tiny->pins_before);
}

uint64_t ports_steady(struct tiny *tiny)
{
    if (tiny->avr.cycle <= tiny->pins_cycle)
        return tiny->pins_cycle + 1;
    uint64_t clock = wire_next(tiny->clock, tiny->clock_seen), lane = wire_next(&tiny->lane, tiny->lane_seen);
    uint64_t next = clock < lane ? clock : lane;
    return next == UINT64_MAX ? next : tiny_cycle(tiny, next + tiny->period_ps / 2);
}

static void change(struct tiny *tiny, struct tiny_pins pins, uint64_t time_ps)
{
    tiny->pins_before = tiny->pins;
    tiny->pins = pins;
    tiny->pins_ps = time_ps;
    if (tiny->changed)
        tiny->changed(tiny, time_ps);
}

void ports_update(struct tiny *tiny, uint64_t cycle)
{
    struct tiny_pins pins = { .out = tiny->io[DDRB], .level = tiny->io[PORTB], .pull = tiny->io[PUEB] };
    if (tiny->io[TCCR0A] & 0xc0) /* OC0A on PB0, OC0B on PB1, table 10-? */
        pins.level = (pins.level & ~1) | (tiny->timer.oc & 1);
    if (tiny->io[TCCR0A] & 0x30)
        pins.level = (pins.level & ~2) | (tiny->timer.oc & 2);
    if (tiny->nvm.config & RSTDISBL) /* not programmed: PB3 is /RESET */
        pins.out &= ~RESET;
    if (pins.out == tiny->pins.out && pins.level == tiny->pins.level && pins.pull == tiny->pins.pull)
        return;
    change(tiny, pins, tiny_ps(tiny, cycle));
    tiny->pins_cycle = cycle;
    pinint_update(tiny);
}

void ports_release(struct tiny *tiny, uint64_t time_ps, struct tiny_pins pins)
{
    change(tiny, pins, time_ps);
    tiny->pins_cycle = tiny->avr.cycle;
}

enum tiny_drive tiny_pin(const struct tiny *tiny, unsigned pin, uint64_t time_ps)
{
    const struct tiny_pins *pins = time_ps >= tiny->pins_ps ? &tiny->pins : &tiny->pins_before;
    if (pins->out >> pin & 1)
        return pins->level >> pin & 1 ? TINY_HIGH : TINY_LOW;
    return pins->pull >> pin & 1 ? TINY_PULLED_UP : TINY_RELEASED;
}

bool tiny_lane(const struct tiny *tiny, uint64_t time_ps)
{
    return tiny_pin(tiny, 0, time_ps) != TINY_LOW && wire_level(&tiny->lane, tiny->lane.count);
}
