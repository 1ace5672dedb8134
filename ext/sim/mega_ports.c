/* ATmega32U4 ports B-F: DDR, PORT, PIN with its synchroniser and toggles, pull-ups, and MCUCR (datasheet 7766J, 10). */
#include "mega_internal.h"

static unsigned port_of(unsigned address) { return (address - M_PINB) / 3; }
static unsigned register_of(unsigned address) { return (address - M_PINB) % 3; } /* 0 PIN, 1 DDR, 2 PORT */

static const uint8_t bonded[MEGA_PORTS] = { 0xFF, 0xC0, 0xFF, 0x44, 0xF3 }; /* pins that the package has */

/* JTAG owns PF4-PF7 until JTD is set: the chip is delivered with the JTAGEN fuse programmed (28.2). */
static uint8_t taken_by_jtag(const struct mega *m, unsigned port)
{
    return port == MEGA_F && !(m->io[M_MCUCR] & JTD) ? 0xF0 : 0;
}

static void update(struct mega *m, unsigned port)
{
    uint8_t ddr = m->port[port].ddr, out = m->port[port].port, usable = bonded[port] & ~taken_by_jtag(m, port);
    struct mega_drive drive = {
        .low = ddr & ~out & usable,
        .high = ddr & out & usable,
        .pull_up = m->io[M_MCUCR] & PUD ? 0 : ~ddr & out & usable,
    };
    struct mega_drive *now = &m->port[port].now;
    if (drive.low == now->low && drive.high == now->high && drive.pull_up == now->pull_up)
        return;
    m->port[port].before = *now;
    *now = drive;
    m->port[port].changed = mega_ps_at(m, m->avr.cycle + 1); /* at the end of the writing cycle */
    m->calls->drive(m->board, port, drive, m->port[port].changed);
}

void mega_ports_reset(struct mega *m)
{
    for (unsigned port = 0; port < MEGA_PORTS; port++) {
        m->port[port].ddr = m->port[port].port = 0;
        update(m, port);
    }
}

/* Levels at the pins half a cycle before the reading one began: the latch of the synchroniser closed there (10.2.4), so
 * that IN sees an OUT of the instruction before the last, not of the last. */
static uint8_t read_pins(struct mega *m, unsigned port)
{
    m->effects++;
    uint64_t ps = mega_ps_at(m, m->avr.cycle) - m->cycle_ps / 2;
    const struct mega_drive *drive = ps >= m->port[port].changed ? &m->port[port].now : &m->port[port].before;
    uint8_t wired = m->calls->wired[port], level = drive->pull_up & ~wired;
    if (wired & ~(drive->low | drive->high))
        level |= m->calls->sense(m->board, port, ps) & wired;
    return ((level & ~drive->low) | drive->high) & bonded[port];
}

uint8_t mega_ports_read(struct mega *m, unsigned address)
{
    unsigned port = port_of(address);
    switch (register_of(address)) {
    case 0: return read_pins(m, port);
    case 1: return m->port[port].ddr;
    default: return m->port[port].port;
    }
}

void mega_ports_write(struct mega *m, unsigned address, uint8_t value)
{
    unsigned port = port_of(address);
    uint8_t *ddr = &m->port[port].ddr, *out = &m->port[port].port, old_ddr = *ddr, old_out = *out;
    switch (register_of(address)) {
    case 0: *out ^= mega_written_bits(m, value); break; /* 10.2.2 */
    case 1: *ddr = value; break;
    default: *out = value;
    }
    if (*ddr == old_ddr && *out == old_out)
        return;
    m->effects++;
    update(m, port);
}

/* Pins move whenever the board likes. */
uint64_t mega_ports_steady(struct mega *m, unsigned address)
{
    return register_of(address) ? MEGA_NEVER : m->avr.cycle;
}

/* JTD takes effect when it is written twice within four cycles (26.5.1). */
void mega_mcucr_write(struct mega *m, unsigned address, uint8_t value)
{
    uint8_t old = m->io[address];
    bool second = mega_timed(m, address) && (m->timed_value & JTD) == (value & JTD);
    if (!second)
        mega_open_timed(m, address, value, 4);
    m->io[address] = (value & ~JTD) | ((second ? value : old) & JTD);
    for (unsigned port = 0; port < MEGA_PORTS; port++)
        update(m, port);
}
