/* Two cores run the same random program of waiting loops: one as it likes, jumping over them, one a cycle at a time,
 * where no jump fits. Every state at random times and every write to I/O must be the same.
 *
 *     core_skip rc|eplus SEED     prints reads of the jumping and of the stepping core; exit status 1: they differ */
#include "avr.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WORDS = 512, RAM = 32, INPUT = 0, OUTPUT = 2, WRITES = 1 << 16, CYCLES = 400000 };

struct machine {
    struct avr avr;
    uint64_t reads, writes, irq_at;
    struct { uint64_t cycle; uint8_t value; } log[WRITES];
};

static struct machine jumping, stepping;
static uint64_t edges[CYCLES / 8]; /* cycles at which the input changes */
static unsigned edge_count;
static bool eplus;

static uint64_t rng_state;
static unsigned rng(unsigned below)
{
    rng_state ^= rng_state << 13;
    rng_state ^= rng_state >> 7;
    rng_state ^= rng_state << 17;
    return (rng_state >> 33) % below;
}

static unsigned edges_until(uint64_t cycle)
{
    unsigned low = 0, high = edge_count;
    while (low < high) {
        unsigned middle = (low + high) / 2;
        if (edges[middle] <= cycle) low = middle + 1; else high = middle;
    }
    return low;
}

static uint8_t read_io(struct avr *avr, uint16_t address)
{
    ((struct machine *)avr)->reads++;
    return edges_until(avr->cycle) * 0x35 >> 1; /* several bits that change at different edges */
}

static void write_io(struct avr *avr, uint16_t address, uint8_t value)
{
    struct machine *m = (struct machine *)avr;
    m->log[m->writes % WRITES].cycle = avr->cycle;
    m->log[m->writes++ % WRITES].value = value;
}

static uint64_t steady(struct avr *avr, uint16_t address)
{
    unsigned seen = edges_until(avr->cycle);
    return seen < edge_count ? edges[seen] : UINT64_MAX;
}

static int vector(struct avr *avr)
{
    struct machine *m = (struct machine *)avr;
    return avr->cycle >= m->irq_at ? 1 : -1;
}

static void taken(struct avr *avr, int number)
{
    struct machine *m = (struct machine *)avr;
    m->irq_at += 997;
    if (avr->stop > m->irq_at)
        avr->stop = m->irq_at;
}

static struct avr_chip chip = {
    .flash_words = WORDS, .ram_size = RAM, .vectors_words = 1,
    .read = read_io, .write = write_io, .steady = steady, .vector = vector, .taken = taken,
};

/* Random blocks; every loop is one that ends, or that an edge or an interrupt ends. */
static unsigned block(uint16_t *w)
{
    unsigned bit = rng(8), r = 16 + rng(4);
    switch (rng(eplus ? 9 : 7)) {
    case 0: w[0] = 0x9900 | INPUT << 3 | bit; w[1] = 0xcffe; return 2;                    /* sbic; rjmp .-4 */
    case 1: w[0] = 0x9b00 | INPUT << 3 | bit; w[1] = 0xcffe; return 2;                    /* sbis; rjmp .-4 */
    case 2: w[0] = 0xb000 | r << 4; w[1] = (rng(2) ? 0xfe00 : 0xfc00) | r << 4 | bit; w[2] = 0xcffd; return 3; /* in; sbrs */
    case 3: w[0] = 0xe000 | rng(16) << 8 | (r - 16) << 4 | rng(16); w[1] = 0x940a | r << 4; w[2] = 0xf7f1; return 3; /* dec; brne */
    case 4: w[0] = 0xb800 | r << 4 | OUTPUT; return 1;
    case 5: w[0] = 0x0f00 | r << 4 | rng(4); w[1] = 0xb800 | r << 4 | OUTPUT; return 2;   /* add r,r16-19; out */
    case 6: w[0] = 0xb000 | r << 4 | 0xf | 0x600; w[1] = 0xb800 | r << 4 | OUTPUT; return 2; /* in SREG; out */
    case 7: w[0] = 0x9000 | r << 4; w[1] = 0x20 + INPUT; w[2] = 0xfe00 | r << 4 | bit; w[3] = 0xcffc; return 4; /* lds; sbrs */
    default: w[0] = 0xe080 | rng(16) << 8 | rng(16); w[1] = 0xe090 | rng(3); w[2] = 0x9701; w[3] = 0xf7f1; return 4; /* sbiw r24; brne */
    }
}

static void make_program(uint16_t *flash)
{
    memset(flash, 0, WORDS * 2);
    flash[0] = 0xc00f; /* rjmp 16 */
    flash[1] = 0x95f3; /* the handler: inc r31; out OUTPUT,r31; reti */
    flash[2] = 0xb9f2;
    flash[3] = 0x9518;
    unsigned at = 16;
    flash[at++] = 0x9478; /* sei */
    while (at < WORDS - 8)
        at += block(flash + at);
    flash[at] = 0xc000 | ((17 - at - 1) & 0xfff);
    if (rng(4) == 0)
        flash[60] = 0xcfff; /* rjmp .-2: only interrupts go on */
}

/* Run to a cycle with the interrupt request raised where it is due. */
static void advance(struct machine *m, uint64_t until, bool single)
{
    while (m->avr.cycle < until) {
        if (m->avr.cycle >= m->irq_at)
            m->avr.irq = true;
        uint64_t stop = m->irq_at > m->avr.cycle && m->irq_at < until ? m->irq_at : until;
        avr_run(&m->avr, single ? m->avr.cycle + 1 : stop);
    }
}

static bool same(void)
{
    struct avr *a = &jumping.avr, *b = &stepping.avr;
    return a->cycle == b->cycle && a->pc == b->pc && a->sreg == b->sreg && a->sp == b->sp && !memcmp(a->r, b->r, 32) &&
           !memcmp(a->ram, b->ram, RAM) && jumping.writes == stepping.writes &&
           !memcmp(jumping.log, stepping.log, sizeof jumping.log) && !a->illegal && !b->illegal;
}

int main(int argc, char **argv)
{
    if (argc < 3)
        return 2;
    eplus = !strcmp(argv[1], "eplus");
    rng_state = strtoull(argv[2], NULL, 0) * 2654435761u + 88172645463325252u;
    chip.profile = eplus ? AVR_EPLUS : AVR_RC;
    chip.ram_start = eplus ? 0x100 : 0x40;
    chip.io_end = eplus ? 0x100 : 0x40;
    for (uint64_t cycle = rng(300); cycle < CYCLES && edge_count < CYCLES / 8; cycle += 8 + rng(rng(4) ? 60 : 3000))
        edges[edge_count++] = cycle;
    struct machine *both[2] = { &jumping, &stepping };
    uint16_t program[WORDS];
    make_program(program);
    for (unsigned i = 0; i < 2; i++) {
        if (avr_init(&both[i]->avr, &chip))
            return 2;
        memcpy(both[i]->avr.flash, program, sizeof program);
        avr_decode(&both[i]->avr, 0, WORDS);
        both[i]->irq_at = 500;
    }
    for (uint64_t until = 0; until < CYCLES; until += 1 + rng(rng(3) ? 40 : 2000)) {
        advance(&jumping, until, false);
        advance(&stepping, until, true);
        if (!same()) {
            printf("at %" PRIu64 ": cycle %" PRIu64 " %" PRIu64 " pc %u %u sreg %x %x writes %" PRIu64 " %" PRIu64 "\n", until,
                   jumping.avr.cycle, stepping.avr.cycle, jumping.avr.pc, stepping.avr.pc, jumping.avr.sreg, stepping.avr.sreg,
                   jumping.writes, stepping.writes);
            return 1;
        }
    }
    printf("%" PRIu64 " %" PRIu64 " %" PRIu64 "\n", jumping.reads, stepping.reads, jumping.writes);
    avr_free(&jumping.avr);
    avr_free(&stepping.avr);
    return 0;
}
