/* A full-speed USB host controller and its bus, with one device: frames, transactions and what they cost in time.
 *
 * Time on the bus is counted in byte times, 1,500 a frame (12 Mbit/s). A transaction with n bytes of data takes 13 + n
 * (USB 2.0, table 5-9: SYNC, PID, token, CRC and gaps), which is 19 packets of 64 bytes a frame; bit stuffing is left out,
 * as it is there. A NAKed OUT costs as much as an accepted one: the data are on the wire before the answer. A NAKed IN
 * costs its token and the handshake. Pipes with work take turns, one transaction each; a NAKed one is tried again at
 * its next turn.
 */
#ifndef TINYMUX_SIM_USB_HOST_H
#define TINYMUX_SIM_USB_HOST_H
#include "atmega32u4.h"

enum { USB_PACKET = 64, USB_QUEUE = 64 };
enum { PIPE_CONTROL = 0, PIPE_IN = 16, PIPES = 32 }; /* 1-15: bulk OUT, 17-31: bulk IN */
#define USB_NEVER UINT64_MAX

struct usb_packet {
    uint64_t visible; /* ps at which the host's software learns that it has gone or come */
    uint8_t length, data[USB_PACKET];
};

/* One bulk endpoint as the host has it. `queue` is a ring: [head, tail) for OUT are packets that the host's software
 * still counts as waiting, of which those before `sent` have gone; for IN they are packets that it has not yet taken. */
struct usb_pipe {
    bool halted, open;
    uint8_t toggle;
    uint32_t head, sent, tail;
    uint32_t credit; /* IN */
    uint64_t packets, naks;
    struct usb_packet queue[USB_QUEUE];
};

enum usb_stage { STAGE_NONE, STAGE_SETUP, STAGE_DATA, STAGE_STATUS };

struct usb_host {
    struct mega *device;
    uint64_t latency_ps;
    uint64_t next; /* ps of the next thing to do; USB_NEVER: unplugged */

    enum { USB_OFF, USB_RESETTING, USB_RUNNING, USB_SUSPENDED, USB_RESUMING } state;
    uint64_t frame_start, activity; /* ps */
    uint16_t frame;
    bool idle_told;
    uint8_t address;

    /* the transaction on the wire */
    enum { PHASE_NONE, PHASE_TOKEN, PHASE_END } phase;
    unsigned turn, pipe;
    unsigned used;       /* byte times of this frame */
    int answer;
    unsigned toggle;
    uint8_t wire[USB_BANK_SIZE];
    uint64_t transactions, silent;

    /* the control transfer under way */
    struct {
        enum usb_stage stage;
        bool in;
        uint8_t toggle, setup[8], *data, strikes;
        unsigned length, done, packet; /* packet: size of endpoint 0, 8 until known */
        int result;
    } control;

    struct usb_pipe out[USB_ENDPOINTS], in[USB_ENDPOINTS];
};

void usb_host_init(struct usb_host *, struct mega *device);
void usb_host_attach(struct usb_host *, uint64_t ps);
void usb_host_detach(struct usb_host *);
void usb_host_reset(struct usb_host *, uint64_t ps); /* 10 ms on the bus */
void usb_host_suspend(struct usb_host *);
void usb_host_resume(struct usb_host *, uint64_t ps); /* 20 ms on the bus */
/* Do what is due at `next`; the device has reached that time. */
void usb_host_step(struct usb_host *);
/* The device will notice nothing of that step: it need not have reached its time. */
bool usb_host_step_unnoticed(const struct usb_host *);
/* There is something new to do, now. */
void usb_host_kick(struct usb_host *, uint64_t ps);

/* Start a control transfer; it is finished when control.stage is STAGE_NONE again, with control.result. */
void usb_host_control(struct usb_host *, uint64_t ps, const uint8_t setup[8], uint8_t *data, unsigned length);
int usb_host_out(struct usb_host *, uint64_t ps, unsigned endpoint, const uint8_t *packet, unsigned length);
unsigned usb_host_out_waiting(const struct usb_host *, uint64_t ps, unsigned endpoint);
bool usb_host_halted(const struct usb_host *, unsigned endpoint, bool in);
/* Forget what is queued; a transaction on the wire ends as it would have. */
void usb_host_cancel(struct usb_host *, unsigned endpoint, bool in);
int usb_host_in(struct usb_host *, uint64_t ps, unsigned endpoint, uint8_t *packet);
/* When the first IN packet that nobody has taken becomes visible. */
uint64_t usb_host_in_visible(const struct usb_host *);

/* --- among usb_host.c, usb_control.c and usb_bulk.c: work, its size, and the end of the transaction on the wire --- */
bool usb_control_is_in(const struct usb_host *);
unsigned usb_control_most_data(const struct usb_host *);
void usb_control_end(struct usb_host *);
bool usb_bulk_has_work(const struct usb_host *, unsigned pipe);
unsigned usb_bulk_most_data(const struct usb_host *, unsigned pipe);
void usb_bulk_end(struct usb_host *);
#endif
