/* What is done before each instruction of a tiny that is debugged or profiled: see tiny_debug.h. */
#include "tiny_debug.h"
#include "avr_ops.h"
#include "tiny_parts.h"

enum { SREG_I = 0x80 };

/* --- what an instruction will do to data memory --- */

static void touches(struct tiny_debug *d, uint16_t address, uint8_t length, uint8_t kinds)
{
    d->address = address;
    d->length = length;
    d->kinds = kinds;
}

static uint16_t pointer(const struct avr *avr, const struct avr_op *op)
{
    return avr->r[op->r] | avr->r[op->r + 1] << 8;
}

static void access_of(struct tiny_debug *d, const struct avr *avr, const struct avr_op *op)
{
    switch (op->kind) {
    case OP_IN: case OP_SBIC: case OP_SBIS: case OP_LDS:
    case OP_POLL_IN: case OP_POLL_SBIC: case OP_POLL_SBIS: case OP_POLL_LDS: touches(d, op->k, 1, DEBUG_READ); break;
    case OP_OUT: case OP_STS: touches(d, op->k, 1, DEBUG_WRITE); break;
    case OP_SBI: case OP_CBI: touches(d, op->k, 1, DEBUG_READ | DEBUG_WRITE); break;
    case OP_LD: case OP_LD_INC: touches(d, pointer(avr, op), 1, DEBUG_READ); break;
    case OP_LD_DEC: touches(d, pointer(avr, op) - 1, 1, DEBUG_READ); break;
    case OP_ST: case OP_ST_INC: touches(d, pointer(avr, op), 1, DEBUG_WRITE); break;
    case OP_ST_DEC: touches(d, pointer(avr, op) - 1, 1, DEBUG_WRITE); break;
    case OP_PUSH: touches(d, avr->sp, 1, DEBUG_WRITE); break;
    case OP_POP: touches(d, avr->sp + 1, 1, DEBUG_READ); break;
    case OP_RCALL: case OP_ICALL: touches(d, avr->sp - 1, 2, DEBUG_WRITE); break;
    case OP_RET: case OP_RETI: touches(d, avr->sp + 1, 2, DEBUG_READ); break;
    default: touches(d, 0, 0, 0);
    }
}

/* --- halting --- */

static void halt(struct tiny_debug *d, enum debug_why why, uint16_t address, unsigned access)
{
    d->step = false;
    if (d->halt)
        d->halt(d->context, why, address, access);
}

/* The instruction before has done what a debugger waits for, or the next one is where it does. */
static void halt_here(struct tiny_debug *d, const struct avr *avr, bool done)
{
    for (unsigned i = 0; done && i < d->length; i++) {
        uint16_t address = d->address + i;
        if (address < DEBUG_DATA && d->halt_on[address] & d->kinds) {
            halt(d, DEBUG_ACCESS, address, d->halt_on[address] & d->kinds);
            return;
        }
    }
    if (d->halt_at[avr->pc])
        halt(d, DEBUG_BREAKPOINT, avr->pc * 2, 0);
    else if (d->step)
        halt(d, DEBUG_STEPPED, avr->pc * 2, 0);
}

/* --- before each instruction, and before each interrupt --- */

/* Count the instruction before. False: there was none, or a reset came between. */
static bool settle(const struct tiny *tiny, struct tiny_debug *d)
{
    if (!d->pending || d->start_ps != tiny->start_ps)
        return false;
    uint64_t cycles = tiny->avr.cycle - d->cycle;
    if (d->kind == OP_SLEEP)
        profile_slept(&d->profile, d->pc, cycles);
    else
        profile_count(&d->profile, d->pc, cycles);
    d->cycle = tiny->avr.cycle;
    return true;
}

static bool interrupted(struct avr *avr)
{
    return avr->irq && avr->sreg & SREG_I && avr->cycle != avr->shadow && avr->chip->vector(avr) >= 0;
}

static void before(struct tiny *tiny)
{
    struct tiny_debug *d = tiny->watcher;
    struct avr *avr = &tiny->avr;
    bool done = settle(tiny, d);
    if (!done)
        profile_restart(&d->profile);
    halt_here(d, avr, done);
    d->pending = true;
    d->pc = avr->pc;
    d->cycle = avr->cycle;
    d->start_ps = tiny->start_ps;
    d->kind = avr->code[avr->pc].kind;
    if (interrupted(avr)) /* entering it counts where it interrupts */
        touches(d, avr->sp - 1, 2, DEBUG_WRITE);
    else
        access_of(d, avr, &avr->code[avr->pc]);
    if (d->kinds == DEBUG_READ && d->address == PINB) /* SBI toggles, and does not look */
        profile_look(&d->profile, avr->pc);
}

void debug_attach(struct tiny *tiny, struct tiny_debug *d)
{
    tiny->watch = d ? before : NULL;
    tiny->watcher = d;
    if (d)
        d->pending = false;
}

void debug_settle(struct tiny *tiny)
{
    struct tiny_debug *d = tiny->watcher;
    settle(tiny, d);
    profile_settle(&d->profile);
}

/* --- to look and to change --- */

uint8_t debug_peek(struct tiny *tiny, uint16_t address)
{
    if (address >= TINY_IO && address < DEBUG_DATA)
        return tiny->avr.ram[address - TINY_IO];
    uint8_t temp = tiny->timer.temp; /* moves when a counter's low byte is read */
    uint8_t value = avr_read_other(&tiny->avr, address);
    tiny->timer.temp = temp;
    return value;
}

void debug_poke(struct tiny *tiny, uint16_t address, uint8_t value)
{
    if (address >= TINY_IO && address < DEBUG_DATA)
        tiny->avr.ram[address - TINY_IO] = value;
    else
        avr_write_other(&tiny->avr, address, value);
}

void debug_program(struct tiny *tiny, uint16_t address, uint8_t value)
{
    unsigned at = address / 2 % PROFILE_WORDS, shift = address % 2 * 8;
    tiny->avr.flash[at] = (tiny->avr.flash[at] & ~(0xff << shift)) | value << shift;
    avr_decode(&tiny->avr, at, 1);
}
