/* The ATtiny10's 16-bit timer: normal, CTC and PWM modes, compare pins, input capture (datasheet section 11).
 *
 * It counts lazily: timer_sync brings it to a cycle, jumping from one tick with an effect to the next. */
#include "tiny_parts.h"

enum slope { UP, FAST, PHASE, PHASE_FREQUENCY, RESERVED };
enum top { TOP_FIXED, TOP_OCR0A, TOP_ICR0 };

static const struct mode {
    uint8_t slope, top;
    uint16_t fixed;
} modes[16] = { /* by WGM03:0, section 11.11 */
    { UP, TOP_FIXED, 0xffff },    { PHASE, TOP_FIXED, 0xff },      { PHASE, TOP_FIXED, 0x1ff },
    { PHASE, TOP_FIXED, 0x3ff },  { UP, TOP_OCR0A, 0 },            { FAST, TOP_FIXED, 0xff },
    { FAST, TOP_FIXED, 0x1ff },   { FAST, TOP_FIXED, 0x3ff },      { PHASE_FREQUENCY, TOP_ICR0, 0 },
    { PHASE_FREQUENCY, TOP_OCR0A, 0 }, { PHASE, TOP_ICR0, 0 },     { PHASE, TOP_OCR0A, 0 },
    { UP, TOP_ICR0, 0 },          { RESERVED, TOP_FIXED, 0xffff }, { FAST, TOP_ICR0, 0 },
    { FAST, TOP_OCR0A, 0 },
};

static const struct mode *mode_of(const struct tiny *tiny)
{
    return &modes[(tiny->io[TCCR0B] >> 1 & 12) | (tiny->io[TCCR0A] & 3)];
}

static unsigned top_of(const struct tiny *tiny)
{
    const struct mode *mode = mode_of(tiny);
    return mode->top == TOP_OCR0A ? tiny->timer.a : mode->top == TOP_ICR0 ? tiny->timer.capture : mode->fixed;
}

static bool pwm(const struct mode *mode)
{
    return mode->slope != UP && mode->slope != RESERVED;
}

/* CPU cycles per tick as a shift, or -1: stopped, or clocked by T0. */
static int prescaler(const struct tiny *tiny)
{
    static const int8_t shift[8] = { -1, 0, 3, 6, 8, 10, -1, -1 };
    bool held = tiny->timer.frozen || tiny->io[PRR] & PRTIM0 || (tiny->io[GTCCR] & 0x81) == 0x81;
    return held ? -1 : shift[tiny->io[TCCR0B] & 7];
}

/* What a compare output does: 1 toggle, 2 clear, 3 set. `how` is COM0x1:0; channel 0 is A. */
static void drive(struct tiny *tiny, unsigned channel, unsigned how)
{
    uint8_t bit = 1 << channel, *oc = &tiny->timer.oc;
    *oc = how == 1 ? *oc ^ bit : how == 2 ? *oc & ~bit : how == 3 ? *oc | bit : *oc;
}

static void matched(struct tiny *tiny, unsigned channel)
{
    const struct mode *mode = mode_of(tiny);
    unsigned com = tiny->io[TCCR0A] >> (channel ? 4 : 6) & 3;
    if (com == 1 && pwm(mode) && (channel || mode->top != TOP_OCR0A)) /* toggles in modes 9, 11, 15 only, and A only */
        com = 0;
    if (com >= 2 && (mode->slope == PHASE || mode->slope == PHASE_FREQUENCY) && tiny->timer.down)
        com ^= 1; /* the other way while counting down */
    drive(tiny, channel, com);
}

static void buffers(struct tiny *tiny)
{
    tiny->timer.a = tiny->timer.next_a;
    tiny->timer.b = tiny->timer.next_b;
}

static void at_bottom(struct tiny *tiny)
{
    const struct mode *mode = mode_of(tiny);
    if (mode->slope == FAST) {
        for (unsigned channel = 0; channel < 2; channel++) {
            unsigned com = tiny->io[TCCR0A] >> (channel ? 4 : 6) & 3;
            drive(tiny, channel, com >= 2 ? com ^ 1 : 0);
        }
    }
    if (mode->slope == FAST || mode->slope == PHASE_FREQUENCY)
        buffers(tiny);
}

/* The tick that leaves the present count. Flags are set with it (section 11, timing diagrams). */
static void tick(struct tiny *tiny)
{
    struct tiny_timer *timer = &tiny->timer;
    const struct mode *mode = mode_of(tiny);
    unsigned top = top_of(tiny), count = timer->count, flags = 0;
    bool dual = mode->slope == PHASE || mode->slope == PHASE_FREQUENCY;

    if (!timer->blocked) {
        if (count == timer->a) {
            flags |= OCF0A;
            matched(tiny, 0);
        }
        if (count == timer->b) {
            flags |= OCF0B;
            matched(tiny, 1);
        }
    }
    timer->blocked = false;
    if (count == top && !timer->down) {
        if (mode->top == TOP_ICR0)
            flags |= ICF0;
        if (mode->slope == FAST)
            flags |= TOV0;
        if (mode->slope == PHASE)
            buffers(tiny);
    }
    if (dual && !timer->down && count >= top) {
        timer->down = true;
        timer->count = count ? count - 1 : 0;
    } else if (dual && timer->down) {
        timer->down = count != 0;
        timer->count = count ? count - 1 : top > 0;
        if (!count) {
            flags |= TOV0;
            at_bottom(tiny);
        }
    } else if (count == top || count == 0xffff) {
        timer->count = 0;
        if (count == 0xffff && !pwm(mode))
            flags |= TOV0;
        at_bottom(tiny);
    } else {
        timer->count++;
    }
    if (flags)
        tiny_flag(tiny, TIFR0, flags);
}

/* Ticks that only count, before the one that does something. */
static unsigned quiet_ticks(const struct tiny *tiny)
{
    const struct tiny_timer *timer = &tiny->timer;
    unsigned stops[] = { timer->a, timer->b, top_of(tiny), timer->down ? 0 : 0xffff }, nearest = 0x10000;
    if (timer->blocked)
        return 0;
    for (unsigned i = 0; i < 4; i++) {
        unsigned distance = (timer->down ? timer->count - stops[i] : stops[i] - timer->count) & 0xffff;
        nearest = distance < nearest ? distance : nearest;
    }
    return nearest;
}

static void advance(struct tiny *tiny, uint64_t ticks)
{
    while (ticks) {
        uint64_t quiet = quiet_ticks(tiny), step = quiet < ticks ? quiet : ticks;
        tiny->timer.count += tiny->timer.down ? -step : step;
        ticks -= step;
        if (ticks) {
            tick(tiny);
            ticks--;
        }
    }
}

static void timer_sync(struct tiny *tiny, uint64_t cycle)
{
    struct tiny_timer *timer = &tiny->timer;
    int shift = prescaler(tiny);
    uint8_t oc = timer->oc;
    if (shift >= 0)
        advance(tiny, ((cycle - timer->prescaler) >> shift) - ((timer->synced - timer->prescaler) >> shift));
    timer->synced = cycle;
    if (timer->oc != oc)
        ports_update(tiny, cycle);
}

static uint64_t next_effect(const struct tiny *tiny)
{
    const struct tiny_timer *timer = &tiny->timer;
    int shift = prescaler(tiny);
    if (shift < 0)
        return UINT64_MAX;
    return timer->prescaler + ((((timer->synced - timer->prescaler) >> shift) + quiet_ticks(tiny) + 1) << shift);
}

static void schedule(struct tiny *tiny)
{
    bool wanted = tiny->io[TIMSK0] || tiny->io[TCCR0A] & 0xf0;
    tiny_due(tiny, PART_TIMER, wanted ? next_effect(tiny) : UINT64_MAX);
}

void timer_due(struct tiny *tiny)
{
    timer_sync(tiny, tiny->due[PART_TIMER]);
    schedule(tiny);
}

uint64_t timer_steady(struct tiny *tiny)
{
    timer_sync(tiny, tiny->avr.cycle);
    return next_effect(tiny);
}

void timer_reset(struct tiny *tiny)
{
    tiny->timer = (struct tiny_timer){ .synced = tiny->avr.cycle, .prescaler = tiny->avr.cycle };
}

void timer_freeze(struct tiny *tiny, bool frozen)
{
    if (frozen == tiny->timer.frozen)
        return;
    timer_sync(tiny, tiny->avr.cycle);
    tiny->timer.prescaler += frozen ? -tiny->avr.cycle : tiny->avr.cycle; /* its phase waits, too */
    tiny->timer.frozen = frozen;
    schedule(tiny);
}

uint8_t timer_read(struct tiny *tiny, uint16_t address)
{
    struct tiny_timer *timer = &tiny->timer;
    timer_sync(tiny, tiny->avr.cycle);
    switch (address) {
    case TCNT0L: timer->temp = timer->count >> 8; return timer->count & 0xff;
    case ICR0L: timer->temp = timer->capture >> 8; return timer->capture & 0xff;
    case TCNT0H:
    case ICR0H: return timer->temp;
    case OCR0AL: return timer->next_a & 0xff;
    case OCR0AH: return timer->next_a >> 8;
    case OCR0BL: return timer->next_b & 0xff;
    case OCR0BH: return timer->next_b >> 8;
    default: return tiny->io[address];
    }
}

void timer_write(struct tiny *tiny, uint16_t address, uint8_t value)
{
    struct tiny_timer *timer = &tiny->timer;
    uint16_t word = timer->temp << 8 | value;
    timer_sync(tiny, tiny->avr.cycle + 1);
    switch (address) {
    case TCNT0H:
    case ICR0H:
    case OCR0AH:
    case OCR0BH: timer->temp = value; break; /* taken over with the low byte */
    case TCNT0L:
        timer->count = word;
        timer->blocked = true;
        break;
    case ICR0L:
        if (mode_of(tiny)->top == TOP_ICR0)
            timer->capture = word;
        break;
    case OCR0AL: timer->next_a = word; break;
    case OCR0BL: timer->next_b = word; break;
    case TIFR0: tiny->io[TIFR0] &= ~value; break;
    case TCCR0C: /* strobes: as if it had matched, but no flag; not in PWM modes */
        for (unsigned channel = 0; channel < 2 && !pwm(mode_of(tiny)); channel++)
            if (value & (channel ? 0x40 : 0x80))
                matched(tiny, channel);
        break;
    case GTCCR:
        if (value & 1)
            timer->prescaler = timer->synced;
        tiny->io[GTCCR] = value & 0x80 ? value & 0x81 : 0; /* PSR stays only with TSM */
        break;
    case TCCR0A: tiny->io[TCCR0A] = value & 0xf3; break;
    case TCCR0B: tiny->io[TCCR0B] = value & 0xdf; break;
    case TIMSK0: tiny->io[TIMSK0] = value & 0x27; break;
    case PRR: tiny->io[PRR] = value & 3; break;
    }
    if (!pwm(mode_of(tiny))) /* buffered in the PWM modes only */
        buffers(tiny);
    if (mode_of(tiny)->slope == UP || mode_of(tiny)->slope == FAST)
        timer->down = false;
    ports_update(tiny, timer->synced);
    pinint_update(tiny);
    schedule(tiny);
    tiny->avr.irq = true;
}

bool timer_wants_pins(const struct tiny *tiny)
{
    /* A capture matters when its flag or ICR0 is looked at; nobody says so, but whoever uses it runs the timer and
     * chooses an edge or the interrupt. */
    return tiny->io[TIMSK0] & ICF0 || tiny->io[TCCR0B] & 0xc0 || (tiny->io[TCCR0B] & 6) == 6;
}

void timer_capture(struct tiny *tiny, bool rising)
{
    if (mode_of(tiny)->top == TOP_ICR0 || rising != !!(tiny->io[TCCR0B] & 0x40))
        return;
    timer_sync(tiny, tiny->avr.cycle);
    tiny->timer.capture = tiny->timer.count;
    tiny_flag(tiny, TIFR0, ICF0);
}

void timer_external(struct tiny *tiny, bool rising)
{
    if ((tiny->io[TCCR0B] & 6) != 6 || rising != (tiny->io[TCCR0B] & 1) || tiny->timer.frozen)
        return;
    uint8_t oc = tiny->timer.oc;
    tick(tiny);
    if (oc != tiny->timer.oc)
        ports_update(tiny, tiny->avr.cycle);
}
