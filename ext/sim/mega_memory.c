/* ATmega32U4 EEPROM (datasheet 7766J, 5.3) and the signature row as LPM reads it (27.8.10). */
#include "mega_internal.h"

enum { EEPROM_ATOMIC_US = 3400, EEPROM_HALF_US = 1800 }; /* erase and write, one of both: table 5-1 */

void mega_memory_reset(struct mega *m)
{
    m->avr.flash = m->program;
    mega_schedule(m, EVENT_EEPROM, MEGA_NEVER);
    mega_schedule(m, EVENT_SIGNATURE, MEGA_NEVER);
}

static uint8_t *cell(struct mega *m) { return &m->eeprom[(m->io[M_EEARH] << 8 | m->io[M_EEARL]) % MEGA_EEPROM]; }

static void program(struct mega *m, uint8_t mode)
{
    static const uint16_t duration[4] = { EEPROM_ATOMIC_US, EEPROM_HALF_US, EEPROM_HALF_US, 0 };
    uint8_t *at = cell(m), value = m->io[M_EEDR];
    unsigned kind = mode >> 4;
    if (kind == 3)
        return;
    *at = kind == 0 ? value : kind == 1 ? 0xFF : *at & value;
    m->io[M_EECR] |= EEPE;
    mega_schedule(m, EVENT_EEPROM, mega_ps_at(m, m->avr.cycle) + duration[kind] * 1000000ULL);
}

void mega_eecr_write(struct mega *m, unsigned address, uint8_t value)
{
    uint8_t busy = m->io[address] & EEPE;
    m->io[address] = (value & (EERIE | EEPM)) | busy;
    if ((value & EEMPE) && !(value & EEPE)) {
        mega_open_timed(m, address, value, 4);
    } else if ((value & EEPE) && !busy && mega_timed(m, address)) {
        program(m, value & EEPM);
    } else if ((value & EERE) && !busy) {
        m->io[M_EEDR] = *cell(m);
    }
    if ((value & EERIE) && !(m->io[address] & EEPE))
        m->avr.irq = true;
}

uint8_t mega_eecr_read(struct mega *m, unsigned address)
{
    bool open = mega_timed(m, address) && !(m->io[address] & EEPE);
    return m->io[address] | (open ? EEMPE : 0);
}

/* SIGRD and SPMEN: for three cycles LPM reads the signature row. Writing flash from within is not modelled. */
void mega_spmcsr_write(struct mega *m, unsigned address, uint8_t value)
{
    if ((value & (SIGRD | SPMEN)) != (SIGRD | SPMEN))
        return;
    m->io[address] = SIGRD | SPMEN;
    m->avr.flash = m->signature;
    mega_schedule(m, EVENT_SIGNATURE, mega_ps_at(m, m->avr.cycle + 1 + 3));
}

void mega_memory_event(struct mega *m, enum mega_event event)
{
    if (event == EVENT_SIGNATURE) {
        m->avr.flash = m->program;
        m->io[M_SPMCSR] = 0;
        return;
    }
    m->io[M_EECR] &= ~EEPE;
    if (m->io[M_EECR] & EERIE)
        m->avr.irq = true;
}
