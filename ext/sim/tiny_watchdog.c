/* The ATtiny10's watchdog: 128 kHz, interrupt and reset modes, protected changes (datasheet section 8). */
#include "tiny_parts.h"

enum { PRESCALER = 0x27 }; /* WDP3, WDP2:0 */

static uint64_t timeout_ps(const struct tiny *tiny)
{
    unsigned wdp = (tiny->io[WDTCSR] >> 2 & 8) | (tiny->io[WDTCSR] & 7);
    return 16000000000u * (1ull << (wdp < 9 ? wdp : 9)); /* 2K cycles of 128 kHz, doubling */
}

static bool always_on(const struct tiny *tiny)
{
    return !(tiny->nvm.config & WDTON);
}

void watchdog_start(struct tiny *tiny, uint64_t time_ps)
{
    bool on = tiny->io[WDTCSR] & (WDE | WDIE);
    tiny->watchdog_ps = on ? time_ps + timeout_ps(tiny) : UINT64_MAX;
    tiny_due(tiny, PART_WATCHDOG, tiny_cycle(tiny, tiny->watchdog_ps));
}

void watchdog_reset(struct tiny *tiny)
{
    /* WDE stays set after a watchdog reset until WDRF is cleared. */
    tiny->io[WDTCSR] = always_on(tiny) || (tiny->io[RSTFLR] & WDRF) ? WDE : 0;
    tiny->watchdog_ps = UINT64_MAX;
}

void watchdog_write(struct tiny *tiny, uint8_t value)
{
    uint8_t old = tiny->io[WDTCSR], forced = always_on(tiny) || (tiny->io[RSTFLR] & WDRF) ? WDE : 0;
    uint8_t protects = old & WDE ? WDE | PRESCALER : 0; /* safety levels 1 and 2: an enabled watchdog */
    if (!clock_unprotected(tiny))
        value = (value & ~protects) | (old & protects);
    uint8_t flag = old & WDIF & ~value; /* cleared by writing one */
    tiny->io[WDTCSR] = (value & (WDIE | WDE | PRESCALER)) | flag | forced;
    if ((tiny->io[WDTCSR] ^ old) & (WDE | WDIE | PRESCALER)) {
        uint64_t now = tiny_ps(tiny, tiny->avr.cycle);
        if (tiny->watchdog_ps == UINT64_MAX || (tiny->io[WDTCSR] ^ old) & PRESCALER || !(tiny->io[WDTCSR] & (WDE | WDIE)))
            watchdog_start(tiny, now);
    }
    tiny->avr.irq = true;
}

void watchdog_due(struct tiny *tiny)
{
    uint64_t now = tiny->watchdog_ps;
    if (tiny->io[WDTCSR] & WDIE) { /* the core clears WDIE with the interrupt if WDE is set: the next one resets */
        tiny_flag(tiny, WDTCSR, WDIF);
        watchdog_start(tiny, now);
    } else {
        tiny->watchdog_resets++;
        tiny_restart(tiny, now, WDRF);
    }
}
