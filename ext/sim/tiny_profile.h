/* Where a tiny's cycles go, label by label, and how long it does not look at its pins.
 *
 * A look is a read of PINB. A wait is a look again by the same instruction: a turn of a polling loop. From any other look
 * to the next one the program is blind: what changes on its pins and changes back meanwhile, it does not see.
 */
#ifndef TINYMUX_SIM_TINY_PROFILE_H
#define TINYMUX_SIM_TINY_PROFILE_H
#include "attiny10.h"

enum { PROFILE_WORDS = TINY_FLASH / 2, PROFILE_PATH = 64, PROFILE_STRETCHES = 32 };

/* What was spent between a label and the next one. */
struct profile_label {
    uint64_t visits;  /* times that it was come to from elsewhere */
    uint64_t cycles;  /* its own, those of waits and sleep among them */
    uint64_t waiting; /* in waits and sleep */
    uint64_t worst;   /* most cycles of one visit; a look or sleep in it begins it anew */
    uint64_t blind;   /* most cycles of a blind stretch that came by here */
};

struct profile_step {
    uint64_t cycles;
    uint16_t label;
};

/* Blind, from a look at one label to a look at another, or at the same. */
struct profile_stretch {
    uint16_t from, to;
    uint64_t cycles;
    unsigned length; /* steps of its path; the first PROFILE_PATH of them are kept */
    struct profile_step path[PROFILE_PATH];
};

struct tiny_profile {
    uint16_t label[PROFILE_WORDS]; /* set by the caller: whose each word of flash is, a number below PROFILE_WORDS */
    struct profile_label labels[PROFILE_WORDS];
    struct profile_stretch longest[PROFILE_STRETCHES]; /* for each pair of labels; what finds no room is left out */
    unsigned stretches;

    /* --- its own --- */
    struct profile_stretch now; /* since the last look */
    bool looked;                /* since reset or sleep: `now` has a beginning */
    bool visiting;
    uint16_t looked_pc, visited; /* what looked last; the label that the program is in */
    uint64_t visit;              /* cycles of this visit */
};

/* PINB is going to be read by the instruction at `pc`, in words. */
void profile_look(struct tiny_profile *, uint16_t pc);
/* The instruction at `pc` took so many cycles. */
void profile_count(struct tiny_profile *, uint16_t pc, uint64_t cycles);
/* ... asleep. */
void profile_slept(struct tiny_profile *, uint16_t pc, uint64_t cycles);
/* Let `worst` have the visit that goes on. */
void profile_settle(struct tiny_profile *);
/* The tiny starts anew. */
void profile_restart(struct tiny_profile *);
#endif
