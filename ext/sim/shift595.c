/* See shift595.h. */
#include "shift595.h"

/* Both registers act on rising edges; with both clocks at once the latch gets the state before the shift (the chip's
 * datasheet: "the shift register is one clock pulse ahead of the storage register"). */
uint16_t shift595_inputs(struct shift595 *s, bool data, bool clock, bool latch, bool oe_n)
{
    if (latch && !s->latch)
        s->latched = s->shifted;
    if (clock && !s->clock)
        s->shifted = s->shifted << 1 | data;
    s->clock = clock;
    s->latch = latch;
    return oe_n ? 0 : s->latched;
}
