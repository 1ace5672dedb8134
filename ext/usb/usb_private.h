/* What transfers.c and open.c share. */
#ifndef TINYMUX_USB_PRIVATE_H
#define TINYMUX_USB_PRIVATE_H
#include <libusb-1.0/libusb.h>
#include <stdbool.h>
#include "protocol.h"
#include "usb.h"

#define BATCH 4 /* packets in a transfer: 0.42 ms of the bus, and a quarter of the interrupts */
#define SLOTS 64 /* transfers each way: more than packets, as one may come back late */
#define INTERFACE 0
#define PROBE_MS 250 /* for a board that may be silent */

struct usb;

struct slot { /* one transfer and its buffer */
    struct usb *usb;
    struct libusb_transfer *transfer;
    unsigned packets; /* OUT: filled; IN: asked for, then arrived */
    uint8_t bytes[BATCH * USB_PACKET];
};

struct pool { /* slots that are free, last in first out */
    struct slot slots[SLOTS];
    struct slot *free[SLOTS];
    unsigned count;
};

struct usb {
    struct transport transport;
    libusb_context *context;
    libusb_device_handle *handle;
    int fd; /* -1: closed */
    bool drained; /* when closed: nothing of ours is the kernel's any more */
    struct pool out, in;
    struct slot *filling;           /* OUT, not submitted yet */
    struct slot *arrived[SLOTS]; /* IN, in order, not handed over yet; a ring */
    unsigned arrived_first, arrived_count;
    /* Packets are numbered as they are submitted: answered <= covered <= submitted. */
    uint64_t submitted, covered, answered;
    uint64_t full;  /* bit (number % 64): the packet's answer fills a packet */
    uint64_t since; /* ns, CLOCK_MONOTONIC: last answer, or first packet after none was owed */
    unsigned trouble; /* recoveries since the last answer */
    int wrong; /* first error of a transfer since the last recovery: LIBUSB_TRANSFER_..., 0 none */
    int fault; /* the board is gone: negative errno */
    struct usb_counters counters;
};
_Static_assert(USB_DEPTH <= 64, "`full` has a bit for each packet under way");

/* open.c */
int usb_errno(int libusb_error);
/* The endpoints, the host's side and the board's, toggles and banks, as after SET_CONFIGURATION. */
int usb_start_anew(struct usb *, unsigned *version);
/* transfers.c */
extern const struct transport_ops usb_ops;
void LIBUSB_CALL usb_out_done(struct libusb_transfer *);
void LIBUSB_CALL usb_in_done(struct libusb_transfer *);
/* Cancel all, and see them come back: only then are their buffers ours. 0, or -EBUSY: some did not, in a second. */
int usb_drain(struct usb *);
#endif
