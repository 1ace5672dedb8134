/* Flash words to struct avr_op, for both profiles; encodings and cycles from the AVR Instruction Set Manual
 * (DS40002198, section 6, rows AVRe and AVRrc). */
#include "avr_ops.h"

/* One row per encoding: word & mask == match. Operand fields are told by `form`. */
enum form {
    NONE,    /* no operands */
    RD_RR,   /* ....  ..rd dddd rrrr */
    RD,      /* ....  ...d dddd .... */
    RD_K,    /* ....  KKKK dddd KKKK, r16-r31 */
    RD_BIT,  /* ....  ...d dddd .bbb */
    FLAG,    /* ....  .... .sss .... */
    BRANCH,  /* ....  ..kk kkkk ksss */
    JUMP,    /* ....  kkkk kkkk kkkk, relative */
    FAR,     /* two words, absolute */
    IO_BIT,  /* ....  .... AAAA Abbb */
    IO,      /* ....  .AAd dddd AAAA */
    INDIRECT,/* ....  ...d dddd pp.., pointer in the row */
    DISPLACE,/* ..q.  qq.d dddd .qqq, Y or Z */
    DIRECT,  /* two words, data address */
    SHORT,   /* AVRrc: 16-bit LDS, STS */
    WORD_K,  /* ....  .... KKdd KKKK, r24 26 28 30 */
    PAIRS,   /* ....  .... dddd rrrr, even registers */
    HIGH,    /* ....  .... dddd rrrr, r16-r31 */
    MID,     /* ....  .... .ddd .rrr, r16-r23 */
};

struct row {
    uint16_t mask, match;
    uint8_t kind, form;
    uint8_t e, rc; /* cycles on AVRe+ and AVRrc; 0: not there. Not taken, not skipped, from RAM */
    uint8_t pointer;
};

static const struct row rows[] = {
    { 0xffff, 0x0000, OP_NOP, NONE, 1, 1, 0 },
    { 0xff00, 0x0100, OP_MOVW, PAIRS, 1, 0, 0 },
    { 0xff00, 0x0200, OP_MULS, HIGH, 2, 0, 0 },
    { 0xff88, 0x0300, OP_MULSU, MID, 2, 0, 0 },
    { 0xff88, 0x0308, OP_FMUL, MID, 2, 0, 0 },
    { 0xff88, 0x0380, OP_FMULS, MID, 2, 0, 0 },
    { 0xff88, 0x0388, OP_FMULSU, MID, 2, 0, 0 },
    { 0xfc00, 0x0400, OP_CPC, RD_RR, 1, 1, 0 },
    { 0xfc00, 0x0800, OP_SBC, RD_RR, 1, 1, 0 },
    { 0xfc00, 0x0c00, OP_ADD, RD_RR, 1, 1, 0 },
    { 0xfc00, 0x1000, OP_CPSE, RD_RR, 1, 1, 0 },
    { 0xfc00, 0x1400, OP_CP, RD_RR, 1, 1, 0 },
    { 0xfc00, 0x1800, OP_SUB, RD_RR, 1, 1, 0 },
    { 0xfc00, 0x1c00, OP_ADC, RD_RR, 1, 1, 0 },
    { 0xfc00, 0x2000, OP_AND, RD_RR, 1, 1, 0 },
    { 0xfc00, 0x2400, OP_EOR, RD_RR, 1, 1, 0 },
    { 0xfc00, 0x2800, OP_OR, RD_RR, 1, 1, 0 },
    { 0xfc00, 0x2c00, OP_MOV, RD_RR, 1, 1, 0 },
    { 0xf000, 0x3000, OP_CPI, RD_K, 1, 1, 0 },
    { 0xf000, 0x4000, OP_SBCI, RD_K, 1, 1, 0 },
    { 0xf000, 0x5000, OP_SUBI, RD_K, 1, 1, 0 },
    { 0xf000, 0x6000, OP_ORI, RD_K, 1, 1, 0 },
    { 0xf000, 0x7000, OP_ANDI, RD_K, 1, 1, 0 },
    { 0xf000, 0xe000, OP_LDI, RD_K, 1, 1, 0 },
    { 0xfe0f, 0x9400, OP_COM, RD, 1, 1, 0 },
    { 0xfe0f, 0x9401, OP_NEG, RD, 1, 1, 0 },
    { 0xfe0f, 0x9402, OP_SWAP, RD, 1, 1, 0 },
    { 0xfe0f, 0x9403, OP_INC, RD, 1, 1, 0 },
    { 0xfe0f, 0x9405, OP_ASR, RD, 1, 1, 0 },
    { 0xfe0f, 0x9406, OP_LSR, RD, 1, 1, 0 },
    { 0xfe0f, 0x9407, OP_ROR, RD, 1, 1, 0 },
    { 0xfe0f, 0x940a, OP_DEC, RD, 1, 1, 0 },
    { 0xff8f, 0x9408, OP_BSET, FLAG, 1, 1, 0 },
    { 0xff8f, 0x9488, OP_BCLR, FLAG, 1, 1, 0 },
    { 0xffff, 0x9409, OP_IJMP, NONE, 2, 2, 0 },
    { 0xffff, 0x9509, OP_ICALL, NONE, 3, 3, 0 },
    { 0xffff, 0x9508, OP_RET, NONE, 4, 6, 0 },
    { 0xffff, 0x9518, OP_RETI, NONE, 4, 6, 0 },
    { 0xffff, 0x9588, OP_SLEEP, NONE, 1, 1, 0 },
    { 0xffff, 0x9598, OP_BREAK, NONE, 1, 1, 0 },
    { 0xffff, 0x95a8, OP_WDR, NONE, 1, 1, 0 },
    { 0xffff, 0x95c8, OP_LPM, NONE, 3, 0, 0 },
    { 0xffff, 0x95e8, OP_SPM, NONE, 1, 0, 0 },
    { 0xfe0e, 0x940c, OP_RJMP, FAR, 3, 0, 0 },
    { 0xfe0e, 0x940e, OP_RCALL, FAR, 4, 0, 0 },
    { 0xff00, 0x9600, OP_ADIW, WORD_K, 2, 0, 0 },
    { 0xff00, 0x9700, OP_SBIW, WORD_K, 2, 0, 0 },
    { 0xff00, 0x9800, OP_CBI, IO_BIT, 2, 1, 0 },
    { 0xff00, 0x9900, OP_SBIC, IO_BIT, 1, 1, 0 },
    { 0xff00, 0x9a00, OP_SBI, IO_BIT, 2, 1, 0 },
    { 0xff00, 0x9b00, OP_SBIS, IO_BIT, 1, 1, 0 },
    { 0xfc00, 0x9c00, OP_MUL, RD_RR, 2, 0, 0 },
    { 0xf800, 0xb000, OP_IN, IO, 1, 1, 0 },
    { 0xf800, 0xb800, OP_OUT, IO, 1, 1, 0 },
    { 0xf000, 0xc000, OP_RJMP, JUMP, 2, 2, 0 },
    { 0xf000, 0xd000, OP_RCALL, JUMP, 3, 3, 0 },
    { 0xfc00, 0xf000, OP_BRCS, BRANCH, 1, 1, 0 },
    { 0xfc00, 0xf400, OP_BRCC, BRANCH, 1, 1, 0 },
    { 0xfe08, 0xf800, OP_BLD, RD_BIT, 1, 1, 0 },
    { 0xfe08, 0xfa00, OP_BST, RD_BIT, 1, 1, 0 },
    { 0xfe08, 0xfc00, OP_SBRC, RD_BIT, 1, 1, 0 },
    { 0xfe08, 0xfe00, OP_SBRS, RD_BIT, 1, 1, 0 },
    { 0xfe0f, 0x9000, OP_LDS, DIRECT, 2, 0, 0 },
    { 0xfe0f, 0x9200, OP_STS, DIRECT, 2, 0, 0 },
    { 0xf800, 0xa000, OP_LDS, SHORT, 0, 2, 0 },
    { 0xf800, 0xa800, OP_STS, SHORT, 0, 1, 0 },
    { 0xfe0f, 0x9004, OP_LPM, INDIRECT, 3, 0, 30 },
    { 0xfe0f, 0x9005, OP_LPM_INC, INDIRECT, 3, 0, 30 },
    { 0xfe0f, 0x900f, OP_POP, RD, 2, 3, 0 },
    { 0xfe0f, 0x920f, OP_PUSH, RD, 2, 1, 0 },
    { 0xfe0f, 0x900c, OP_LD, INDIRECT, 2, 1, 26 },
    { 0xfe0f, 0x900d, OP_LD_INC, INDIRECT, 2, 2, 26 },
    { 0xfe0f, 0x900e, OP_LD_DEC, INDIRECT, 2, 2, 26 },
    { 0xfe0f, 0x8008, OP_LD, INDIRECT, 2, 1, 28 },
    { 0xfe0f, 0x9009, OP_LD_INC, INDIRECT, 2, 2, 28 },
    { 0xfe0f, 0x900a, OP_LD_DEC, INDIRECT, 2, 2, 28 },
    { 0xfe0f, 0x8000, OP_LD, INDIRECT, 2, 1, 30 },
    { 0xfe0f, 0x9001, OP_LD_INC, INDIRECT, 2, 2, 30 },
    { 0xfe0f, 0x9002, OP_LD_DEC, INDIRECT, 2, 2, 30 },
    { 0xfe0f, 0x920c, OP_ST, INDIRECT, 2, 1, 26 },
    { 0xfe0f, 0x920d, OP_ST_INC, INDIRECT, 2, 1, 26 },
    { 0xfe0f, 0x920e, OP_ST_DEC, INDIRECT, 2, 2, 26 },
    { 0xfe0f, 0x8208, OP_ST, INDIRECT, 2, 1, 28 },
    { 0xfe0f, 0x9209, OP_ST_INC, INDIRECT, 2, 1, 28 },
    { 0xfe0f, 0x920a, OP_ST_DEC, INDIRECT, 2, 2, 28 },
    { 0xfe0f, 0x8200, OP_ST, INDIRECT, 2, 1, 30 },
    { 0xfe0f, 0x9201, OP_ST_INC, INDIRECT, 2, 1, 30 },
    { 0xfe0f, 0x9202, OP_ST_DEC, INDIRECT, 2, 2, 30 },
    { 0xd208, 0x8008, OP_LDD, DISPLACE, 2, 0, 28 },
    { 0xd208, 0x8000, OP_LDD, DISPLACE, 2, 0, 30 },
    { 0xd208, 0x8208, OP_STD, DISPLACE, 2, 0, 28 },
    { 0xd208, 0x8200, OP_STD, DISPLACE, 2, 0, 30 },
};

static const struct row *find(enum avr_profile profile, uint16_t word)
{
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++)
        if ((word & rows[i].mask) == rows[i].match && (profile == AVR_RC ? rows[i].rc : rows[i].e))
            return &rows[i];
    return 0;
}

static unsigned words(const struct row *row)
{
    return row && (row->form == FAR || row->form == DIRECT) ? 2 : 1;
}

/* The instruction at word `at`, with its operands; loops are looked for later. */
static struct avr_op decode(const struct avr *avr, unsigned at)
{
    const struct avr_chip *chip = avr->chip;
    unsigned mask = chip->flash_words - 1u, io = chip->profile == AVR_RC ? 0 : 0x20;
    uint16_t word = avr->flash[at], second = avr->flash[(at + 1) & mask];
    const struct row *row = find(chip->profile, word);
    if (!row)
        return (struct avr_op){ .kind = OP_ILLEGAL, .cycles = 1, .words = 1 };
    struct avr_op op = {
        .kind = row->kind,
        .cycles = chip->profile == AVR_RC ? row->rc : row->e,
        .words = words(row),
        .d = word >> 4 & 31,
        .r = row->pointer,
    };
    unsigned past = (at + op.words) & mask;
    bool registers = true; /* has register operands, which AVRrc has from r16 up only */

    switch ((enum form)row->form) {
    case RD_RR: op.r = (word >> 5 & 16) | (word & 15); break;
    case RD:
    case INDIRECT: break;
    case RD_BIT: op.r = 1 << (word & 7); break;
    case IO: op.k = io + ((word >> 5 & 0x30) | (word & 15)); break;
    case DIRECT: op.k = second; break;
    case DISPLACE: op.k = (word >> 8 & 0x20) | (word >> 7 & 0x18) | (word & 7); break;
    default: registers = false;
    }
    if (registers) {
        bool source = row->form == RD_RR;
        if (chip->profile == AVR_RC && (op.d < 16 || (source && op.r < 16)))
            return (struct avr_op){ .kind = OP_ILLEGAL, .cycles = 1, .words = 1 };
    }
    switch ((enum form)row->form) {
    case RD_K:
        op.d = 16 | (word >> 4 & 15);
        op.r = (word >> 4 & 0xf0) | (word & 15);
        break;
    case FLAG:
        op.r = 1 << (word >> 4 & 7);
        if (op.r == 1)
            op.kind = op.kind == OP_BSET ? OP_SEC : OP_CLC;
        break;
    case BRANCH:
        op.kind += word & 7;
        op.k = (at + 1 + (int8_t)(word >> 2 & 0xfe) / 2) & mask;
        break;
    case JUMP: {
        int offset = word & 0xfff;
        op.k = (at + 1 + (offset ^ 0x800) - 0x800) & mask;
        break;
    }
    case FAR: op.k = second & mask; break;
    case IO_BIT:
        op.k = io + (word >> 3 & 31);
        op.r = 1 << (word & 7);
        break;
    case SHORT: /* ADDR[7:0] = /INST[8], INST[8], INST[10], INST[9], INST[3:0] */
        op.d = 16 | (word >> 4 & 15);
        op.k = (~word >> 1 & 0x80) | (word >> 2 & 0x40) | (word >> 5 & 0x30) | (word & 15);
        break;
    case WORD_K:
        op.d = 24 + (word >> 3 & 6);
        op.r = (word >> 2 & 0x30) | (word & 15);
        break;
    case PAIRS:
        op.d = word >> 3 & 30;
        op.r = word << 1 & 30;
        break;
    case HIGH:
        op.d = 16 | (word >> 4 & 15);
        op.r = 16 | (word & 15);
        break;
    case MID:
        op.d = 16 | (word >> 4 & 7);
        op.r = 16 | (word & 7);
        break;
    case NONE: op.d = 0; op.r = 30; break; /* LPM: r0 from Z */
    default: break;
    }
    op.skip = words(find(chip->profile, avr->flash[past]));
    return op;
}

/* Turn the first instruction of a waiting loop into one that avr_run can jump over. What the loop does is unchanged.
 *   1: sbic|sbis A,b    1: in|lds r,A       1: dec r        1: sbiw r,1     1: rjmp 1b
 *      rjmp 1b             sbrc|sbrs r,b       brne 1b         brne 1b
 *                          rjmp 1b
 */
static void mark_loop(struct avr *avr, unsigned at)
{
    unsigned last = avr->chip->flash_words;
    struct avr_op *op = &avr->code[at], *next = op + op->words;
    bool jumps_back = at + op->words < last && next->k == at && next->words == 1;
    bool rjmp = jumps_back && next->kind == OP_RJMP, brne = jumps_back && next->kind == OP_BRNE;
    /* SPL, SPH and SREG are not the chip's: it cannot say when they change. */
    unsigned sreg = avr->chip->profile == AVR_RC ? 0x3f : 0x5f;
    bool told = avr->chip->steady && (op->k < sreg - 2 || op->k > sreg);

    if (op->kind == OP_SBIC && rjmp && told)
        op->kind = OP_POLL_SBIC;
    else if (op->kind == OP_SBIS && rjmp && told)
        op->kind = OP_POLL_SBIS;
    else if (op->kind == OP_DEC && brne)
        op->kind = OP_DELAY;
    else if (op->kind == OP_SBIW && op->r == 1 && brne)
        op->kind = OP_DELAYW;
    else if (op->kind == OP_RJMP && op->k == at && op->words == 1)
        op->kind = OP_SPIN;
    else if ((op->kind == OP_IN || op->kind == OP_LDS) && told && at + op->words + 1 < last &&
             (next->kind == OP_SBRC || next->kind == OP_SBRS) && next->d == op->d && next[1].kind == OP_RJMP &&
             next[1].k == at && next[1].words == 1)
        op->kind = op->kind == OP_IN ? OP_POLL_IN : OP_POLL_LDS;
}

static void decode_range(struct avr *avr, unsigned from, unsigned end)
{
    for (unsigned at = from; at < end; at++)
        avr->code[at] = decode(avr, at);
    for (unsigned at = from; at < end; at++)
        mark_loop(avr, at);
}

void avr_decode(struct avr *avr, unsigned first, unsigned count)
{
    unsigned size = avr->chip->flash_words, end = first + count < size ? first + count : size;
    /* A skip or a loop's head stands up to three words before what it depends on. */
    decode_range(avr, first > 3 ? first - 3 : 0, end);
    if (first < 2) /* the last words look at the first ones */
        decode_range(avr, size - 2, size);
    for (unsigned i = 0; i < AVR_GUARD_OPS; i++)
        avr->code[size + i] = (struct avr_op){ .kind = OP_WRAP, .words = 1 };
}
