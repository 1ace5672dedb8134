/* What pins start on the ATtiny10: INT0, the pin change interrupt (datasheet section 9), and the timer's inputs.
 *
 * Pins are looked at only while somebody listens; then at each cycle in which PINB could change. */
#include "tiny_parts.h"

enum { INT0_PIN = 4, ICP0_PIN = 2, T0_PIN = 4 }; /* PB2, PB1, PB2 */
enum { LEVEL, ANY, FALLING, RISING };            /* EICRA */

static bool int0_low(const struct tiny *tiny)
{
    return (tiny->io[EICRA] & 3) == LEVEL && (tiny->io[EIMSK] & 1) && !(tiny->pins_watched & INT0_PIN);
}

void pinint_edges(struct tiny *tiny)
{
    uint64_t steady = ports_steady(tiny);
    uint64_t cycle = tiny->avr.known_value == tiny->pins_watched ? steady : tiny->avr.cycle; /* changed already: now */
    if (cycle < tiny->due[PART_PINS])
        tiny_due(tiny, PART_PINS, cycle);
}

void pinint_update(struct tiny *tiny)
{
    bool wanted = tiny->io[PCMSK] || tiny->io[EIMSK] || tiny->io[EICRA] || timer_wants_pins(tiny);
    if (wanted && !tiny->watching) /* compare with what is there now */
        tiny->pins_watched = ports_read_pins(tiny);
    else if (!wanted && tiny->watching)
        tiny_due(tiny, PART_PINS, UINT64_MAX);
    tiny->watching = wanted;
    if (!wanted)
        return;
    pinint_edges(tiny);
    if (int0_low(tiny))
        tiny_flag(tiny, EIFR, 1);
}

void pinint_due(struct tiny *tiny)
{
    uint8_t now = ports_read_pins(tiny), changed = now ^ tiny->pins_watched;
    tiny->pins_watched = now;
    tiny_due(tiny, PART_PINS, ports_steady(tiny));
    if (changed & tiny->io[PCMSK])
        tiny_flag(tiny, PCIFR, 1);
    if (changed & INT0_PIN && !tiny->timer.frozen) { /* edges need the I/O clock, a low level does not */
        unsigned sense = tiny->io[EICRA] & 3;
        if (sense == ANY || (sense == RISING && now & INT0_PIN) || (sense == FALLING && !(now & INT0_PIN)))
            tiny_flag(tiny, EIFR, 1);
    }
    if (int0_low(tiny))
        tiny_flag(tiny, EIFR, 1);
    if (changed & ICP0_PIN)
        timer_capture(tiny, now & ICP0_PIN);
    if (changed & T0_PIN)
        timer_external(tiny, now & T0_PIN);
}
