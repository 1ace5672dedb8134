/* The ATtiny10: who answers to which register, interrupts, sleep, reset, and running from one event to the next. */
#include "tiny_parts.h"
#include <assert.h>
#include <errno.h>
#include <string.h>

/* --- events --- */

void tiny_due(struct tiny *tiny, enum tiny_part part, uint64_t cycle)
{
    tiny->due[part] = cycle;
    tiny->event = UINT64_MAX;
    for (unsigned i = 0; i < PARTS; i++)
        if (tiny->due[i] < tiny->event)
            tiny->event = tiny->due[i];
    if (tiny->event < tiny->avr.stop)
        tiny->avr.stop = tiny->event;
}

void tiny_flag(struct tiny *tiny, enum tiny_register flags, uint8_t bits)
{
    tiny->io[flags] |= bits;
    tiny->avr.irq = true;
}

static void events(struct tiny *tiny)
{
    uint64_t cycle = tiny->avr.cycle;
    if (tiny->due[PART_PINS] <= cycle)
        pinint_due(tiny);
    if (tiny->due[PART_TIMER] <= cycle)
        timer_due(tiny);
    if (tiny->due[PART_ADC] <= cycle)
        analog_due(tiny);
    if (tiny->due[PART_CCP] <= cycle) { /* interrupts have waited for the protected write */
        tiny_due(tiny, PART_CCP, UINT64_MAX);
        tiny->avr.irq = true;
    }
    if (tiny->due[PART_WATCHDOG] <= cycle) /* last: it may reset */
        watchdog_due(tiny);
}

/* --- hooks of the core --- */

static uint8_t io_read(struct avr *avr, uint16_t address)
{
    struct tiny *tiny = tiny_of(avr);
    if (address == PINB)
        return ports_read_pins(tiny);
    if (address >= TINY_IO)
        return nvm_read(tiny, address, tiny_ps(tiny, avr->cycle));
    if (address >= ICR0L && address <= GTCCR)
        return timer_read(tiny, address);
    if (address == ACSR || address == VLMCSR)
        return analog_read(tiny, address);
    return tiny->io[address];
}

static void io_write(struct avr *avr, uint16_t address, uint8_t value)
{
    struct tiny *tiny = tiny_of(avr);
    switch (address) {
    case PINB: /* writing ones toggles PORTB, section 10.2.2 */
        tiny->io[PORTB] ^= value & 15;
        ports_update(tiny, avr->cycle + 1);
        break;
    case DDRB:
    case PORTB:
    case PUEB:
        if (tiny->io[address] == (value & 15))
            break;
        tiny->io[address] = value & 15;
        ports_update(tiny, avr->cycle + 1);
        break;
    case PCIFR:
    case EIFR: tiny->io[address] &= ~value; break; /* flags are cleared by ones */
    case PCMSK: tiny->io[address] = value & 15; break;
    case DIDR0:
        tiny->io[address] = value & 15;
        ports_look(tiny);
        break;
    case EICRA:
    case PORTCR:
    case ADMUX: tiny->io[address] = value & 3; break;
    case PCICR:
    case EIMSK: tiny->io[address] = value & 1; break;
    case ADCSRB: tiny->io[address] = value & 7; break;
    case SMCR: tiny->io[address] = value & 15; break;
    case RSTFLR: tiny->io[address] &= value; break;
    case ADCSRA:
    case ACSR:
    case VLMCSR: analog_write(tiny, address, value); break;
    case WDTCSR: watchdog_write(tiny, value); break;
    case CCP:
    case CLKPSR:
    case CLKMSR:
    case OSCCAL: clock_write(tiny, address, value); break;
    case PRR: timer_write(tiny, address, value); break;
    default:
        if (address >= ICR0L && address <= GTCCR)
            timer_write(tiny, address, value);
    }
    if (address >= PCMSK && address <= EICRA) {
        pinint_update(tiny);
        avr->irq = true;
    }
}

static uint64_t io_steady(struct avr *avr, uint16_t address)
{
    struct tiny *tiny = tiny_of(avr);
    if (address == PINB)
        return ports_steady(tiny);
    if (address == TIFR0)
        return timer_steady(tiny);
    if (address >= ICR0L && address <= TCNT0H)
        return avr->cycle; /* counts, and reading moves TEMP */
    return UINT64_MAX;     /* others change by the program or by events, where the core is stopped */
}

/* By vector: where the flag is and what enables it. */
static const struct { uint8_t flags, flag, enables, enable; } interrupts[] = {
    [VECTOR_INT0] = { EIFR, 1, EIMSK, 1 },
    [VECTOR_PCINT0] = { PCIFR, 1, PCICR, 1 },
    [VECTOR_CAPTURE] = { TIFR0, ICF0, TIMSK0, ICF0 },
    [VECTOR_OVERFLOW] = { TIFR0, TOV0, TIMSK0, TOV0 },
    [VECTOR_COMPARE_A] = { TIFR0, OCF0A, TIMSK0, OCF0A },
    [VECTOR_COMPARE_B] = { TIFR0, OCF0B, TIMSK0, OCF0B },
    [VECTOR_COMPARATOR] = { ACSR, 0x10, ACSR, 0x08 },
    [VECTOR_WATCHDOG] = { WDTCSR, WDIF, WDTCSR, WDIE },
    [VECTOR_VLM] = { VLMCSR, 0x80, VLMCSR, 0x40 },
    [VECTOR_ADC] = { ADCSRA, 0x10, ADCSRA, 0x08 },
};

static int io_vector(struct avr *avr)
{
    struct tiny *tiny = tiny_of(avr);
    if (avr->cycle < tiny->ccp_until)
        return -1;
    for (unsigned i = 1; i < sizeof interrupts / sizeof *interrupts; i++)
        if (tiny->io[interrupts[i].flags] & interrupts[i].flag && tiny->io[interrupts[i].enables] & interrupts[i].enable)
            return i;
    return -1;
}

static void io_taken(struct avr *avr, int vector)
{
    struct tiny *tiny = tiny_of(avr);
    tiny->io[interrupts[vector].flags] &= ~interrupts[vector].flag;
    if (vector == VECTOR_WATCHDOG && tiny->io[WDTCSR] & WDE)
        tiny->io[WDTCSR] &= ~WDIE; /* the next time-out resets */
    if (vector == VECTOR_INT0)
        pinint_update(tiny); /* a level that lasts asks again */
    timer_freeze(tiny, false);
}

static void io_special(struct avr *avr, int what)
{
    struct tiny *tiny = tiny_of(avr);
    if (what == AVR_WDR) {
        watchdog_start(tiny, tiny_ps(tiny, avr->cycle));
    } else if (what == AVR_SLEEP && tiny->io[SMCR] & 1) {
        avr->asleep = true;
        timer_freeze(tiny, tiny->io[SMCR] & 0x0e); /* in all modes but idle, section 7 */
    }
}

static const struct avr_chip chip = {
    .profile = AVR_RC,
    .flash_words = TINY_FLASH / 2,
    .ram_start = 0x40,
    .ram_size = TINY_RAM,
    .io_end = TINY_IO,
    .vectors_words = 1,
    .read = io_read,
    .write = io_write,
    .steady = io_steady,
    .vector = io_vector,
    .taken = io_taken,
    .special = io_special,
};

static_assert(PINB == 0, "avr.known_address is left at 0");

/* --- life --- */

int tiny_init(struct tiny *tiny, const struct wire *clock)
{
    *tiny = (struct tiny){ .clock = clock, .lane.first = true, .startup_ps = TINY_STARTUP_PS, .start_ps = UINT64_MAX,
                           .vcc_mv = 5000, .period_ps = TINY_PERIOD_PS };
    nvm_init(tiny);
    return avr_init(&tiny->avr, &chip);
}

void tiny_free(struct tiny *tiny)
{
    avr_free(&tiny->avr);
}

int tiny_load(struct tiny *tiny, const uint8_t *image, size_t length)
{
    if (length > TINY_FLASH)
        return -EFBIG;
    memset(tiny->avr.flash, 0xff, TINY_FLASH);
    for (size_t i = 0; i < length; i++) {
        unsigned shift = i % 2 * 8;
        tiny->avr.flash[i / 2] = (tiny->avr.flash[i / 2] & ~(0xff << shift)) | image[i] << shift;
    }
    avr_decode(&tiny->avr, 0, TINY_FLASH / 2);
    return 0;
}

/* A reset from whatever cause: registers to their initial values, pins released. */
static void reset(struct tiny *tiny, uint64_t time_ps, uint8_t cause)
{
    uint8_t flags = tiny->io[RSTFLR] | cause;
    tiny->running = tiny->watching = false;
    avr_reset(&tiny->avr);
    memset(tiny->io, 0, sizeof tiny->io);
    tiny->io[RSTFLR] = flags;
    for (unsigned i = 0; i < PARTS; i++)
        tiny->due[i] = UINT64_MAX;
    tiny->event = UINT64_MAX;
    clock_reset(tiny);
    timer_reset(tiny);
    watchdog_reset(tiny);
    tpi_reset(tiny);
    ports_release(tiny, time_ps, (struct tiny_pins){ 0 });
}

void tiny_restart(struct tiny *tiny, uint64_t time_ps, uint8_t cause)
{
    reset(tiny, time_ps, cause);
    tiny->start_ps = time_ps + tiny->startup_ps;
}

static bool reset_disabled(const struct tiny *tiny)
{
    return !(tiny->nvm.config & RSTDISBL);
}

void tiny_power_on(struct tiny *tiny, uint64_t time_ps, uint64_t seed, int32_t rc_error)
{
    uint64_t random = seed * 2 + 1; /* xorshift64 must not start at 0 */
    uint8_t bytes[TINY_RAM + 16];
    for (unsigned i = 0; i < sizeof bytes; i++) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        bytes[i] = random >> 32;
    }
    memcpy(tiny->avr.ram, bytes, TINY_RAM);
    memcpy(tiny->avr.r + 16, bytes + TINY_RAM, 16);
    tiny->rc_error = rc_error;
    tiny->now_ps = time_ps;
    tiny->reset_level = false;
    tiny->io[RSTFLR] = 0;
    reset(tiny, time_ps, PORF);
    tiny->start_ps = reset_disabled(tiny) ? time_ps + tiny->startup_ps : UINT64_MAX;
}

void tiny_reset_pin(struct tiny *tiny, uint64_t time_ps, bool level)
{
    tiny_run(tiny, time_ps);
    if (level == tiny->reset_level)
        return;
    tiny->reset_level = level;
    ports_look(tiny);
    if (reset_disabled(tiny))
        return;
    reset(tiny, time_ps, level ? 0 : EXTRF);
    tiny->start_ps = level ? time_ps + tiny->startup_ps : UINT64_MAX;
}

void tiny_user_pin(struct tiny *tiny, uint64_t time_ps, bool level)
{
    tiny_run(tiny, time_ps);
    tiny->user_level = level;
    ports_look(tiny);
    if (tiny->watching)
        tiny_due(tiny, PART_PINS, tiny->avr.cycle + 1);
}

/* Edges pass by. */
static void pass(struct tiny *tiny, uint64_t until_ps)
{
    tiny->clock_seen = wire_seen(tiny->clock, tiny->clock_seen, until_ps);
    tiny->lane_seen = wire_seen(&tiny->lane, tiny->lane_seen, until_ps);
}

/* In reset, starting up, or without a clock. */
static void wait(struct tiny *tiny, uint64_t until_ps)
{
    if (tiny->start_ps == UINT64_MAX)
        tpi_run(tiny, until_ps);
    pass(tiny, until_ps);
}

/* A program that does not look at its pins: what no later look can see passes by, before the rings are full. */
static void keep_up(struct tiny *tiny, uint64_t until_ps)
{
    uint64_t clock = tiny->clock->count - tiny->clock_seen, lane = tiny->lane.count - tiny->lane_seen;
    if ((clock > WIRE_EDGES / 4 || lane > WIRE_EDGES / 4) && until_ps > tiny->period_ps)
        pass(tiny, until_ps - tiny->period_ps);
}

/* Out of reset and started up. False: reset again on the way. */
static bool run(struct tiny *tiny, uint64_t until_ps)
{
    struct avr *avr = &tiny->avr;
    avr->known_until = tiny->edge_cycle = 0; /* edges may have been pushed */
    if (tiny->watching)
        pinint_edges(tiny);
    tiny->epoch_ps = tiny_ps(tiny, avr->cycle); /* near, for short divisions */
    tiny->epoch_cycle = avr->cycle;
    uint64_t until = tiny_cycle(tiny, until_ps);
    for (;;) {
        if (avr->cycle >= tiny->event) {
            events(tiny);
            if (!tiny->running)
                return false;
        } else if (avr->cycle >= until) {
            return true;
        } else {
            uint64_t stop = until < tiny->event ? until : tiny->event;
            if (tiny->watch && !avr->asleep)
                tiny->watch(tiny);
            if (tiny->watch && (!avr->asleep || avr->irq))
                stop = avr->cycle + 1; /* one instruction, or the way into an interrupt */
            avr_run(avr, stop);
            if (tiny->retimed)
                until = tiny_cycle(tiny, until_ps);
            tiny->retimed = false;
        }
    }
}

void tiny_run(struct tiny *tiny, uint64_t until_ps)
{
    for (;;) {
        if (tiny->start_ps > until_ps) {
            wait(tiny, until_ps);
            break;
        }
        if (!tiny->running) {
            wait(tiny, tiny->start_ps);
            tiny->running = true;
            clock_start(tiny, tiny->start_ps);
            watchdog_start(tiny, tiny->start_ps);
        }
        if (!tiny->stopped && run(tiny, until_ps) && !tiny->stopped) {
            keep_up(tiny, until_ps);
            break;
        }
        if (tiny->stopped && tiny->watchdog_ps > until_ps) { /* only the watchdog gets it out of this */
            wait(tiny, until_ps);
            break;
        }
        if (tiny->stopped)
            watchdog_due(tiny);
    }
    tiny->now_ps = until_ps;
}
