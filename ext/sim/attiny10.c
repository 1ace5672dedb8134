/* The ATtiny10: its clock, its reset, and who answers to which register. */
#include "tiny_parts.h"
#include <errno.h>
#include <string.h>

static void clock_update(struct tiny *tiny, uint64_t cycle)
{
    /* From `cycle` on. OSCCAL: 0x00 is half, 0xff twice the calibrated frequency at 0x80, near enough (figure 17-?). */
    uint64_t start = tiny_ps(tiny, cycle);
    int64_t period = (int64_t)TINY_PERIOD_PS * 1000000 / (1000000 + tiny->rc_error);
    tiny->epoch_ps = start;
    tiny->epoch_cycle = cycle;
    tiny->period_ps = (uint32_t)period << tiny->io[CLKPSR];
}

static uint8_t io_read(struct avr *avr, uint16_t address)
{
    struct tiny *tiny = tiny_of(avr);
    if (address == PINB)
        return ports_read_pins(tiny);
    return address < TINY_IO ? tiny->io[address] : 0;
}

static void io_write(struct avr *avr, uint16_t address, uint8_t value)
{
    struct tiny *tiny = tiny_of(avr);
    switch (address) {
    case PINB: /* writing ones toggles PORTB, section 10.2.2 */
        tiny->io[PORTB] ^= value & 15;
        ports_update(tiny, tiny_ps(tiny, avr->cycle + 1));
        break;
    case DDRB:
    case PORTB:
    case PUEB:
        tiny->io[address] = value & 15;
        ports_update(tiny, tiny_ps(tiny, avr->cycle + 1));
        break;
    case CCP: /* section 4.7.1: within four instruction cycles */
        if (value == 0xd8)
            tiny->ccp_until = avr->cycle + 5;
        break;
    case CLKPSR:
        if (avr->cycle < tiny->ccp_until) {
            tiny->io[CLKPSR] = (value & 15) > 8 ? 8 : value & 15;
            clock_update(tiny, avr->cycle + 1);
            avr->stop = avr->cycle; /* the board's time means another cycle now */
        }
        break;
    default:
        if (address < TINY_IO)
            tiny->io[address] = value;
    }
}

static uint64_t io_steady(struct avr *avr, uint16_t address)
{
    return address == PINB ? ports_steady(tiny_of(avr)) : avr->cycle;
}

static int io_vector(struct avr *avr)
{
    (void)avr;
    return -1;
}

static void io_taken(struct avr *avr, int vector)
{
    (void)avr;
    (void)vector;
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
};

int tiny_init(struct tiny *tiny, const struct wire *clock)
{
    *tiny = (struct tiny){ .clock = clock, .lane.first = true, .startup_ps = TINY_STARTUP_PS, .start_ps = UINT64_MAX };
    tiny->period_ps = TINY_PERIOD_PS;
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
    for (size_t i = 0; i < length; i++) {
        unsigned shift = i % 2 * 8;
        tiny->avr.flash[i / 2] = (tiny->avr.flash[i / 2] & ~(0xff << shift)) | image[i] << shift;
    }
    avr_decode(&tiny->avr, 0, TINY_FLASH / 2);
    return 0;
}

static void registers_reset(struct tiny *tiny)
{
    avr_reset(&tiny->avr);
    memset(tiny->io, 0, sizeof tiny->io);
    tiny->io[CLKPSR] = 3; /* 8 MHz / 8, section 6.4.2 */
    tiny->io[OSCCAL] = 0x80;
    tiny->ccp_until = 0;
    ports_reset(tiny);
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
    tiny->start_ps = UINT64_MAX;
    registers_reset(tiny);
    ports_update(tiny, time_ps);
}

void tiny_reset_pin(struct tiny *tiny, uint64_t time_ps, bool level)
{
    tiny_run(tiny, time_ps);
    if (level == tiny->reset_level)
        return;
    tiny->reset_level = level;
    if (level) {
        tiny->start_ps = time_ps + tiny->startup_ps;
    } else {
        tiny->start_ps = UINT64_MAX;
        registers_reset(tiny);
    }
    ports_update(tiny, time_ps);
}

void tiny_user_pin(struct tiny *tiny, uint64_t time_ps, bool level)
{
    tiny_run(tiny, time_ps);
    tiny->user_level = level;
}

void tiny_run(struct tiny *tiny, uint64_t until_ps)
{
    if (tiny->start_ps > until_ps) { /* in reset, or starting up */
        tiny->clock_seen = wire_seen(tiny->clock, tiny->clock_seen, until_ps);
        tiny->lane_seen = wire_seen(&tiny->lane, tiny->lane_seen, until_ps);
        tiny->now_ps = until_ps;
        return;
    }
    if (tiny->now_ps < tiny->start_ps) { /* the first instruction */
        tiny->epoch_ps = tiny->start_ps;
        tiny->epoch_cycle = tiny->avr.cycle;
        clock_update(tiny, tiny->avr.cycle);
    }
    tiny->now_ps = until_ps;
    uint64_t cycle;
    while (tiny->avr.cycle < (cycle = tiny_cycle(tiny, until_ps)))
        avr_run(&tiny->avr, cycle);
}
