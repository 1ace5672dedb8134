/* Port B of the ATtiny10: four pins, pull-ups, and the synchroniser before PINB (datasheet section 10.2.4). */
#include "tiny_parts.h"

enum { LANE = 1, CLOCK = 2, USER = 4, RESET = 8 };

/* Take the edges that the cycle avr.cycle reads. The latch before PINB closes at the falling clock edge in the middle of
 * a cycle, and PINB takes it over at the next rising edge: IN reads what the pin was half a cycle before. */
static void take_edges(struct tiny *tiny)
{
    uint64_t cycle = tiny->avr.cycle, sample = tiny_ps(tiny, cycle) - tiny->period_ps / 2, clock, lane;
    while ((clock = wire_next(tiny->clock, tiny->clock_seen)) <= sample)
        tiny->clock_seen++;
    while ((lane = wire_next(&tiny->lane, tiny->lane_seen)) <= sample)
        tiny->lane_seen++;
    uint64_t next = clock < lane ? clock : lane;
    tiny->edge_cycle = next == UINT64_MAX ? next : cycle + tiny_cycles(tiny, next - sample);
}

/* The core is told how long the value holds. */
uint8_t ports_read_pins(struct tiny *tiny)
{
    struct avr *avr = &tiny->avr;
    const struct tiny_pins *pins = &tiny->pins;
    if (avr->cycle >= tiny->edge_cycle)
        take_edges(tiny);
    avr->known_until = tiny->edge_cycle;
    if (avr->cycle <= tiny->pins_cycle) {
        pins = &tiny->pins_before;
        avr->known_until = tiny->pins_cycle + 1;
    }
    uint8_t outside = wire_level(&tiny->lane, tiny->lane_seen) | wire_level(tiny->clock, tiny->clock_seen) << 1;
    return avr->known_value = (outside & pins->listen) | pins->fixed;
}

uint64_t ports_steady(struct tiny *tiny)
{
    ports_read_pins(tiny);
    return tiny->avr.known_until;
}

/* What PINB shows. The pull-up matters on PB2 only: lane and clock are driven, or pulled up, from outside. */
static void look(struct tiny *tiny, struct tiny_pins *pins)
{
    uint8_t enabled = ~tiny->io[DIDR0], outside = (tiny->user_level ? USER : pins->pull & USER) | (tiny->reset_level ? RESET : 0);
    pins->listen = (LANE | CLOCK) & ~pins->out & enabled;
    pins->fixed = ((pins->level & pins->out) | (outside & ~pins->out)) & enabled & 15;
}

void ports_look(struct tiny *tiny)
{
    look(tiny, &tiny->pins);
    tiny->avr.known_until = 0;
}

static void change(struct tiny *tiny, struct tiny_pins pins, uint64_t time_ps)
{
    tiny->pins_before = tiny->pins;
    tiny->pins = pins;
    tiny->pins_ps = time_ps;
    ports_look(tiny);
    if (tiny->changed)
        tiny->changed(tiny, time_ps);
}

void ports_update(struct tiny *tiny, uint64_t cycle)
{
    struct tiny_pins pins = { .out = tiny->io[DDRB], .level = tiny->io[PORTB], .pull = tiny->io[PUEB] };
    if (tiny->io[TCCR0A] & 0xc0) /* OC0A overrides PB0, OC0B PB1, section 10.3 */
        pins.level = (pins.level & ~1) | (tiny->timer.oc & 1);
    if (tiny->io[TCCR0A] & 0x30)
        pins.level = (pins.level & ~2) | (tiny->timer.oc & 2);
    if (tiny->nvm.config & RSTDISBL) /* not programmed: PB3 is /RESET */
        pins.out &= ~RESET;
    if (pins.out == tiny->pins.out && pins.level == tiny->pins.level && pins.pull == tiny->pins.pull)
        return;
    change(tiny, pins, tiny_ps(tiny, cycle));
    tiny->pins_cycle = cycle;
    if (tiny->watching)
        pinint_update(tiny);
}

void ports_release(struct tiny *tiny, uint64_t time_ps, struct tiny_pins pins)
{
    change(tiny, pins, time_ps);
    tiny->pins_cycle = tiny->avr.cycle;
}

bool tiny_lane(const struct tiny *tiny, uint64_t time_ps)
{
    return tiny_pin(tiny, 0, time_ps) != TINY_LOW && wire_level(&tiny->lane, tiny->lane.count);
}
