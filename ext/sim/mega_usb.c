/* ATmega32U4 USB device controller: power, clock, address, bus events and their interrupts (datasheet 7766J, 21 and 22). */
#include "mega_internal.h"
#include <string.h>

void mega_usb_reset(struct mega *m)
{
    struct mega_usb *u = &m->usb;
    uint8_t vbus = u->status & VBUS;
    memset(u, 0, sizeof *u);
    u->status = 0x08 | vbus; /* SPEED: full speed */
    u->control = FRZCLK;
    u->device = DETACH;
}

/* 48 MHz from the PLL: table 6-11 (PINDIV for the 16 MHz crystal) and 6-12 (PDIV). */
bool mega_usb_clock_runs(const struct mega *m)
{
    uint8_t wanted = m->io[M_PLLFRQ] & PLLUSB ? PDIV_96MHZ : PDIV_48MHZ;
    return m->pll_locked && (m->io[M_PLLCSR] & PINDIV) && (m->io[M_PLLFRQ] & PDIV) == wanted &&
           (m->usb.control & (USBE | FRZCLK)) == USBE;
}

bool mega_usb_attached(const struct mega *m)
{
    const struct mega_usb *u = &m->usb;
    return (u->control & USBE) && (u->hardware & UVREGE) && !(u->device & DETACH) && (u->status & VBUS);
}

void mega_usb_interrupts(struct mega *m)
{
    m->poll.waits = false;
    if (mega_usb_vector(m) >= 0)
        m->avr.irq = true;
}

int mega_usb_vector(const struct mega *m)
{
    const struct mega_usb *u = &m->usb;
    if ((u->flags & u->enables) || ((u->vbus_flag & VBUSTI) && (u->control & VBUSTE)))
        return V_USB_GENERAL;
    return mega_endpoint_interrupts(m) ? V_USB_ENDPOINT : -1;
}

/* A register of the selected endpoint, of which there is none behind UENUM 7. */
static bool of_no_endpoint(const struct mega *m, unsigned address)
{
    bool common = address < M_UEINTX || address == M_UENUM || address == M_UERST || address == M_UEINT;
    return !common && m->usb.selected >= USB_ENDPOINTS;
}

static unsigned frame_number(struct mega *m)
{
    const struct mega_usb *u = &m->usb;
    m->effects++;
    uint64_t passed = u->frames_run ? (mega_time(m) - u->frame_ps) / 1000000000 : 0;
    return (u->frame + passed) & 0x7FF;
}

/* UESTA0X: CFGOK; DTSEQ, of the last packet received or the next one sent; NBUSYBK. */
static uint8_t status(const struct usb_endpoint *e)
{
    uint8_t toggle = e->config0 & EPDIR_IN ? e->toggle : e->received_toggle;
    return (e->usable ? CFGOK : 0) | toggle << 2 | e->busy;
}

uint8_t mega_usb_read(struct mega *m, unsigned address)
{
    struct mega_usb *u = &m->usb;
    struct usb_endpoint *e = &u->endpoint[u->selected % USB_ENDPOINTS];
    if (of_no_endpoint(m, address))
        return 0;
    switch (address) {
    case M_UHWCON: return u->hardware;
    case M_USBCON: return u->control;
    case M_USBSTA: return u->control & OTGPADE ? u->status : u->status & ~VBUS;
    case M_USBINT: return u->vbus_flag;
    case M_UDCON: return u->device;
    case M_UDINT: mega_polled(m); return u->flags;
    case M_UDIEN: return u->enables;
    case M_UDADDR: return u->address;
    case M_UDFNUML: return frame_number(m) & 0xFF;
    case M_UDFNUMH: return frame_number(m) >> 8;
    case M_UENUM: return u->selected;
    case M_UERST: return u->resets;
    case M_UECONX: return e->control;
    case M_UECFG0X: return e->config0;
    case M_UECFG1X: return e->config1;
    case M_UESTA0X: return status(e);
    case M_UESTA1X: return (e->to_host ? CTRLDIR : 0) | e->cpu;
    case M_UEINTX: mega_polled(m); return mega_endpoint_flags(m, e);
    case M_UEIENX: return e->enables;
    case M_UEDATX: return mega_endpoint_pop(m, e);
    case M_UEBCLX: return mega_endpoint_count(m, e) & 0xFF;
    case M_UEBCHX: return mega_endpoint_count(m, e) >> 8;
    case M_UEINT: mega_polled(m); return mega_endpoint_interrupts(m);
    default: return 0; /* UDMFN: no frame number error ever happens here */
    }
}

static void write_control(struct mega *m, uint8_t value)
{
    struct mega_usb *u = &m->usb;
    if ((u->control & USBE) && !(value & USBE)) { /* 21.4: the macro is off and forgets all */
        uint8_t hardware = u->hardware;
        mega_usb_reset(m);
        u->hardware = hardware;
        u->control = value & ~USBE;
        return;
    }
    u->control = value;
    mega_usb_interrupts(m);
}

static void write_resets(struct mega *m, uint8_t value)
{
    uint8_t changed = (m->usb.resets ^ value) & 0x7F;
    m->usb.resets = value & 0x7F;
    for (unsigned i = 0; i < USB_ENDPOINTS; i++)
        if (changed >> i & 1)
            mega_endpoint_reset(m, &m->usb.endpoint[i]);
}

void mega_usb_write(struct mega *m, unsigned address, uint8_t value)
{
    struct mega_usb *u = &m->usb;
    struct usb_endpoint *e = &u->endpoint[u->selected % USB_ENDPOINTS];
    if (of_no_endpoint(m, address))
        return;
    switch (address) {
    case M_UHWCON: u->hardware = value & UVREGE; return;
    case M_USBCON: write_control(m, value); return;
    case M_USBINT: u->vbus_flag &= value; return;
    case M_UDCON: u->device = value; return;
    case M_UDINT: u->flags &= value; return;
    case M_UDIEN: u->enables = value; break;
    case M_UDADDR:
        m->misuse += (value & ADDEN) && (value & 0x7F) != (u->address & 0x7F); /* 22.7: not at the same time */
        u->address = value;
        return;
    case M_UENUM: u->selected = value & 7; return;
    case M_UERST: write_resets(m, value); return;
    case M_UECONX: mega_endpoint_control(m, e, value); return;
    case M_UECFG0X: e->config0 = value; return;
    case M_UECFG1X: mega_endpoint_configure(m, e, value); return;
    case M_UEINTX: mega_endpoint_write_flags(m, e, value); return;
    case M_UEIENX: e->enables = value; break;
    case M_UEDATX: mega_endpoint_push(m, e, value); return;
    default: return; /* read-only */
    }
    mega_usb_interrupts(m);
}

/* --- what the bus does --- */

static void raise(struct mega *m, uint8_t set, uint8_t cleared)
{
    m->usb.flags = (m->usb.flags & ~cleared) | set;
    mega_usb_interrupts(m);
}

void mega_usb_vbus(struct mega *m, bool on)
{
    m->usb.status = (m->usb.status & ~VBUS) | (on ? VBUS : 0);
    if (m->usb.control & OTGPADE)
        m->usb.vbus_flag |= VBUSTI;
    mega_usb_interrupts(m);
}

/* 22.4: endpoints are disabled, endpoint 0 stays configured, the address is 0 again; EORSTI comes at the end. */
void mega_usb_bus_reset(struct mega *m, bool end)
{
    struct mega_usb *u = &m->usb;
    if (!mega_usb_attached(m))
        return;
    u->frames_run = false;
    raise(m, WAKEUPI, SUSPI);
    if (!end || !mega_usb_clock_runs(m))
        return;
    if (u->device & RSTCPU) {
        struct mega_usb kept = *u;
        mega_reset(m, 0);
        *u = kept;
    }
    u->address = 0;
    for (struct usb_endpoint *e = u->endpoint; e < u->endpoint + USB_ENDPOINTS; e++) {
        if (e != u->endpoint)
            e->control = 0;
        e->control &= ~STALLRQ;
        e->toggle = e->received_toggle = 0;
        mega_endpoint_reset(m, e);
    }
    raise(m, EORSTI, 0);
}

bool mega_usb_frame_unnoticed(const struct mega *m)
{
    const struct mega_usb *u = &m->usb;
    return m->poll.waits && u->frames_run && (u->flags & (SOFI | WAKEUPI | SUSPI)) == (SOFI | WAKEUPI);
}

void mega_usb_frame(struct mega *m, uint16_t number, uint64_t ps)
{
    struct mega_usb *u = &m->usb;
    if (!mega_usb_attached(m))
        return;
    u->frames_run = mega_usb_clock_runs(m);
    if (u->frames_run) {
        u->frame = number & 0x7FF;
        u->frame_ps = ps;
        u->flags |= SOFI;
    }
    raise(m, WAKEUPI, SUSPI); /* 22.8: any activity on the lines, suspended or not */
}

void mega_usb_idle(struct mega *m)
{
    if (m->usb.frames_run) {
        m->usb.frame = frame_number(m) - 3; /* the last one came 3 ms ago */
        m->usb.frames_run = false;
    }
    if (mega_usb_attached(m) && mega_usb_clock_runs(m))
        raise(m, SUSPI, WAKEUPI);
}

void mega_usb_resume(struct mega *m, bool end)
{
    if (mega_usb_attached(m))
        raise(m, end ? EORSMI | WAKEUPI : WAKEUPI, SUSPI);
}
