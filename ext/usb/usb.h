/* A USB board as a transport: libusb's asynchronous transfers, driven by the engine's thread alone. */
#ifndef TINYMUX_USB_H
#define TINYMUX_USB_H
#include <stdint.h>
#include "transport.h"

#define USB_DEPTH 48 /* most OUT packets under way: 5 ms of the bus */

/* Plain counts, which any thread may look at. */
struct usb_counters {
    uint64_t packets_out, packets_in;
    uint64_t transfers_out, transfers_in; /* completed */
    uint64_t recoveries;                  /* times the endpoints were made to start anew: stall, error, silence */
    uint64_t lost;                        /* OUT packets that got no answer of the board's, but OP_REFUSED from here */
    uint32_t flying;                      /* transfers that libusb holds now */
};

/* Take over the board behind `fd`, an open usbfs node (/dev/bus/usb/BBB/DDD); it is closed with the transport, or when
 * this fails. `depth`: OUT packets that may be under way, 1-USB_DEPTH. Leaves the board in a clean start, its tinies
 * undisturbed. 0; -EBUSY another process has it; -EPROTO its firmware speaks another protocol, `version` is what
 * it said (0: nothing); -ENOTSUP it lacks our endpoints; other negative errnos. */
int usb_open(int fd, unsigned depth, struct transport **, unsigned *version);
/* Cancels what is under way, waits for it (1 s at most) and gives the board back; the transport says -ENODEV from now
 * on. While an engine serves it, only after it has said so already. */
void usb_close(struct transport *);
/* Closes it, and frees it. */
void usb_free(struct transport *);
void usb_count(const struct transport *, struct usb_counters *);
/* Why the board is gone: 0 it is not, or a negative errno: -ENODEV unplugged, -ETIMEDOUT silent, -EPIPE stalls,
 * -EOVERFLOW babbles, -EIO other errors on the bus. */
int usb_fault(const struct transport *);
#endif
