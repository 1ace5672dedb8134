/* What the files of the simulated ATmega32U4 share: events, register handlers, one group for each peripheral. */
#ifndef TINYMUX_SIM_MEGA_INTERNAL_H
#define TINYMUX_SIM_MEGA_INTERNAL_H
#include "atmega32u4.h"
#include "mega_registers.h"

/* A register's handlers. NULL read or write: storage in mega.io. */
typedef uint8_t mega_read_fn(struct mega *, unsigned address);
typedef void mega_write_fn(struct mega *, unsigned address, uint8_t value);
/* The next time at which a read could give another value by itself, in CPU cycles; events are taken into account. */
typedef uint64_t mega_steady_fn(struct mega *, unsigned address);

static inline struct mega *mega_of(struct avr *avr) { return (struct mega *)avr; }
static inline uint64_t mega_ps_at(const struct mega *m, uint64_t cycle)
{
    return m->base_ps + (cycle - m->base_cycle) * m->cycle_ps;
}
void mega_schedule(struct mega *, enum mega_event, uint64_t ps); /* MEGA_NEVER takes it back */
void mega_reset(struct mega *, uint8_t cause);                   /* cause: a bit of MCUSR */
/* Timed sequences: for some cycles after the write that opens one, its register takes another kind of write. */
void mega_open_timed(struct mega *, unsigned address, uint8_t value, unsigned cycles);
static inline bool mega_timed(const struct mega *m, unsigned address)
{
    return m->timed_address == address && m->avr.cycle <= m->timed;
}
uint8_t mega_written_bits(const struct mega *, uint8_t value); /* the bits that this write touches */

/* mega_idle.c: a USB flag was read; jump over whole turns of a waiting loop, to `stop` at most. */
void mega_polled(struct mega *);
void mega_jump(struct mega *, uint64_t stop);

void mega_ports_reset(struct mega *);
mega_read_fn mega_ports_read;
mega_write_fn mega_ports_write, mega_mcucr_write;
mega_steady_fn mega_ports_steady;

void mega_clock_reset(struct mega *);
void mega_clock_event(struct mega *, enum mega_event);
mega_read_fn mega_pll_read;
mega_write_fn mega_clkpr_write, mega_pll_write;

void mega_timers_reset(struct mega *);
void mega_timers_event(struct mega *, enum mega_event);
void mega_timers_reschedule(struct mega *); /* the CPU clock has changed */
int mega_timers_vector(const struct mega *, unsigned timer);
void mega_timers_taken(struct mega *, unsigned timer, unsigned vector);
mega_read_fn mega_timer0_read, mega_timer16_read, mega_timer_flags_read;
mega_write_fn mega_timer0_write, mega_timer16_write, mega_timer_flags_write;
mega_steady_fn mega_timer_steady;

void mega_memory_reset(struct mega *);
void mega_memory_event(struct mega *, enum mega_event);
mega_read_fn mega_eecr_read;
mega_write_fn mega_eecr_write, mega_spmcsr_write;

void mega_watchdog_reset(struct mega *);
void mega_watchdog_event(struct mega *, enum mega_event);
void mega_watchdog_feed(struct mega *);
mega_write_fn mega_watchdog_write;

void mega_usb_reset(struct mega *);
int mega_usb_vector(const struct mega *);
mega_read_fn mega_usb_read;
mega_write_fn mega_usb_write;
bool mega_usb_clock_runs(const struct mega *);
void mega_usb_interrupts(struct mega *); /* tell the core of new flags */
/* mega_usb_endpoints.c */
void mega_endpoint_write_flags(struct mega *, struct usb_endpoint *, uint8_t value);
uint8_t mega_endpoint_flags(const struct mega *, const struct usb_endpoint *);
void mega_endpoint_reset(struct mega *, struct usb_endpoint *);
void mega_endpoint_control(struct mega *, struct usb_endpoint *, uint8_t value);
void mega_endpoint_configure(struct mega *, struct usb_endpoint *, uint8_t value);
uint8_t mega_endpoint_pop(struct mega *, struct usb_endpoint *);
void mega_endpoint_push(struct mega *, struct usb_endpoint *, uint8_t value);
unsigned mega_endpoint_count(const struct mega *, const struct usb_endpoint *);
uint8_t mega_endpoint_interrupts(const struct mega *); /* UEINT */
#endif
