/* A debugger's hands on a tiny: it halts where it is told to, while board time stands, and can be looked at and changed
 * there. It keeps a profile on the way. The tiny runs the very cycles that it runs without, only slower.
 */
#ifndef TINYMUX_SIM_TINY_DEBUG_H
#define TINYMUX_SIM_TINY_DEBUG_H
#include "tiny_profile.h"

enum { DEBUG_DATA = TINY_IO + TINY_RAM };
enum { DEBUG_READ = 1, DEBUG_WRITE = 2 };
enum debug_why { DEBUG_STEPPED, DEBUG_BREAKPOINT, DEBUG_ACCESS };

struct tiny_debug {
    struct tiny_profile profile;
    bool halt_at[PROFILE_WORDS];  /* before the instruction there is executed, or interrupted */
    uint8_t halt_on[DEBUG_DATA];  /* after that byte of I/O or RAM was read or written: DEBUG_READ, DEBUG_WRITE */
    bool step;                    /* halt before the next instruction; any halt clears it */
    /* The tiny stands between two instructions until this returns; it may be changed meanwhile. `address`, in bytes: of
     * the instruction that is next, or of the access, whose kinds are in `access`. May be NULL. */
    void (*halt)(void *context, enum debug_why, uint16_t address, unsigned access);
    void *context;

    /* --- its own: the instruction before --- */
    bool pending;
    uint8_t kind, kinds, length;  /* what it is; what it does to data memory, and to how much */
    uint16_t pc, address;
    uint64_t cycle, start_ps;
};

/* Take the tiny's watch, or give it back with NULL. What the caller is to set is set before. */
void debug_attach(struct tiny *, struct tiny_debug *);
/* Bring the profile up to now; the tiny is not within tiny_run. */
void debug_settle(struct tiny *);

/* A byte as the CPU would read it now; nothing changes by it. */
uint8_t debug_peek(struct tiny *, uint16_t address);
/* As the CPU would write it. */
void debug_poke(struct tiny *, uint16_t address, uint8_t value);
/* Change a byte of flash, as no CPU could. */
void debug_program(struct tiny *, uint16_t address, uint8_t value);
#endif
