/* ATmega32U4 watchdog: its own 128 kHz oscillator, interrupt and reset modes, timed changes (datasheet 7766J, 8.9). */
#include "mega_internal.h"

#define SHORTEST_PS (2048 * 7812500ULL) /* 2,048 cycles of 128 kHz: 16 ms */

void mega_watchdog_feed(struct mega *m)
{
    uint8_t c = m->io[M_WDTCSR];
    unsigned power = (c & 7) | (c >> 2 & 8);
    bool runs = c & (WDE | WDIE);
    uint64_t period = SHORTEST_PS << (power > 9 ? 9 : power);
    mega_schedule(m, EVENT_WATCHDOG, runs ? mega_ps_at(m, m->avr.cycle) + period : MEGA_NEVER);
}

/* After a watchdog reset it goes on, at its shortest, until the firmware clears WDRF and then WDE (8.9.2). */
void mega_watchdog_reset(struct mega *m)
{
    m->io[M_WDTCSR] = m->io[M_MCUSR] & WDRF ? WDE : 0;
    mega_watchdog_feed(m);
}

void mega_watchdog_write(struct mega *m, unsigned address, uint8_t value)
{
    uint8_t old = m->io[address], now = old;
    if (value & WDIF) /* cleared by writing 1 */
        now &= ~WDIF;
    now = (now & ~WDIE) | (value & WDIE);
    if (mega_timed(m, address) && !(value & WDCE))
        now = (now & (WDIF | WDIE)) | (value & ~(WDIF | WDIE | WDCE));
    else
        now |= value & WDE; /* setting it needs no sequence */
    if ((value & (WDCE | WDE)) == (WDCE | WDE))
        mega_open_timed(m, address, value, 4);
    if (m->io[M_MCUSR] & WDRF)
        now |= WDE;
    m->io[address] = now;
    if (now != old)
        mega_watchdog_feed(m);
    if (now & WDIE && now & WDIF)
        m->avr.irq = true;
}

void mega_watchdog_event(struct mega *m, enum mega_event event)
{
    uint8_t *c = &m->io[M_WDTCSR];
    if (*c & WDIE) {
        *c |= WDIF;
        m->avr.irq = true;
        mega_watchdog_feed(m);
    } else {
        mega_reset(m, WDRF);
    }
}
