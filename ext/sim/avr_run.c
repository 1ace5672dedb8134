/* The AVR core at work: executes decoded instructions, exact to the cycle, as the AVR Instruction Set Manual
 * (DS40002198) has them. Flags live in locals while running: `z` is zero when Z is set; `n`, `v`, `s` have their flag in
 * bit 7, `h` in bit 4, `c` in bit 0; I and T stay in avr->sreg. */
#include "avr_ops.h"

enum { C = 1, Z = 2, N = 4, V = 8, S = 16, H = 32, T = 64, I = 128 };

#define unlikely(x) __builtin_expect(!!(x), 0)

/* Whole turns of a waiting loop, of `turn` cycles each, that can pass without effect before `stop`. The chip says when
 * a read of `address`, just done at avr->cycle, could give another value; RAM changes by interrupts only. */
static inline uint64_t idle_turns(struct avr *avr, const struct avr_op *op, unsigned turn, uint64_t cycle, uint64_t stop)
{
    if (stop < cycle + turn)
        return 0;
    uint64_t steady = UINT64_MAX;
    if (op->k == avr->known_address && avr->cycle < avr->known_until)
        steady = avr->known_until;
    else if (op->k < avr->chip->io_end)
        steady = avr->chip->steady(avr, op->k);
    if (steady >= stop)
        return (stop - cycle) / turn;
    uint64_t turns = steady > avr->cycle ? (steady - avr->cycle - 1) / turn + 1 : 0;
    return cycle + turns * turn > stop ? turns - 1 : turns;
}

#define RAM(address) ((unsigned)((address) - chip->ram_start) < chip->ram_size)
#define PAIR(p) (uint16_t)(r[p] | r[(p) + 1] << 8)
#define SET_PAIR(p, value) (r[p] = (value) & 0xff, r[(p) + 1] = (value) >> 8 & 0xff)

/* --- flags --- */
#define SREG_PACK() \
    (avr->sreg = (avr->sreg & (I | T)) | (h << 1 & H) | (s >> 3 & S) | (v >> 4 & V) | (n >> 5 & N) | (z ? 0 : Z) | (c & C))
#define SREG_UNPACK() \
    (h = avr->sreg >> 1, s = avr->sreg << 3, v = avr->sreg << 4, n = avr->sreg << 5, z = ~avr->sreg & Z, c = avr->sreg & C)
#define NZS(result) (n = (result), z = (result) & 0xff, s = n ^ v)
#define LOGIC(result) (v = 0, NZS(result))
#define ADDED(a, b, result) (h = (a) ^ (b) ^ (result), v = ((a) ^ (result)) & ((b) ^ (result)), c = (result) >> 8 & 1)
#define SUBTRACTED(a, b, result) (h = (a) ^ (b) ^ (result), v = ((a) ^ (b)) & ((a) ^ (result)), c = (result) >> 8 & 1)
/* CPC, SBC, SBCI: Z stays clear once a lower byte was not zero. */
#define NZS_CARRIED(result) (n = (result), z |= (result) & 0xff, s = n ^ v)

/* --- going on --- */
#define DISPATCH() do { if (unlikely(cycle >= stop)) goto pause; goto *labels[op->kind]; } while (0)
#define NEXT(cycles_) do { cycle += (cycles_); op++; DISPATCH(); } while (0)
#define GO(target, cycles_) do { cycle += (cycles_); op = avr->code + (target); DISPATCH(); } while (0)
#define BRANCH(condition) do { if (condition) GO(op->k, 2); NEXT(1); } while (0)
#define SKIP(condition) do { unsigned w = (condition) ? op->skip : 0; cycle += 1 + w; op += 1 + w; DISPATCH(); } while (0)

/* A hook sees the cycle in which its access happens, the instruction's last; afterwards it may have set irq or stop. */
#define ENTER(last) (avr->cycle = cycle + (last), avr->pc = op - avr->code)
#define LEAVE() (stop = unlikely(avr->irq) && avr->sreg & I ? 0 : avr->stop)

/* I/O as IN, OUT and the bit instructions address it. */
#define LOAD_IO(into, address, last) do { \
        uint16_t io_ = (address); \
        if (io_ == avr->known_address && cycle + (last) < avr->known_until) { \
            into = avr->known_value; \
            avr->cycle = cycle + (last); \
        } else if ((unsigned)(io_ - io_first) < 0x3d) { \
            ENTER(last); into = chip->read(avr, io_); LEAVE(); \
        } else { \
            LOAD_OTHER(into, io_, last); \
        } } while (0)
#define STORE_IO(address, value, last) do { \
        uint16_t io_ = (address); \
        if ((unsigned)(io_ - io_first) < 0x3d) { \
            ENTER(last); chip->write(avr, io_, value); LEAVE(); \
        } else { \
            STORE_OTHER(io_, value, last); \
        } } while (0)
/* Any data address. */
#define LOAD(into, address, last) do { \
        uint16_t a_ = (address); \
        if (RAM(a_)) into = avr->ram[a_ - chip->ram_start]; \
        else LOAD_OTHER(into, a_, last); \
    } while (0)
#define STORE(address, value, last) do { \
        uint16_t a_ = (address); \
        if (RAM(a_)) avr->ram[a_ - chip->ram_start] = (value); \
        else STORE_OTHER(a_, value, last); \
    } while (0)
#define LOAD_OTHER(into, address, last) do { \
        if (avr_flash_mapped(avr, address)) cycle++; \
        if ((address) == sreg_address) SREG_PACK(); \
        ENTER(last); into = avr_read_other(avr, address); LEAVE(); \
    } while (0)
#define STORE_OTHER(address, value, last) do { \
        ENTER(last); avr_write_other(avr, address, value); LEAVE(); \
        if ((address) == sreg_address) SREG_UNPACK(); \
    } while (0)
#define PUSH_BYTE(value, last) do { STORE(avr->sp, value, last); avr->sp--; } while (0)
#define PUSH_PC(address) do { unsigned p_ = (address); PUSH_BYTE(p_ & 0xff, 1); PUSH_BYTE(p_ >> 8, 2); } while (0)

void avr_run(struct avr *avr, uint64_t until)
{
    static const void *const labels[] = {
#define X(name) &&do_##name,
        AVR_OPS(X)
#undef X
    };
    const struct avr_chip *const chip = avr->chip;
    const struct avr_op *op = avr->code + avr->pc;
    const unsigned pc_mask = chip->flash_words - 1u, io_first = chip->profile == AVR_RC ? 0 : 0x20, sreg_address = io_first + 0x3f;
    uint8_t *const r = avr->r;
    uint64_t cycle = avr->cycle, stop = 0;
    unsigned c, z, n, v, s, h;

    avr->stop = until;
    SREG_UNPACK();

pause: /* cycle >= stop, or something asked for a look at interrupts */
    while (cycle < avr->stop) {
        stop = avr->stop;
        if (avr->irq && (avr->sreg & I)) {
            if (cycle == avr->shadow) { /* right after SEI or RETI one more instruction goes first */
                stop = cycle + 1;
            } else {
                ENTER(0);
                int vector = chip->vector(avr);
                if (vector < 0) {
                    avr->irq = false;
                } else {
                    unsigned back = avr->pc;
                    cycle += avr->asleep ? 8 : 4; /* waking takes four more */
                    avr->asleep = false;
                    chip->taken(avr, vector);
                    PUSH_PC(back);
                    avr->sreg &= ~I;
                    op = avr->code + vector * chip->vectors_words;
                    continue;
                }
            }
        }
        if (avr->asleep) {
            cycle = avr->stop;
            break;
        }
        goto *labels[op->kind];
    }
    avr->cycle = cycle;
    avr->pc = (op - avr->code) & pc_mask;
    SREG_PACK();
    return;

do_WRAP: /* behind the last word of flash comes the first */
    op -= chip->flash_words;
    goto *labels[op->kind];
do_ILLEGAL:
    avr->illegal++;
    avr->illegal_pc = op - avr->code;
    NEXT(1);
do_NOP:
    NEXT(1);

    /* --- arithmetic and logic --- */
#define BINARY(name, b_, expression, flags) do_##name: { unsigned a = r[op->d], b = (b_), x = (expression); flags; NEXT(1); }
    BINARY(ADD, r[op->r], a + b, ADDED(a, b, x); NZS(x); r[op->d] = x)
    BINARY(ADC, r[op->r], a + b + c, ADDED(a, b, x); NZS(x); r[op->d] = x)
    BINARY(SUB, r[op->r], a - b, SUBTRACTED(a, b, x); NZS(x); r[op->d] = x)
    BINARY(SBC, r[op->r], a - b - c, SUBTRACTED(a, b, x); NZS_CARRIED(x); r[op->d] = x)
    BINARY(CP, r[op->r], a - b, SUBTRACTED(a, b, x); NZS(x))
    BINARY(CPC, r[op->r], a - b - c, SUBTRACTED(a, b, x); NZS_CARRIED(x))
    BINARY(AND, r[op->r], a & b, LOGIC(x); r[op->d] = x)
    BINARY(OR, r[op->r], a | b, LOGIC(x); r[op->d] = x)
    BINARY(EOR, r[op->r], a ^ b, LOGIC(x); r[op->d] = x)
    BINARY(SUBI, op->r, a - b, SUBTRACTED(a, b, x); NZS(x); r[op->d] = x)
    BINARY(SBCI, op->r, a - b - c, SUBTRACTED(a, b, x); NZS_CARRIED(x); r[op->d] = x)
    BINARY(CPI, op->r, a - b, SUBTRACTED(a, b, x); NZS(x))
    BINARY(ANDI, op->r, a & b, LOGIC(x); r[op->d] = x)
    BINARY(ORI, op->r, a | b, LOGIC(x); r[op->d] = x)
#define UNARY(name, expression, flags) do_##name: { unsigned a = r[op->d], x = (expression); flags; r[op->d] = x; NEXT(1); }
    UNARY(COM, a ^ 0xff, LOGIC(x); c = 1)
    UNARY(NEG, 0 - a, SUBTRACTED(0, a, x); NZS(x))
    UNARY(INC, a + 1, v = a == 0x7f ? 0x80 : 0; NZS(x))
    UNARY(DEC, a - 1, v = a == 0x80 ? 0x80 : 0; NZS(x))
    UNARY(LSR, a >> 1, c = a & 1; v = c << 7; NZS(x))
    UNARY(ASR, a >> 1 | (a & 0x80), c = a & 1; v = c << 7 ^ x; NZS(x))
    UNARY(ROR, a >> 1 | c << 7, c = a & 1; v = c << 7 ^ x; NZS(x))
    UNARY(SWAP, a >> 4 | a << 4, )
do_MOV:
    r[op->d] = r[op->r];
    NEXT(1);
do_LDI:
    r[op->d] = op->r;
    NEXT(1);
do_MOVW:
    SET_PAIR(op->d, PAIR(op->r));
    NEXT(1);
#define WORD(name, expression, overflow) do_##name: { \
        unsigned a = PAIR(op->d), x = (expression); \
        v = (overflow) >> 8; c = x >> 16 & 1; n = x >> 8; z = x & 0xffff; s = n ^ v; \
        SET_PAIR(op->d, x); \
        NEXT(2); }
    WORD(ADIW, a + op->r, ~a & x)
    WORD(SBIW, a - op->r, a & ~x)
#define PRODUCT(name, expression, shift) do_##name: { \
        unsigned x = (unsigned)(expression) & 0xffff; \
        c = x >> 15; x <<= (shift); z = x & 0xffff; \
        SET_PAIR(0, x); \
        NEXT(2); }
    PRODUCT(MUL, r[op->d] * r[op->r], 0)
    PRODUCT(MULS, (int8_t)r[op->d] * (int8_t)r[op->r], 0)
    PRODUCT(MULSU, (int8_t)r[op->d] * r[op->r], 0)
    PRODUCT(FMUL, r[op->d] * r[op->r], 1)
    PRODUCT(FMULS, (int8_t)r[op->d] * (int8_t)r[op->r], 1)
    PRODUCT(FMULSU, (int8_t)r[op->d] * r[op->r], 1)

    /* --- flags and bits --- */
do_SEC:
    c = 1;
    NEXT(1);
do_CLC:
    c = 0;
    NEXT(1);
do_BSET:
    SREG_PACK();
    if (op->r == I && !(avr->sreg & I)) {
        avr->shadow = cycle + 1;
        stop = 0;
    }
    avr->sreg |= op->r;
    SREG_UNPACK();
    NEXT(1);
do_BCLR:
    SREG_PACK();
    avr->sreg &= ~op->r;
    SREG_UNPACK();
    NEXT(1);
do_BST:
    avr->sreg = r[op->d] & op->r ? avr->sreg | T : avr->sreg & ~T;
    NEXT(1);
do_BLD:
    r[op->d] = avr->sreg & T ? r[op->d] | op->r : r[op->d] & ~op->r;
    NEXT(1);

    /* --- branches, skips, jumps, calls --- */
do_BRCS: BRANCH(c);
do_BRCC: BRANCH(!c);
do_BREQ: BRANCH(!z);
do_BRNE: BRANCH(z);
do_BRMI: BRANCH(n & 0x80);
do_BRPL: BRANCH(!(n & 0x80));
do_BRVS: BRANCH(v & 0x80);
do_BRVC: BRANCH(!(v & 0x80));
do_BRLT: BRANCH(s & 0x80);
do_BRGE: BRANCH(!(s & 0x80));
do_BRHS: BRANCH(h & 0x10);
do_BRHC: BRANCH(!(h & 0x10));
do_BRTS: BRANCH(avr->sreg & T);
do_BRTC: BRANCH(!(avr->sreg & T));
do_BRIE: BRANCH(avr->sreg & I);
do_BRID: BRANCH(!(avr->sreg & I));
do_CPSE: SKIP(r[op->d] == r[op->r]);
do_SBRC: SKIP(!(r[op->d] & op->r));
do_SBRS: SKIP(r[op->d] & op->r);
do_RJMP:
    GO(op->k, op->cycles);
do_IJMP:
    GO(PAIR(30) & pc_mask, 2);
do_RCALL: {
    const struct avr_op *at = op;
    PUSH_PC((at - avr->code + at->words) & pc_mask);
    GO(at->k, at->cycles);
}
do_ICALL:
    PUSH_PC((op - avr->code + 1) & pc_mask);
    GO(PAIR(30) & pc_mask, 3);
do_RET:
do_RETI: {
    unsigned high, low, cycles = op->cycles, kind = op->kind;
    LOAD(high, (uint16_t)(avr->sp + 1), 1);
    LOAD(low, (uint16_t)(avr->sp + 2), 2);
    avr->sp += 2;
    if (kind == OP_RETI) {
        avr->sreg |= I;
        avr->shadow = cycle + cycles;
        stop = 0;
    }
    GO((high << 8 | low) & pc_mask, cycles);
}

    /* --- data --- */
do_IN: {
    unsigned x;
    LOAD_IO(x, op->k, 0);
    r[op->d] = x;
    NEXT(1);
}
do_OUT:
    STORE_IO(op->k, r[op->d], 0);
    NEXT(1);
do_LDS: {
    unsigned x;
    LOAD(x, op->k, op->cycles - 1);
    r[op->d] = x;
    cycle += op->cycles;
    op += op->words;
    DISPATCH();
}
do_STS:
    STORE(op->k, r[op->d], op->cycles - 1);
    cycle += op->cycles;
    op += op->words;
    DISPATCH();
do_SBIC: {
    unsigned x;
    LOAD_IO(x, op->k, 0);
    SKIP(!(x & op->r));
}
do_SBIS: {
    unsigned x;
    LOAD_IO(x, op->k, 0);
    SKIP(x & op->r);
}
do_CBI: {
    unsigned x;
    LOAD_IO(x, op->k, 0);
    STORE_IO(op->k, x & ~op->r, op->cycles - 1);
    NEXT(op->cycles);
}
do_SBI: {
    unsigned x;
    LOAD_IO(x, op->k, 0);
    STORE_IO(op->k, x | op->r, op->cycles - 1);
    NEXT(op->cycles);
}
#define POINTED(name, before, after, displacement, access) do_##name: { \
        unsigned x; \
        uint16_t p = PAIR(op->r); \
        p += (before); \
        access(p + (displacement)); \
        p += (after); \
        if ((before) || (after)) SET_PAIR(op->r, p); \
        NEXT(op->cycles); }
#define POINTED_LOAD(address) LOAD(x, address, op->cycles - 1); r[op->d] = x
#define POINTED_STORE(address) x = r[op->d]; STORE(address, x, op->cycles - 1)
    POINTED(LD, 0, 0, 0, POINTED_LOAD)
    POINTED(LD_INC, 0, 1, 0, POINTED_LOAD)
    POINTED(LD_DEC, -1, 0, 0, POINTED_LOAD)
    POINTED(LDD, 0, 0, op->k, POINTED_LOAD)
    POINTED(ST, 0, 0, 0, POINTED_STORE)
    POINTED(ST_INC, 0, 1, 0, POINTED_STORE)
    POINTED(ST_DEC, -1, 0, 0, POINTED_STORE)
    POINTED(STD, 0, 0, op->k, POINTED_STORE)
do_PUSH:
    PUSH_BYTE(r[op->d], op->cycles - 1);
    NEXT(op->cycles);
do_POP: {
    unsigned x;
    avr->sp++;
    LOAD(x, avr->sp, op->cycles - 1);
    r[op->d] = x;
    NEXT(op->cycles);
}
do_LPM:
    r[op->d] = avr_flash_byte(avr, PAIR(30));
    NEXT(3);
do_LPM_INC: {
    uint16_t p = PAIR(30);
    r[op->d] = avr_flash_byte(avr, p++);
    SET_PAIR(30, p);
    NEXT(3);
}

    /* --- the chip's --- */
#define SPECIAL(name) do_##name: ENTER(0); if (chip->special) chip->special(avr, AVR_##name); LEAVE(); \
    if (avr->asleep) stop = 0; \
    NEXT(1);
    SPECIAL(SPM)
    SPECIAL(SLEEP)
    SPECIAL(WDR)
    SPECIAL(BREAK)

    /* --- waiting loops: pass whole turns at once, then go on as if nothing had happened --- */
#define POLL_BIT(name, waits) do_POLL_##name: { \
        unsigned x; \
        uint64_t turns; \
        LOAD_IO(x, op->k, 0); \
        if ((waits) && (turns = idle_turns(avr, op, 3, cycle, stop)) > 0) { cycle += 3 * turns; DISPATCH(); } \
        SKIP(!(waits)); }
    POLL_BIT(SBIC, x & op->r)
    POLL_BIT(SBIS, !(x & op->r))
#define POLL_REGISTER(name, load, cycles_) do_POLL_##name: { \
        const struct avr_op *test = op + op->words; \
        unsigned x; \
        uint64_t turns; \
        load(x, op->k, (cycles_) - 1); \
        r[op->d] = x; \
        bool waits = test->kind == OP_SBRC ? x & test->r : !(x & test->r); \
        if (waits && (turns = idle_turns(avr, op, (cycles_) + 3, cycle, stop)) > 0) { \
            cycle += ((cycles_) + 3) * turns; \
            DISPATCH(); \
        } \
        cycle += (cycles_); \
        op = test; \
        DISPATCH(); }
    POLL_REGISTER(IN, LOAD_IO, 1)
    POLL_REGISTER(LDS, LOAD, 2)
do_SPIN:
    cycle += stop > cycle + 2 ? (stop - cycle + 1) / 2 * 2 : 2;
    DISPATCH();
do_DELAY: {
    unsigned turns = (uint8_t)(r[op->d] - 1);
    uint64_t room = stop > cycle ? (stop - cycle) / 3 : 0;
    if (turns > room)
        turns = room;
    if (turns) {
        unsigned x = r[op->d] = r[op->d] - turns;
        v = x == 0x7f ? 0x80 : 0;
        NZS(x);
        cycle += 3 * turns;
        DISPATCH();
    }
    goto do_DEC;
}
do_DELAYW: {
    unsigned a = PAIR(op->d), turns = (uint16_t)(a - 1);
    uint64_t room = stop > cycle ? (stop - cycle) / 4 : 0;
    if (turns > room)
        turns = room;
    if (turns) {
        unsigned x = a - turns, last = (x + 1) & 0xffff; /* what the last SBIW saw */
        x &= 0xffff;
        SET_PAIR(op->d, x);
        v = (last & ~x) >> 8;
        c = last == 0;
        n = x >> 8;
        z = x;
        s = n ^ v;
        cycle += 4 * turns;
        DISPATCH();
    }
    goto do_SBIW;
}
}
