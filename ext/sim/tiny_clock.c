/* The ATtiny10's clock: oscillator, prescaler and the protection of both (datasheet sections 4.7.1 and 6). */
#include "tiny_parts.h"

enum { WATCHDOG_PERIOD_PS = 7812500 }; /* 128 kHz */
enum { SIGNATURE = 0xd8, PROTECTED_CYCLES = 4 };

static uint32_t period(const struct tiny *tiny)
{
    uint64_t ps = WATCHDOG_PERIOD_PS;
    if (tiny->io[CLKMSR] != 1) /* the datasheet has a curve only: straight from half the calibrated frequency to 1.5 */
        ps = (uint64_t)TINY_PERIOD_PS * 1000000 / (1000000 + tiny->rc_error) * 256 /
             (256u + tiny->io[OSCCAL] - tiny->nvm.calibration);
    return ps << tiny->io[CLKPSR];
}

/* From `cycle` on, which keeps its place in time. */
static void retime(struct tiny *tiny, uint64_t cycle)
{
    tiny->epoch_ps = tiny_ps(tiny, cycle);
    tiny->epoch_cycle = cycle;
    tiny->period_ps = period(tiny);
    tiny_due(tiny, PART_WATCHDOG, tiny_cycle(tiny, tiny->watchdog_ps));
    tiny->avr.known_until = tiny->edge_cycle = 0;
    tiny->retimed = true;
    tiny->avr.stop = tiny->avr.cycle; /* the time it is to run to is another cycle now */
}

void clock_reset(struct tiny *tiny)
{
    tiny->io[CLKPSR] = 3; /* divided by 8, section 6 */
    tiny->io[OSCCAL] = tiny->nvm.calibration;
    tiny->ccp_until = 0;
    tiny->stopped = false;
}

void clock_start(struct tiny *tiny, uint64_t time_ps)
{
    tiny->epoch_ps = time_ps;
    tiny->epoch_cycle = tiny->avr.cycle;
    tiny->period_ps = period(tiny);
}

void clock_write(struct tiny *tiny, uint16_t address, uint8_t value)
{
    uint64_t cycle = tiny->avr.cycle;
    if (address == CCP) {
        if (value == SIGNATURE) { /* interrupts wait as well */
            tiny->ccp_until = cycle + 1 + PROTECTED_CYCLES;
            tiny_due(tiny, PART_CCP, tiny->ccp_until);
        }
        return;
    }
    if (address != OSCCAL && !clock_unprotected(tiny))
        return;
    if (address == CLKPSR)
        value = (value & 15) < 8 ? value & 15 : 8;
    if (address == CLKMSR) {
        value &= 3;
        tiny->stopped = value >= 2;
    }
    tiny->io[address] = value;
    retime(tiny, cycle + 1);
}
