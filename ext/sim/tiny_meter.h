/* A meter on a tiny while it runs: how deep its stack gets, what becomes of its RAM, and whether it looks at its lane in
 * time. It sees each instruction before it is executed.
 *
 * A look is a read of PINB for lane or clock. A byte on the lane is nine planes, a start bit 0 and eight bits. The tiny
 * must look at each plane of a byte that comes while the clock is high; what it sends changes while the clock is low.
 */
#ifndef TINYMUX_SIM_TINY_METER_H
#define TINYMUX_SIM_TINY_METER_H
#include "attiny10.h"

struct tiny_meter {
    /* --- the stack, and RAM: bit i is address 0x40 + i --- */
    int16_t lowest, highest; /* SP */
    uint16_t lowest_pc;      /* words: what pushed last before it was there */
    uint32_t stored, pushed; /* bytes that stores, and that pushes, calls and interrupts have written */
    uint32_t eaten;          /* bytes that were stored, then taken by the stack, and then loaded again */

    /* --- looks at the lane; cycles are the tiny's --- */
    uint64_t looks;
    uint32_t bytes, missed;   /* that came; of which it did not see each plane */
    uint32_t in_byte;         /* the longest from one look to the next within a byte, either way */
    uint32_t between;         /* ... from the last one in a byte that comes, where another byte follows it */
    uint16_t in_byte_pc, between_pc; /* words: the look that ends it */
    uint32_t shortest_plane_ps;

    /* --- its own: the instruction before --- */
    uint32_t taken;           /* stored bytes that the stack has taken */
    uint8_t last_kind;
    uint16_t last_pc, last_sp;
    /* --- the wires, as far as they have been followed --- */
    uint64_t clock_seen, lane_seen, fell_ps;
    uint8_t comes, goes;      /* plane of the byte that comes, or goes: 1 to 9; 0: none */
    uint8_t silence;          /* planes since the last byte that came, at most 255 */
    bool looked;              /* since the clock rose */
    bool whole;               /* each plane of this byte was seen so far */
    /* --- the look before --- */
    uint64_t look_cycle;
    uint32_t pause;           /* what `between` will be if a byte follows; 0: nothing */
    uint16_t pause_pc;
    enum { OUTSIDE, INSIDE, LAST } look_place; /* of a byte: its ninth plane is the last that must be looked at */
};

/* Attach a meter, or none with NULL. Of a tiny that runs, or not yet. */
void tiny_meter_attach(struct tiny *, struct tiny_meter *);

#endif
