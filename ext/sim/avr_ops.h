/* Between the avr*.c only: what one decoded instruction looks like, and memory that is not RAM.
 *
 * Names are those of the AVR Instruction Set Manual (DS40002198); aliases (LSL, TST, BRCS ...) are folded as it says.
 */
#ifndef TINYMUX_SIM_AVR_OPS_H
#define TINYMUX_SIM_AVR_OPS_H
#include "avr.h"

#define AVR_OPS(X) \
    X(NOP) X(ILLEGAL) X(WRAP) \
    X(ADD) X(ADC) X(SUB) X(SBC) X(AND) X(OR) X(EOR) X(CP) X(CPC) X(MOV) \
    X(CPI) X(SUBI) X(SBCI) X(ORI) X(ANDI) X(LDI) \
    X(COM) X(NEG) X(SWAP) X(INC) X(DEC) X(ASR) X(LSR) X(ROR) \
    X(ADIW) X(SBIW) X(MOVW) X(MUL) X(MULS) X(MULSU) X(FMUL) X(FMULS) X(FMULSU) \
    X(SEC) X(CLC) X(BSET) X(BCLR) X(BST) X(BLD) \
    X(BRCS) X(BREQ) X(BRMI) X(BRVS) X(BRLT) X(BRHS) X(BRTS) X(BRIE) \
    X(BRCC) X(BRNE) X(BRPL) X(BRVC) X(BRGE) X(BRHC) X(BRTC) X(BRID) \
    X(CPSE) X(SBRC) X(SBRS) X(SBIC) X(SBIS) X(CBI) X(SBI) X(IN) X(OUT) \
    X(LDS) X(LD) X(LD_INC) X(LD_DEC) X(LDD) X(STS) X(ST) X(ST_INC) X(ST_DEC) X(STD) X(PUSH) X(POP) X(LPM) X(LPM_INC) \
    X(RJMP) X(RCALL) X(IJMP) X(ICALL) X(RET) X(RETI) \
    X(SPM) X(SLEEP) X(WDR) X(BREAK) \
    /* first instruction of a waiting loop that can be jumped over (avr_decode.c, mark_loop) */ \
    X(POLL_SBIC) X(POLL_SBIS) X(POLL_IN) X(POLL_LDS) X(SPIN) X(DELAY) X(DELAYW)

enum avr_kind {
#define X(name) OP_##name,
    AVR_OPS(X)
#undef X
};

struct avr_op {
    uint8_t kind;   /* enum avr_kind */
    uint8_t d;      /* destination register */
    uint8_t r;      /* source register, pointer register, 8-bit constant, or mask of one bit */
    uint8_t cycles; /* where the profiles differ */
    uint16_t k;     /* data address, displacement, jump target (words), return address of a call */
    uint8_t skip;   /* words of the next instruction: what CPSE, SBRC, SBRS, SBIC, SBIS skip */
    uint8_t words;  /* of this instruction */
};

/* An instruction may end this far behind the end of flash (two words, and two skipped); OP_WRAP stands there. */
enum { AVR_GUARD_OPS = 4 };

/* Registers, I/O, mapped flash, and holes. avr->cycle, pc and sreg are up to date. */
uint8_t avr_read_other(struct avr *, uint16_t address);
void avr_write_other(struct avr *, uint16_t address, uint8_t value);

static inline bool avr_flash_mapped(const struct avr *avr, uint16_t address)
{
    return avr->chip->profile == AVR_RC && (unsigned)(address - 0x4000) < avr->chip->flash_words * 2u;
}

static inline uint8_t avr_flash_byte(const struct avr *avr, uint16_t address)
{
    uint16_t word = avr->flash[address >> 1 & (avr->chip->flash_words - 1)];
    return address & 1 ? word >> 8 : word & 0xff;
}

#endif
