/* ATmega32U4 clocks: the prescaler of the CPU clock and the PLL for USB (datasheet 7766J, 6.9 and 6.10). */
#include "mega_internal.h"

enum { CKDIV8_FUSE = 3 };                   /* division 2^3: delivered so (28.2) */
#define PLL_LOCK_PS (5 * 1000000000ULL)     /* "several ms" (6.10.2) */

static void divide(struct mega *m, uint8_t power)
{
    m->io[M_CLKPR] = power;
    uint64_t cycle = m->avr.cycle + 1; /* the writing instruction still runs at the old speed */
    m->base_ps = mega_ps_at(m, cycle);
    m->base_cycle = cycle;
    m->cycle_ps = MEGA_CRYSTAL_PS << power;
    m->avr.stop = m->avr.cycle; /* what was computed in cycles no longer holds */
    mega_timers_reschedule(m);
}

void mega_clock_reset(struct mega *m)
{
    m->io[M_CLKPR] = CKDIV8_FUSE;
    m->cycle_ps = MEGA_CRYSTAL_PS << CKDIV8_FUSE;
    m->io[M_PLLFRQ] = PDIV_48MHZ;
    m->pll_locked = false;
}

void mega_clkpr_write(struct mega *m, unsigned address, uint8_t value)
{
    if (value == CLKPCE)
        mega_open_timed(m, address, value, 4);
    else if (mega_timed(m, address) && !(value & CLKPCE) && value <= 8)
        divide(m, value);
}

void mega_pll_write(struct mega *m, unsigned address, uint8_t value)
{
    m->io[address] = value & ~PLOCK;
    if (address == M_PLLFRQ)
        m->io[address] = value;
    /* Any change makes it look for its frequency again. */
    m->pll_locked = false;
    mega_schedule(m, EVENT_PLL, m->io[M_PLLCSR] & PLLE ? mega_ps_at(m, m->avr.cycle) + PLL_LOCK_PS : MEGA_NEVER);
}

uint8_t mega_pll_read(struct mega *m, unsigned address) { return m->io[address] | (m->pll_locked ? PLOCK : 0); }

void mega_clock_event(struct mega *m, enum mega_event event) { m->pll_locked = true; }
