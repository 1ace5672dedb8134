/* ATmega32U4 USB endpoints: FIFO banks, flags and handshakes (datasheet 7766J, sections 22.5-22.14).
 *
 * A bulk endpoint has one or two banks. The bus fills (OUT) or drains (IN) bank `host`, the firmware has bank `cpu`;
 * `busy` banks hold a packet: received and not yet freed, or written and not yet sent. FIFOCON stands while the
 * firmware owns its bank; clearing it hands the bank over and moves on to the next one.
 * Endpoint 0 has one bank for all three kinds of packet, and FIFOCON and RWAL mean nothing there (22.12).
 */
#include "mega_internal.h"
#include <assert.h>
#include <string.h>

enum { DPRAM = 832 };

static unsigned size_of(const struct usb_endpoint *e) { return 8u << (e->config1 >> 4 & 7); }
static unsigned banks_of(const struct usb_endpoint *e) { return (e->config1 >> 2 & 3) == 1 ? 2 : 1; }
static bool is_control(const struct usb_endpoint *e) { return (e->config0 & EPTYPE) == EPTYPE_CONTROL; }
static bool is_in(const struct usb_endpoint *e) { return !is_control(e) && (e->config0 & EPDIR_IN); }
static bool is_active(const struct usb_endpoint *e) { return e->usable && (e->control & EPEN); }
static struct usb_bank *cpu_bank(struct usb_endpoint *e) { return &e->bank[e->cpu]; }

static void empty(struct usb_bank *bank) { bank->length = bank->position = 0; }

static uint8_t next_bank(const struct usb_endpoint *e, uint8_t bank) { return (bank + 1) % banks_of(e); }

/* The firmware gets a free IN bank to fill. */
static void offer_in(struct usb_endpoint *e)
{
    empty(cpu_bank(e));
    e->flags |= TXINI | FIFOCON;
}

void mega_endpoint_reset(struct mega *m, struct usb_endpoint *e)
{
    e->flags = 0;
    e->cpu = e->host = e->busy = 0;
    e->queued = e->status_seen = e->to_host = false;
    empty(&e->bank[0]);
    empty(&e->bank[1]);
    if (is_active(e) && is_in(e))
        offer_in(e);
    else if (is_active(e) && is_control(e))
        e->flags = TXINI;
    mega_usb_interrupts(m);
}

/* UECONX. STALLRQ is set by writing 1 and cleared through STALLRQC; EPEN going to 0 also resets (22.6). */
void mega_endpoint_control(struct mega *m, struct usb_endpoint *e, uint8_t value)
{
    if (value & RSTDT)
        e->toggle = 0;
    if (value & STALLRQC)
        e->control &= ~STALLRQ;
    else if (value & STALLRQ)
        e->control |= STALLRQ;
    if ((value ^ e->control) & EPEN) {
        e->control ^= EPEN;
        e->toggle = 0;
        mega_endpoint_reset(m, e);
    }
}

/* UECFG1X: with ALLOC the bank memory is taken, if it is there (22.3: ascending order is the firmware's business). */
void mega_endpoint_configure(struct mega *m, struct usb_endpoint *e, uint8_t value)
{
    e->config1 = value;
    unsigned used = 0;
    for (struct usb_endpoint *i = m->usb.endpoint; i < m->usb.endpoint + USB_ENDPOINTS; i++)
        if (i->config1 & ALLOC)
            used += size_of(i) * banks_of(i);
    unsigned most = e == &m->usb.endpoint[1] ? 256 : 64; /* 22.1 */
    bool one_bank = e != &m->usb.endpoint[0] || banks_of(e) == 1;
    e->usable = (value & ALLOC) && size_of(e) <= most && (value >> 2 & 3) < 2 && one_bank && used <= DPRAM;
    mega_endpoint_reset(m, e);
}

/* RWAL: the firmware can go on reading or writing its bank. */
static bool can_go_on(const struct usb_endpoint *e)
{
    const struct usb_bank *bank = &e->bank[e->cpu];
    if (is_control(e) || !(e->flags & FIFOCON))
        return false;
    return is_in(e) ? bank->length < size_of(e) : bank->position < bank->length;
}

uint8_t mega_endpoint_flags(const struct mega *m, const struct usb_endpoint *e)
{
    return e->flags | (can_go_on(e) ? RWAL : 0);
}

static void free_out_bank(struct usb_endpoint *e)
{
    e->flags &= ~FIFOCON;
    e->busy--;
    empty(cpu_bank(e));
    e->cpu = next_bank(e, e->cpu);
    if (e->busy)
        e->flags |= RXOUTI | FIFOCON;
}

static void send_in_bank(struct usb_endpoint *e)
{
    e->flags &= ~FIFOCON;
    e->busy++;
    e->cpu = next_bank(e, e->cpu);
    if (e->busy < banks_of(e))
        offer_in(e);
}

/* KILLBK takes back the bank written last, if the bus has not yet got it. */
static void kill_in_bank(struct usb_endpoint *e)
{
    if (!e->busy)
        return;
    e->busy--;
    e->cpu = next_bank(e, e->cpu); /* with two banks the one before is the next one */
    offer_in(e);
}

static void write_control_flags(struct usb_endpoint *e, uint8_t cleared)
{
    if ((cleared & e->flags & TXINI) && !e->status_seen) { /* after the status stage began it "has no effects" */
        e->flags &= ~TXINI;
        e->queued = true;
    }
    if (cleared & e->flags & RXSTPI) {
        e->flags = (e->flags & ~RXSTPI) | TXINI;
        empty(cpu_bank(e));
    }
    if (cleared & e->flags & RXOUTI) {
        e->flags &= ~RXOUTI;
        empty(cpu_bank(e));
    }
}

/* UEINTX: flags are cleared by writing 0; writing 1 does nothing, but for KILLBK on an IN endpoint. */
void mega_endpoint_write_flags(struct mega *m, struct usb_endpoint *e, uint8_t value)
{
    uint8_t cleared = ~value;
    if (!is_active(e))
        return;
    e->flags &= value | ~(NAKINI | NAKOUTI | STALLEDI);
    if (is_control(e)) {
        write_control_flags(e, cleared);
    } else if (is_in(e)) {
        bool hand_over = cleared & e->flags & FIFOCON;
        if (cleared & TXINI)
            e->flags &= ~TXINI;
        if (hand_over && (e->flags & TXINI))
            m->misuse++; /* 22.14: "TXINI shall always be cleared before clearing FIFOCON" */
        if (hand_over)
            send_in_bank(e);
        if (value & KILLBK) {
            m->misuse += hand_over;
            kill_in_bank(e);
        }
    } else {
        bool hand_over = cleared & e->flags & FIFOCON;
        if (cleared & RXOUTI)
            e->flags &= ~RXOUTI;
        if (hand_over && (e->flags & RXOUTI))
            m->misuse++; /* 22.13 */
        if (hand_over)
            free_out_bank(e);
    }
    mega_usb_interrupts(m);
}

/* UEDATX read: the oldest byte that the firmware has not yet taken. */
uint8_t mega_endpoint_pop(struct mega *m, struct usb_endpoint *e)
{
    struct usb_bank *bank = cpu_bank(e);
    m->effects++;
    bool readable = is_control(e) ? e->flags & (RXSTPI | RXOUTI) : !is_in(e) && (e->flags & FIFOCON);
    if (readable && bank->position < bank->length)
        return bank->data[bank->position++];
    m->misuse++;
    return 0;
}

void mega_endpoint_push(struct mega *m, struct usb_endpoint *e, uint8_t value)
{
    struct usb_bank *bank = cpu_bank(e);
    bool writable = is_control(e) ? (e->flags & (TXINI | RXSTPI | RXOUTI)) == TXINI : is_in(e) && (e->flags & FIFOCON);
    if (writable && bank->length < size_of(e))
        bank->data[bank->length++] = value;
    else
        m->misuse++;
}

unsigned mega_endpoint_count(const struct mega *m, const struct usb_endpoint *e)
{
    return e->bank[e->cpu].length - e->bank[e->cpu].position;
}

uint8_t mega_endpoint_interrupts(const struct mega *m)
{
    uint8_t all = 0;
    for (unsigned i = 0; i < USB_ENDPOINTS; i++) {
        const struct usb_endpoint *e = &m->usb.endpoint[i];
        all |= ((e->flags & e->enables & ~(FIFOCON | RWAL)) != 0) << i;
    }
    return all;
}

/* --- the bus's side --- */

static struct usb_endpoint *addressed(struct mega *m, unsigned address, unsigned endpoint)
{
    unsigned own = m->usb.address & ADDEN ? m->usb.address & 0x7F : 0;
    if (!mega_usb_attached(m) || !mega_usb_clock_runs(m) || address != own || endpoint >= USB_ENDPOINTS)
        return NULL;
    struct usb_endpoint *e = &m->usb.endpoint[endpoint];
    return is_active(e) && !(m->usb.resets >> endpoint & 1) ? e : NULL;
}

static int refuse(struct mega *m, struct usb_endpoint *e, uint8_t flag, int answer)
{
    e->flags |= flag;
    mega_usb_interrupts(m);
    return answer;
}

int mega_usb_setup(struct mega *m, unsigned address, const uint8_t data[8])
{
    struct usb_endpoint *e = addressed(m, address, 0);
    if (!e || !is_control(e))
        return USB_SILENT;
    struct usb_bank *bank = cpu_bank(e);
    memcpy(bank->data, data, 8);
    bank->length = 8;
    bank->position = 0;
    e->control &= ~STALLRQ; /* 22.11.1: a SETUP takes the stall back and is always acknowledged */
    e->flags = (e->flags & ~(TXINI | RXOUTI | STALLEDI)) | RXSTPI;
    e->toggle = e->received_toggle = 1; /* both data stages begin with DATA1 */
    e->to_host = data[0] & 0x80;
    e->queued = e->status_seen = false;
    mega_usb_interrupts(m);
    return USB_ACK;
}

static int control_out_begin(struct mega *m, struct usb_endpoint *e)
{
    if (e->flags & (RXSTPI | RXOUTI) || (e->queued && !e->to_host))
        return refuse(m, e, NAKOUTI, USB_NAK);
    if (e->to_host && !e->status_seen) {
        /* 22.12.2: "A NAK handshake is always generated on the first status stage command. When the controller
         * detects the status stage, all the data written by the CPU are erased" */
        e->status_seen = true;
        e->queued = false;
        empty(cpu_bank(e));
        return refuse(m, e, NAKOUTI, USB_NAK);
    }
    return USB_ACK;
}

int mega_usb_out_begin(struct mega *m, unsigned address, unsigned endpoint, unsigned length)
{
    struct usb_endpoint *e = addressed(m, address, endpoint);
    if (!e || is_in(e) || length > size_of(e))
        return USB_SILENT;
    if (e->control & STALLRQ)
        return refuse(m, e, STALLEDI, USB_STALL);
    if (is_control(e))
        return control_out_begin(m, e);
    return e->busy == banks_of(e) ? refuse(m, e, NAKOUTI, USB_NAK) : USB_ACK;
}

void mega_usb_out_end(struct mega *m, unsigned endpoint, unsigned toggle, const uint8_t *data, unsigned length)
{
    struct usb_endpoint *e = &m->usb.endpoint[endpoint];
    bool status = is_control(e) && e->to_host; /* always DATA1 (USB 2.0, 8.5.3) */
    if (!is_active(e) || e->busy == banks_of(e) || toggle != (status ? 1 : e->toggle))
        return; /* configured away meanwhile, or a packet sent again: acknowledged and dropped (USB 2.0, 8.6) */
    struct usb_bank *bank = is_control(e) ? cpu_bank(e) : &e->bank[e->host];
    memcpy(bank->data, data, length);
    bank->length = length;
    bank->position = 0;
    e->received_toggle = toggle;
    e->toggle ^= 1;
    if (is_control(e)) {
        e->flags |= e->to_host ? RXOUTI | TXINI : RXOUTI;
    } else {
        e->host = next_bank(e, e->host);
        if (!e->busy++)
            e->flags |= RXOUTI | FIFOCON;
    }
    mega_usb_interrupts(m);
}

int mega_usb_in_begin(struct mega *m, unsigned address, unsigned endpoint, uint8_t *data, unsigned *toggle)
{
    struct usb_endpoint *e = addressed(m, address, endpoint);
    if (!e || !(is_in(e) || is_control(e)))
        return USB_SILENT;
    if (e->control & STALLRQ)
        return refuse(m, e, STALLEDI, USB_STALL);
    if (is_control(e) ? !e->queued : !e->busy)
        return refuse(m, e, NAKINI, USB_NAK);
    const struct usb_bank *bank = is_control(e) ? cpu_bank(e) : &e->bank[e->host];
    memcpy(data, bank->data, bank->length);
    *toggle = is_control(e) && !e->to_host ? 1 : e->toggle; /* a status stage is DATA1 */
    return bank->length;
}

void mega_usb_in_end(struct mega *m, unsigned endpoint)
{
    struct usb_endpoint *e = &m->usb.endpoint[endpoint];
    if (!is_active(e))
        return;
    if (is_control(e)) {
        if (!e->queued)
            return;
        e->queued = false;
        empty(cpu_bank(e));
        e->flags |= TXINI;
    } else {
        if (!e->busy)
            return; /* killed while it was on the wire */
        e->busy--;
        empty(&e->bank[e->host]);
        e->host = next_bank(e, e->host);
        if (!(e->flags & FIFOCON))
            offer_in(e);
    }
    e->toggle ^= 1;
    mega_usb_interrupts(m);
}
