/* Jumping over waiting loops of the pump chip that are too long for the core to know (avr.h, `steady`).
 *
 * A firmware that polls several flags in turn comes back to the same instruction with the same registers and RAM, having
 * changed nothing: from there on every turn is the same until an event. Reads of USB flags are where such loops are looked
 * for; one turn is then stepped through and compared whole, so a jump is never a guess.
 */
#include "mega_internal.h"
#include <string.h>

/* Looks at the same place before stepping; looks at other places within a turn; cycles of a turn. */
enum { TURNS_SEEN = 2, MOST_READS = 8, LONGEST_TURN = 256 };

void mega_polled(struct mega *m)
{
    bool here = m->avr.pc == m->poll.pc;
    if (m->effects != m->poll.effects || (!here && ++m->poll.elsewhere > MOST_READS)) {
        m->poll.pc = m->avr.pc;
        m->poll.effects = m->effects;
        m->poll.turns = m->poll.elsewhere = 0;
    } else if (here) {
        m->poll.elsewhere = 0;
        if (++m->poll.turns == TURNS_SEEN)
            m->avr.stop = m->avr.cycle; /* mega_run will ask mega_jump */
    }
}

struct state {
    uint64_t effects;
    uint16_t pc, sp;
    uint8_t sreg, selected, r[32], ram[MEGA_RAM];
};

static void save(const struct mega *m, struct state *s)
{
    s->effects = m->effects;
    s->pc = m->avr.pc;
    s->sp = m->avr.sp;
    s->sreg = m->avr.sreg;
    s->selected = m->usb.selected;
    memcpy(s->r, m->avr.r, sizeof s->r);
    memcpy(s->ram, m->avr.ram, sizeof s->ram);
}

static bool same(const struct mega *m, const struct state *s)
{
    return m->effects == s->effects && m->avr.pc == s->pc && m->avr.sp == s->sp && m->avr.sreg == s->sreg &&
           m->usb.selected == s->selected && !memcmp(s->r, m->avr.r, sizeof s->r) &&
           !memcmp(s->ram, m->avr.ram, sizeof s->ram);
}

void mega_jump(struct mega *m, uint64_t stop)
{
    static _Thread_local struct state before;
    if (m->poll.turns < TURNS_SEEN || m->avr.asleep || (m->avr.irq && m->avr.sreg & 0x80))
        return;
    m->poll.turns = 0;
    save(m, &before);
    uint64_t start = m->avr.cycle, fed = m->event[EVENT_WATCHDOG];
    do {
        avr_run(&m->avr, m->avr.cycle + 1);
        if (m->avr.cycle >= stop || m->avr.cycle - start > LONGEST_TURN || m->effects != before.effects)
            return;
    } while (m->avr.pc != before.pc);
    if (!same(m, &before))
        return;
    uint64_t turn = m->avr.cycle - start, turns = (stop - m->avr.cycle) / turn;
    m->avr.cycle += turns * turn;
    m->poll.waits = true;
    if (m->event[EVENT_WATCHDOG] != fed) /* fed in each turn */
        mega_schedule(m, EVENT_WATCHDOG, m->event[EVENT_WATCHDOG] + turns * turn * m->cycle_ps);
}
