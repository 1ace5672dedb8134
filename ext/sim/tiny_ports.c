/* Port B of the ATtiny10: four pins, pull-ups, and the synchroniser before PINB (datasheet section 10.2.4). */
#include "tiny_parts.h"

static uint8_t levels(const struct tiny *tiny, const struct tiny_pins *pins)
{
    uint8_t outside = wire_level(&tiny->lane, tiny->lane_seen) | wire_level(tiny->clock, tiny->clock_seen) << 1 |
                      tiny->user_level << 2 | tiny->reset_level << 3;
    /* The pull-ups matter on PB2 only: lane and clock are driven or pulled up from outside. */
    outside |= pins->pull & ~pins->out & 4;
    return (pins->level & pins->out) | (outside & ~pins->out & 15);
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

void ports_update(struct tiny *tiny, uint64_t time_ps)
{
    struct tiny_pins pins = { .out = tiny->io[DDRB], .level = tiny->io[PORTB], .pull = tiny->io[PUEB] };
    if (tiny->reset_level == 0)
        pins = (struct tiny_pins){ 0 };
    tiny->pins_before = tiny->pins;
    tiny->pins = pins;
    tiny->pins_ps = time_ps;
    tiny->pins_cycle = tiny->avr.cycle + 1;
    if (tiny->changed)
        tiny->changed(tiny, time_ps);
}

void ports_reset(struct tiny *tiny)
{
    tiny->io[DDRB] = tiny->io[PORTB] = tiny->io[PUEB] = 0;
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
