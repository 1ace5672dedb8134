/* ATmega32U4 timers 0, 1 and 3, counting up: normal, CTC and fast PWM modes, compare and overflow flags and their
 * interrupts (datasheet 7766J, sections 12-14). No pins, no input capture, no counting down.
 *
 * A count is not stepped: it is computed when it is looked at, and an event stands where the next flag will be set.
 */
#include "mega_internal.h"
#include <string.h>

enum { TOV = 1, OCF_A = 2, ICF = 0x20 };

struct layout { uint8_t vector, compares, icr_vectors; uint16_t max; };
static const struct layout layouts[3] = {
    { V_TIMER0, 2, 0, 0xFF }, { V_TIMER1, 3, 1, 0xFFFF }, { V_TIMER3, 3, 1, 0xFFFF },
};

static unsigned prescaler(const struct mega_timer *t)
{
    static const uint16_t division[8] = { 0, 1, 8, 64, 256, 1024, 0, 0 }; /* tables 13-9, 14-6 */
    return division[t->control_b & 7];
}

static unsigned top(const struct mega *m, unsigned timer)
{
    const struct mega_timer *t = &m->timer[timer];
    unsigned mode = (t->control_a & 3) | (t->control_b >> 1 & 0xC);
    if (timer == 0)
        return mode == 2 || mode == 7 ? t->compare[0] : 0xFF;
    switch (mode) { /* table 14-4 */
    case 4: case 15: return t->compare[0];
    case 12: case 14: return t->top_latch;
    case 5: return 0xFF;
    case 6: return 0x1FF;
    case 7: return 0x3FF;
    default: return 0xFFFF;
    }
}

/* The prescaler is one for all timers and runs from reset: ticks are counted on its own scale. */
static uint64_t ticks(const struct mega_timer *t, uint64_t from, uint64_t to)
{
    unsigned division = prescaler(t);
    return division ? to / division - from / division : 0;
}

/* Ticks until the count leaves `value`, or 0: never as things stand. A flag is set there. */
static unsigned ticks_until_left(const struct mega *m, unsigned timer, unsigned value)
{
    const struct mega_timer *t = &m->timer[timer];
    unsigned turn = top(m, timer) + 1, max = layouts[timer].max + 1u;
    if (t->count <= value && (value < turn || t->count >= turn))
        return value - t->count + 1;
    if (value >= turn)
        return 0;
    return (t->count < turn ? turn : max) - t->count + value + 1;
}

static unsigned flag_value(const struct mega *m, unsigned timer, unsigned flag)
{
    return flag == 0 ? layouts[timer].max : m->timer[timer].compare[flag - 1];
}

/* Moves the timer's origin to now and sets the flags of what was passed. */
static void settle(struct mega *m, unsigned timer)
{
    m->effects++;
    struct mega_timer *t = &m->timer[timer];
    unsigned turn = top(m, timer) + 1, max = layouts[timer].max + 1u;
    uint64_t passed = ticks(t, t->since, m->avr.cycle);
    for (unsigned flag = 0; flag <= layouts[timer].compares; flag++) {
        unsigned wait = ticks_until_left(m, timer, flag_value(m, timer, flag));
        if (wait && wait <= passed)
            t->flags |= 1 << flag;
    }
    if (t->count >= turn) { /* above a lowered top: on to the end first */
        uint64_t room = max - t->count;
        t->count = passed < room ? t->count + passed : (passed - room) % turn;
    } else {
        t->count = (t->count + passed) % turn;
    }
    t->since = m->avr.cycle;
}

static void reschedule(struct mega *m, unsigned timer)
{
    const struct mega_timer *t = &m->timer[timer];
    unsigned division = prescaler(t), first = 0;
    for (unsigned flag = 0; flag <= layouts[timer].compares; flag++) {
        unsigned wait = t->flags >> flag & 1 ? 0 : ticks_until_left(m, timer, flag_value(m, timer, flag));
        if (wait && (!first || wait < first))
            first = wait;
    }
    uint64_t cycle = (t->since / (division ? division : 1) + first) * division;
    mega_schedule(m, EVENT_TIMER0 + timer, division && first ? mega_ps_at(m, cycle) : MEGA_NEVER);
}

static void raise(struct mega *m, unsigned timer)
{
    if (m->timer[timer].flags & m->timer[timer].mask)
        m->avr.irq = true;
}

void mega_timers_event(struct mega *m, enum mega_event event)
{
    unsigned timer = event - EVENT_TIMER0;
    settle(m, timer);
    reschedule(m, timer);
    raise(m, timer);
}

void mega_timers_reset(struct mega *m)
{
    memset(m->timer, 0, sizeof m->timer);
    for (unsigned timer = 0; timer < 3; timer++)
        mega_schedule(m, EVENT_TIMER0 + timer, MEGA_NEVER);
}

void mega_timers_reschedule(struct mega *m)
{
    for (unsigned timer = 0; timer < 3; timer++) {
        settle(m, timer);
        reschedule(m, timer);
    }
}

int mega_timers_vector(const struct mega *m, unsigned timer)
{
    const struct layout *l = &layouts[timer];
    unsigned pending = m->timer[timer].flags & m->timer[timer].mask;
    for (unsigned i = 0; i < l->compares; i++)
        if (pending & OCF_A << i)
            return l->vector + l->icr_vectors + i;
    return pending & TOV ? l->vector + l->icr_vectors + l->compares : -1;
}

void mega_timers_taken(struct mega *m, unsigned timer, unsigned vector)
{
    const struct layout *l = &layouts[timer];
    unsigned i = vector - l->vector - l->icr_vectors;
    m->timer[timer].flags &= ~(i < l->compares ? OCF_A << i : TOV);
    reschedule(m, timer);
}

uint64_t mega_timer_steady(struct mega *m, unsigned address)
{
    unsigned timer = address == M_TCNT0 ? 0 : address < M_TCCR3A ? 1 : 2;
    unsigned division = prescaler(&m->timer[timer]);
    return division ? (m->avr.cycle / division + 1) * division : MEGA_NEVER;
}

/* --- registers --- */

uint8_t mega_timer0_read(struct mega *m, unsigned address)
{
    struct mega_timer *t = &m->timer[0];
    switch (address) {
    case M_TCCR0A: return t->control_a;
    case M_TCCR0B: return t->control_b;
    case M_OCR0A: return t->compare[0];
    case M_OCR0B: return t->compare[1];
    default: settle(m, 0); return t->count;
    }
}

void mega_timer0_write(struct mega *m, unsigned address, uint8_t value)
{
    struct mega_timer *t = &m->timer[0];
    settle(m, 0);
    switch (address) {
    case M_TCCR0A: t->control_a = value; break;
    case M_TCCR0B: t->control_b = value & 0x0F; break;
    case M_OCR0A: t->compare[0] = value; break;
    case M_OCR0B: t->compare[1] = value; break;
    default: t->count = value;
    }
    reschedule(m, 0);
}

/* The 16-bit register that a byte belongs to, as timer 1 has them. */
static uint16_t *word(struct mega_timer *t, unsigned address)
{
    switch (address & ~1u) {
    case M_TCNT1L: return &t->count;
    case M_ICR1L: return &t->top_latch;
    default: return &t->compare[(address - M_OCR1AL) / 2];
    }
}

uint8_t mega_timer16_read(struct mega *m, unsigned address)
{
    unsigned timer = address < M_TCCR3A ? 1 : 2;
    struct mega_timer *t = &m->timer[timer];
    address -= (timer - 1) * 0x10;
    settle(m, timer);
    switch (address) {
    case M_TCCR1A: return t->control_a;
    case M_TCCR1B: return t->control_b;
    case M_TCCR1C: case M_TCCR1C + 1: return 0;
    }
    uint16_t value = *word(t, address);
    bool compare = address >= M_OCR1AL;
    if (address & 1) /* the high byte: of TCNT and ICR as the low byte's read left it (14.3) */
        return compare ? value >> 8 : t->high;
    if (!compare)
        t->high = value >> 8;
    return value & 0xFF;
}

void mega_timer16_write(struct mega *m, unsigned address, uint8_t value)
{
    unsigned timer = address < M_TCCR3A ? 1 : 2;
    struct mega_timer *t = &m->timer[timer];
    address -= (timer - 1) * 0x10;
    settle(m, timer);
    switch (address) {
    case M_TCCR1A: t->control_a = value; break;
    case M_TCCR1B: t->control_b = value; break;
    case M_TCCR1C: case M_TCCR1C + 1: break;
    default:
        if (address & 1)
            t->high = value;
        else
            *word(t, address) = t->high << 8 | value;
    }
    reschedule(m, timer);
}

static unsigned flags_timer(unsigned address)
{
    return address == M_TIFR0 || address == M_TIMSK0 ? 0 : address == M_TIFR1 || address == M_TIMSK1 ? 1 : 2;
}

static bool is_mask(unsigned address) { return address >= M_TIMSK0; }

uint8_t mega_timer_flags_read(struct mega *m, unsigned address)
{
    const struct mega_timer *t = &m->timer[flags_timer(address)];
    return is_mask(address) ? t->mask : t->flags;
}

void mega_timer_flags_write(struct mega *m, unsigned address, uint8_t value)
{
    unsigned timer = flags_timer(address);
    struct mega_timer *t = &m->timer[timer];
    settle(m, timer);
    if (is_mask(address))
        t->mask = value;
    else
        t->flags &= ~mega_written_bits(m, value); /* cleared by writing 1 */
    reschedule(m, timer);
    raise(m, timer);
}
