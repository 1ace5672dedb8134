/* ATmega32U4: the register table, reset, interrupts and time; the peripherals are in mega_*.c. */
#include "mega_internal.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define START_UP_PS 65000000000ULL /* SUT fuses as delivered: 65 ms and a few clocks (6.3) */

/* --- registers --- */

static uint8_t stored(struct mega *m, unsigned address) { return m->io[address]; }
static void store(struct mega *m, unsigned address, uint8_t value) { m->io[address] = value; }
/* MCUSR: flags are cleared by writing 0. */
static void mcusr_write(struct mega *m, unsigned address, uint8_t value) { m->io[address] &= value; }

static const struct {
    mega_read_fn *read; /* NULL: the chip has no such register */
    mega_write_fn *write;
    mega_steady_fn *steady; /* NULL: changes by events only */
} registers[M_IO_END] = {
    [M_PINB ... M_PORTF] = { mega_ports_read, mega_ports_write, mega_ports_steady },
    [M_TIFR0] = { mega_timer_flags_read, mega_timer_flags_write, NULL },
    [M_TIFR1] = { mega_timer_flags_read, mega_timer_flags_write, NULL },
    [M_TIFR3] = { mega_timer_flags_read, mega_timer_flags_write, NULL },
    [0x39 ... 0x3D] = { stored, store, NULL }, /* TIFR4, PCIFR, EIFR, EIMSK */
    [M_GPIOR0] = { stored, store, NULL },
    [M_EECR] = { mega_eecr_read, mega_eecr_write, NULL },
    [M_EEDR ... M_GTCCR] = { stored, store, NULL },
    [M_TCCR0A ... M_OCR0B] = { mega_timer0_read, mega_timer0_write, mega_timer_steady },
    [M_PLLCSR] = { mega_pll_read, mega_pll_write, NULL },
    [M_GPIOR1 ... M_GPIOR2] = { stored, store, NULL },
    [0x4C ... 0x51] = { stored, store, NULL }, /* SPI, ACSR, OCDR */
    [M_PLLFRQ] = { stored, mega_pll_write, NULL },
    [M_SMCR] = { stored, store, NULL },
    [M_MCUSR] = { stored, mcusr_write, NULL },
    [M_MCUCR] = { stored, mega_mcucr_write, NULL },
    [M_SPMCSR] = { stored, mega_spmcsr_write, NULL },
    [M_WDTCSR] = { stored, mega_watchdog_write, NULL },
    [M_CLKPR] = { stored, mega_clkpr_write, NULL },
    [M_PRR0 ... 0x6D] = { stored, store, NULL }, /* PRR, OSCCAL, RCCTRL, PCICR, EICR, PCMSK */
    [M_TIMSK0] = { mega_timer_flags_read, mega_timer_flags_write, NULL },
    [M_TIMSK1] = { mega_timer_flags_read, mega_timer_flags_write, NULL },
    [M_TIMSK3] = { mega_timer_flags_read, mega_timer_flags_write, NULL },
    [0x72 ... 0x7F] = { stored, store, NULL }, /* TIMSK4, ADC, DIDR */
    [M_TCCR1A ... M_OCR1CH] = { mega_timer16_read, mega_timer16_write, mega_timer_steady },
    [M_TCCR3A ... M_OCR3CH] = { mega_timer16_read, mega_timer16_write, mega_timer_steady },
    [0xB8 ... 0xD4] = { stored, store, NULL }, /* TWI, timer 4, USART, clock selection */
    [M_UHWCON ... M_USBINT] = { mega_usb_read, mega_usb_write, NULL },
    [M_UDCON ... M_UDMFN] = { mega_usb_read, mega_usb_write, NULL },
    [M_UEINTX ... M_UEINT] = { mega_usb_read, mega_usb_write, NULL },
};

static uint8_t read_register(struct avr *avr, uint16_t address)
{
    struct mega *m = mega_of(avr);
    if (address < M_IO_END && registers[address].read)
        return registers[address].read(m, address);
    m->unknown++;
    return 0;
}

static void write_register(struct avr *avr, uint16_t address, uint8_t value)
{
    struct mega *m = mega_of(avr);
    /* Selecting an endpoint is part of looking; a port knows itself whether something changed. */
    m->effects += address != M_UENUM && address > M_PORTF;
    if (address < M_IO_END && registers[address].write)
        registers[address].write(m, address, value);
    else
        m->unknown++;
}

/* Events end avr_run, so what only they change is steady for as long as it runs. */
static uint64_t steady(struct avr *avr, uint16_t address)
{
    struct mega *m = mega_of(avr);
    return address < M_IO_END && registers[address].steady ? registers[address].steady(m, address) : MEGA_NEVER;
}

/* SBI and CBI reach the hooks as a read and a write of the whole register, but the chip touches one bit: where a 1 does
 * something, only that bit does (PINx: 10.2.2). */
uint8_t mega_written_bits(const struct mega *m, uint8_t value)
{
    uint16_t opcode = m->program[m->avr.pc];
    return (opcode & 0xFF00) == 0x9A00 ? 1 << (opcode & 7) : value;
}

void mega_open_timed(struct mega *m, unsigned address, uint8_t value, unsigned cycles)
{
    m->timed_address = address;
    m->timed_value = value;
    m->timed = m->avr.cycle + cycles;
}

/* --- interrupts --- */

static int vector(struct avr *avr)
{
    struct mega *m = mega_of(avr);
    int found = mega_usb_vector(m);
    if (found >= 0)
        return found;
    if ((m->io[M_WDTCSR] & (WDIF | WDIE)) == (WDIF | WDIE))
        return V_WATCHDOG;
    if ((found = mega_timers_vector(m, 1)) >= 0 || (found = mega_timers_vector(m, 0)) >= 0)
        return found;
    if ((m->io[M_EECR] & (EERIE | EEPE)) == EERIE)
        return V_EEPROM;
    return mega_timers_vector(m, 2);
}

static void taken(struct avr *avr, int vector)
{
    struct mega *m = mega_of(avr);
    if (vector == V_WATCHDOG) {
        m->io[M_WDTCSR] &= ~WDIF;
        if (m->io[M_WDTCSR] & WDE)
            m->io[M_WDTCSR] &= ~WDIE; /* the next time-out resets (8.9.2) */
    } else if (vector >= V_TIMER3) {
        mega_timers_taken(m, 2, vector);
    } else if (vector >= V_TIMER0 && vector < V_EEPROM) {
        mega_timers_taken(m, 0, vector);
    } else if (vector >= V_TIMER1 && vector < V_TIMER0) {
        mega_timers_taken(m, 1, vector);
    }
}

/* Every sleep mode is modelled as idle: the clocks go on. */
static void special(struct avr *avr, int what)
{
    struct mega *m = mega_of(avr);
    if (what == AVR_SLEEP)
        avr->asleep = m->io[M_SMCR] & SMCR_SE;
    else if (what == AVR_WDR)
        mega_watchdog_feed(m);
}

static const struct avr_chip chip = {
    .profile = AVR_EPLUS,
    .flash_words = MEGA_FLASH_WORDS,
    .ram_start = 0x100,
    .ram_size = MEGA_RAM,
    .io_end = M_IO_END,
    .vectors_words = 2,
    .read = read_register,
    .write = write_register,
    .steady = steady,
    .vector = vector,
    .taken = taken,
    .special = special,
};

/* --- life --- */

int mega_init(struct mega *m, const struct mega_board *calls, void *board)
{
    memset(m, 0, sizeof *m);
    m->calls = calls;
    m->board = board;
    m->cycle_ps = MEGA_CRYSTAL_PS;
    m->signature = malloc(MEGA_FLASH_WORDS * sizeof *m->signature);
    if (!m->signature || avr_init(&m->avr, &chip)) {
        free(m->signature);
        return -ENOMEM;
    }
    m->program = m->avr.flash;
    memset(m->signature, 0xFF, MEGA_FLASH_WORDS * sizeof *m->signature);
    memset(m->eeprom, 0xFF, sizeof m->eeprom);
    return 0;
}

void mega_free(struct mega *m)
{
    m->avr.flash = m->program;
    free(m->signature);
    avr_free(&m->avr);
}

int mega_load(struct mega *m, const uint8_t *image, uint64_t length)
{
    if (length > MEGA_FLASH_WORDS * 2)
        return -EFBIG;
    memset(m->program, 0xFF, MEGA_FLASH_WORDS * 2);
    for (unsigned i = 0; i < length; i++) {
        uint16_t *word = &m->program[i / 2];
        *word = i % 2 ? (*word & 0x00FF) | image[i] << 8 : (*word & 0xFF00) | image[i];
    }
    m->avr.flash = m->program;
    avr_decode(&m->avr, 0, MEGA_FLASH_WORDS);
    return 0;
}

void mega_reset(struct mega *m, uint8_t cause)
{
    uint64_t now = mega_ps_at(m, m->avr.cycle);
    uint8_t causes = m->io[M_MCUSR] | cause;
    m->resets += !(cause & PORF);
    mega_ports_reset(m); /* at once, clock or not (8.1) */
    memset(m->io, 0, sizeof m->io);
    m->io[M_MCUSR] = causes;
    m->timed = 0;
    m->base_ps = now + START_UP_PS;
    m->base_cycle = m->avr.cycle;
    avr_reset(&m->avr);
    mega_memory_reset(m);
    mega_clock_reset(m);
    mega_timers_reset(m);
    mega_watchdog_reset(m);
    mega_usb_reset(m);
    m->avr.stop = m->avr.cycle;
}

void mega_power_on(struct mega *m, uint64_t ps, const uint8_t serial[MEGA_SERIAL], uint64_t seed)
{
    static const uint8_t row[] = { 0x1E, 0x80 /* OSCCAL */, 0x95, 0xFF, 0x87, 0xFF }; /* table 27-5 */
    uint8_t *bytes = (uint8_t *)m->signature; /* low byte first, here as there */
    memcpy(bytes, row, sizeof row);
    memcpy(bytes + 0x0E, serial, MEGA_SERIAL);
    for (unsigned i = 0; i < MEGA_RAM; i++) {
        seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
        m->avr.ram[i] = seed >> 56;
    }
    m->io[M_MCUSR] = 0;
    m->base_ps = ps;
    m->base_cycle = m->avr.cycle;
    for (unsigned i = 0; i < MEGA_EVENTS; i++)
        m->event[i] = MEGA_NEVER;
    m->next_event = MEGA_NEVER;
    mega_reset(m, PORF);
}

/* --- time --- */

uint64_t mega_time(const struct mega *m) { return mega_ps_at(m, m->avr.cycle); }

/* First CPU cycle that begins at this time or later. */
static uint64_t cycle_at(const struct mega *m, uint64_t ps)
{
    return ps <= m->base_ps ? m->base_cycle : m->base_cycle + (ps - m->base_ps + m->cycle_ps - 1) / m->cycle_ps;
}

void mega_schedule(struct mega *m, enum mega_event event, uint64_t ps)
{
    m->event[event] = ps;
    m->next_event = MEGA_NEVER;
    for (unsigned i = 0; i < MEGA_EVENTS; i++)
        if (m->event[i] < m->next_event)
            m->next_event = m->event[i];
    if (m->next_event == MEGA_NEVER)
        return;
    uint64_t cycle = cycle_at(m, m->next_event);
    if (cycle < m->avr.stop)
        m->avr.stop = cycle;
}

static void fire(struct mega *m, enum mega_event event)
{
    mega_schedule(m, event, MEGA_NEVER);
    switch (event) {
    case EVENT_TIMER0: case EVENT_TIMER1: case EVENT_TIMER3: mega_timers_event(m, event); break;
    case EVENT_PLL: mega_clock_event(m, event); break;
    case EVENT_EEPROM: case EVENT_SIGNATURE: mega_memory_event(m, event); break;
    case EVENT_WATCHDOG: mega_watchdog_event(m, event); break;
    default: break;
    }
}

void mega_run(struct mega *m, uint64_t until_ps)
{
    m->poll.waits = false;
    while (mega_time(m) < until_ps) {
        uint64_t goal = until_ps < m->next_event ? until_ps : m->next_event;
        uint64_t stop = cycle_at(m, goal);
        avr_run(&m->avr, stop);
        if (m->avr.cycle < stop)
            mega_jump(m, stop);
        for (unsigned i = 0; i < MEGA_EVENTS; i++)
            if (m->event[i] <= mega_time(m)) {
                m->poll.waits = false;
                fire(m, i);
            }
    }
}
