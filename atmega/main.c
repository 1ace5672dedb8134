/* Power-on: watchdog, clock, pins; then the pump, for ever. */
#include <avr/io.h>
#include <avr/wdt.h>
#include "firmware.h"
#include "protocol.h"
#include "wiring.h"

struct status status;

#define AT(field, offset) _Static_assert(__builtin_offsetof(struct status, field) == offset, "protocol.toml: [status]")
AT(bus_resets, STATUS_BUS_RESETS);
AT(refused, STATUS_REFUSED);
AT(resets, STATUS_RESETS);
AT(packets, STATUS_PACKETS);
_Static_assert(sizeof(struct status) == STATUS_SIZE, "protocol.toml: [status]");

int main(void)
{
    /* After a watchdog reset the watchdog still runs, with its shortest period, until WDRF is cleared (8.9). From
     * here on it resets a pump that has not come by `next` in pump.S for a second; then all starts anew. */
    wdt_reset();
    MCUSR = 0;
    wdt_enable(WDTO_1S);

    CLKPR = 1 << CLKPCE; /* the factory's CKDIV8 fuse starts the chip at 2 MHz */
    CLKPR = 0;

    uint8_t no_jtag = 1 << JTD; /* PF4-7 are the 595s: JTD, twice within four cycles (MCUCR) */
    MCUCR = no_jtag;
    MCUCR = no_jtag;

    CLOCK_PORT |= 1 << CLOCK_BIT; /* the clock rests high */
    CLOCK_DDR |= 1 << CLOCK_BIT;
    LED_ACTIVITY_DDR |= 1 << LED_ACTIVITY_BIT;
    resets_init();
    usb_init();
    pump();
}
