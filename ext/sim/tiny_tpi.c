/* The ATtiny10's Tiny Programming Interface (datasheet section 14): TPIDATA is PB0, TPICLK is PB1, /RESET low enables.
 *
 * Sampled at rising edges of the clock, driven at falling ones. A frame is 12 bits: start 0, eight data bits from the
 * least significant, even parity, two stop bits 1. */
#include "tiny_parts.h"

enum phase { DISABLED, IDLE, RECEIVING, GUARD, SENDING, ERROR };
enum { ENABLE_CLOCKS = 16, FRAME_BITS = 12, BREAK_BITS = 12 };
enum { EXPECT_OPCODE, EXPECT_DATA, EXPECT_KEY };
enum { SLD = 0x20, SST = 0x60, INCREMENT = 0x04, SSTPR = 0x68, SIN = 0x10, SOUT = 0x90, SLDCS = 0x80, SSTCS = 0xc0, SKEY = 0xe0 };
enum { TPISR = 0x0, TPIPCR = 0x2, TPIIR = 0xf, NVMEN = 0x02, IDENTIFICATION = 0x80 };

static const uint8_t key[8] = { 0xff, 0x88, 0xd8, 0xcd, 0x45, 0xab, 0x89, 0x12 }; /* NVM program enable, as sent */

void tpi_reset(struct tiny *tiny)
{
    uint32_t errors = tiny->tpi.errors;
    tiny->tpi = (struct tiny_tpi){ .phase = DISABLED, .guard_bits = 128, .errors = errors };
}

static void fail(struct tiny *tiny)
{
    tiny->tpi.errors++;
    tiny->tpi.phase = ERROR; /* until a BREAK */
    tiny->tpi.next = EXPECT_OPCODE;
}

/* --- access layer --- */

static uint8_t load(struct tiny *tiny, uint16_t address, uint64_t time_ps)
{
    const struct avr_chip *chip = tiny->avr.chip;
    if (address == NVMCSR)
        return time_ps < tiny->nvm.busy_ps ? 0x80 : 0;
    if (address < TINY_IO)
        return tiny->io[address];
    if ((unsigned)(address - chip->ram_start) < chip->ram_size)
        return tiny->avr.ram[address - chip->ram_start];
    return nvm_read(tiny, address, time_ps);
}

static void store(struct tiny *tiny, uint16_t address, uint8_t value, uint64_t time_ps)
{
    const struct avr_chip *chip = tiny->avr.chip;
    if (address == NVMCMD) {
        if (time_ps >= tiny->nvm.busy_ps)
            tiny->io[NVMCMD] = value & 0x3f;
    } else if ((unsigned)(address - chip->ram_start) < chip->ram_size) {
        tiny->avr.ram[address - chip->ram_start] = value;
    } else if (address >= TINY_IO) { /* other I/O registers are held by the reset */
        nvm_write(tiny, address, value, time_ps);
    }
}

static uint8_t io_address(uint8_t opcode)
{
    return (opcode >> 1 & 0x30) | (opcode & 15);
}

static void answer(struct tiny *tiny, uint8_t value)
{
    tiny->tpi.answer = value;
    tiny->tpi.guard = tiny->tpi.guard_bits + 2;
    tiny->tpi.phase = GUARD;
}

/* Instructions that end with a data byte. */
static void execute(struct tiny *tiny, uint8_t data, uint64_t time_ps)
{
    struct tiny_tpi *tpi = &tiny->tpi;
    static const uint8_t guard_bits[8] = { 128, 64, 32, 16, 8, 4, 2, 0 };
    uint8_t opcode = tpi->opcode;
    bool enabled = tpi->status & NVMEN;
    tpi->next = EXPECT_OPCODE;
    if ((opcode & 0xfe) == SSTPR) {
        tpi->pointer = opcode & 1 ? (tpi->pointer & 0xff) | data << 8 : (tpi->pointer & 0xff00) | data;
    } else if ((opcode & 0xfb) == SST) {
        if (enabled)
            store(tiny, tpi->pointer, data, time_ps);
        tpi->pointer += !!(opcode & INCREMENT);
    } else if ((opcode & 0xf0) == SSTCS) {
        if ((opcode & 15) == TPIPCR)
            tpi->guard_bits = guard_bits[data & 7];
        else if ((opcode & 15) == TPISR)
            tpi->status &= data; /* NVMEN can be cleared, not set */
    } else if (enabled) {
        store(tiny, io_address(opcode), data, time_ps);
    }
}

static void instruction(struct tiny *tiny, uint8_t opcode, uint64_t time_ps)
{
    struct tiny_tpi *tpi = &tiny->tpi;
    bool enabled = tpi->status & NVMEN;
    tpi->opcode = opcode;
    if ((opcode & 0xf0) == SLDCS) {
        static const uint8_t guard_code[9] = { 7, 0, 6, 5, 4, 3, 2, 1, 0 }; /* by bits in guard_bits */
        unsigned log = tpi->guard_bits ? 32 - __builtin_clz(tpi->guard_bits) : 0;
        uint8_t number = opcode & 15;
        answer(tiny, number == TPISR ? tpi->status : number == TPIPCR ? guard_code[log] : number == TPIIR ? IDENTIFICATION : 0);
    } else if ((opcode & 0xfb) == SLD) {
        answer(tiny, enabled ? load(tiny, tpi->pointer, time_ps) : 0);
        tpi->pointer += !!(opcode & INCREMENT);
    } else if ((opcode & 0x90) == SIN) {
        answer(tiny, enabled ? load(tiny, io_address(opcode), time_ps) : 0);
    } else if (opcode == SKEY) {
        tpi->next = EXPECT_KEY;
        tpi->key = 0;
    } else if ((opcode & 0xfe) == SSTPR || (opcode & 0xfb) == SST || (opcode & 0xf0) == SSTCS || (opcode & 0x90) == SOUT) {
        tpi->next = EXPECT_DATA;
    } else {
        fail(tiny);
    }
}

static void byte_received(struct tiny *tiny, uint8_t byte, uint64_t time_ps)
{
    struct tiny_tpi *tpi = &tiny->tpi;
    tpi->phase = IDLE;
    if (tpi->next == EXPECT_OPCODE) {
        instruction(tiny, byte, time_ps);
    } else if (tpi->next == EXPECT_DATA) {
        execute(tiny, byte, time_ps);
    } else { /* the key: bit 7 of `key` remembers a wrong byte */
        tpi->key |= byte != key[tpi->key & 7] ? 0x80 : 0;
        if ((tpi->key & 7) == 7) {
            tpi->next = EXPECT_OPCODE;
            if (!(tpi->key & 0x80))
                tpi->status |= NVMEN;
        } else {
            tpi->key++;
        }
    }
}

/* --- physical layer --- */

static void drive(struct tiny *tiny, uint64_t time_ps, enum tiny_drive how)
{
    struct tiny_pins pins = { .out = how >= TINY_LOW, .level = how == TINY_HIGH, .pull = how == TINY_PULLED_UP };
    if (pins.out != tiny->pins.out || pins.level != tiny->pins.level || pins.pull != tiny->pins.pull)
        ports_release(tiny, time_ps, pins);
}

static void rising(struct tiny *tiny, bool level, uint64_t time_ps)
{
    struct tiny_tpi *tpi = &tiny->tpi;
    tpi->ones = level ? tpi->ones + (tpi->ones < 255) : 0;
    tpi->zeros = level ? 0 : tpi->zeros + (tpi->zeros < 255);
    if (tpi->zeros == BREAK_BITS && tpi->phase != DISABLED && tpi->phase != SENDING) {
        tpi->errors += tpi->phase == RECEIVING && tpi->next != EXPECT_OPCODE; /* an instruction was cut short */
        tpi->phase = IDLE;
        tpi->next = EXPECT_OPCODE;
        return;
    }
    switch ((enum phase)tpi->phase) {
    case DISABLED:
        if (tpi->ones == ENABLE_CLOCKS)
            tpi->phase = IDLE;
        break;
    case IDLE:
        if (tpi->zeros == 1) { /* start bit; what is left of a BREAK is none */
            tpi->phase = RECEIVING;
            tpi->frame = 0;
            tpi->bit = 1;
        }
        break;
    case RECEIVING:
        tpi->frame |= level << tpi->bit;
        if (++tpi->bit == FRAME_BITS) {
            bool odd = __builtin_parity(tpi->frame >> 1 & 0x1ff); /* eight data bits and parity */
            if (odd || (tpi->frame >> 10 & 3) != 3)
                fail(tiny);
            else
                byte_received(tiny, tpi->frame >> 1 & 0xff, time_ps);
        }
        break;
    case GUARD:
        if (!level)
            fail(tiny); /* a frame where none may be */
        else if (tpi->guard)
            tpi->guard--;
        break;
    case SENDING:
        if (!tiny->pins.out && !level)
            fail(tiny); /* collision: the line should be held high by the pull-up */
        break;
    case ERROR: break;
    }
}

static void falling(struct tiny *tiny, uint64_t time_ps)
{
    struct tiny_tpi *tpi = &tiny->tpi;
    if (tpi->phase == GUARD && !tpi->guard) {
        unsigned parity = __builtin_parity(tpi->answer);
        tpi->frame = tpi->answer << 1 | parity << 9 | 3 << 10;
        tpi->bit = 0;
        tpi->phase = SENDING;
    }
    if (tpi->phase != SENDING || tpi->bit == FRAME_BITS) {
        if (tpi->phase == SENDING)
            tpi->phase = IDLE;
        drive(tiny, time_ps, TINY_RELEASED);
        return;
    }
    bool one = tpi->frame >> tpi->bit & 1, driven = !(tpi->bit && tpi->frame >> (tpi->bit - 1) & 1);
    /* A one is driven for one clock, then left to the pull-up, section 14.3.8. */
    drive(tiny, time_ps, !one ? TINY_LOW : driven ? TINY_HIGH : TINY_PULLED_UP);
    tpi->bit++;
}

/* Nothing can happen while the line stays high: all edges of the clock so far can be passed at once. */
static bool quiet(const struct tiny *tiny, uint64_t until_ps)
{
    const struct tiny_tpi *tpi = &tiny->tpi;
    return (tpi->phase == IDLE || tpi->phase == ERROR) && tpi->ones >= ENABLE_CLOCKS && !tiny->pins.out && !tiny->pins.pull &&
           wire_level(&tiny->lane, tiny->lane_seen) && wire_next(&tiny->lane, tiny->lane_seen) > until_ps;
}

void tpi_run(struct tiny *tiny, uint64_t until_ps)
{
    if (quiet(tiny, until_ps)) {
        while (wire_next(tiny->clock, tiny->clock_seen) <= until_ps)
            tiny->clock_seen++;
        return;
    }
    uint64_t edge;
    while ((edge = wire_next(tiny->clock, tiny->clock_seen)) <= until_ps) {
        tiny->clock_seen++;
        tiny->lane_seen = wire_seen(&tiny->lane, tiny->lane_seen, edge);
        if (!wire_level(tiny->clock, tiny->clock_seen))
            falling(tiny, edge);
        else
            rising(tiny, wire_level(&tiny->lane, tiny->lane_seen) && tiny_pin(tiny, 0, edge) != TINY_LOW, edge);
    }
}
