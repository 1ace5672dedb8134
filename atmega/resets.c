/* The two 74HC595s that drive the sixteen /RESET lines.
 *
 * Their /OE is pulled up and each /RESET is pulled down: until resets_init has latched a first value, and again while
 * the pump chip itself is in reset, all tinies are held in reset. */
#include <avr/io.h>
#include "firmware.h"
#include "protocol.h"
#include "wiring.h"

#define BIT(signal) (1 << signal##_BIT)

void resets_init(void)
{
    SR_OE_N_PORT |= BIT(SR_OE_N); /* high before it becomes an output */
    SR_OE_N_DDR |= BIT(SR_OE_N);
    SR_DATA_DDR |= BIT(SR_DATA);
    SR_CLOCK_DDR |= BIT(SR_CLOCK);
    SR_LATCH_DDR |= BIT(SR_LATCH);
    resets_set(POWER_ON_RESETS);
    SR_OE_N_PORT &= ~BIT(SR_OE_N);
}

void resets_set(uint16_t resets)
{
    status.resets = resets;
    for (uint8_t i = 0; i < LANES; i++) { /* bit 15 first: it ends at the far end of the chain */
        SR_DATA_PORT &= ~BIT(SR_DATA);
        if (!(resets & 0x8000))
            SR_DATA_PORT |= BIT(SR_DATA);
        resets <<= 1;
        SR_CLOCK_PORT |= BIT(SR_CLOCK);
        SR_CLOCK_PORT &= ~BIT(SR_CLOCK);
    }
    SR_LATCH_PORT |= BIT(SR_LATCH);
    SR_LATCH_PORT &= ~BIT(SR_LATCH);
}
