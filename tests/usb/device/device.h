/* The simulated board as a USB device for QEMU: what its parts know of each other.
 *
 *   redir.c   usbredir messages <-> transfers        faults.c  what a broken board or another firmware would answer
 *   port.c    transfers <-> the board's packets      main.c    sockets, the pace of time, the test's orders
 *   dfu.c     the pump chip in its bootloader
 */
#ifndef TINYMUX_DEVICE_H
#define TINYMUX_DEVICE_H
#include <stdbool.h>
#include <stdint.h>
#include "board.h"

/* Ends of a transfer, as usbredir names them. */
enum end { END_OK, END_CANCELLED, END_STALL, END_BABBLE };

enum fault {
    FAULT_NONE,
    FAULT_PROTOCOL,   /* VERSION answers with protocol version `fault_value` */
    FAULT_FIRMWARE,   /* our VID and PID, another maker's firmware: no vendor request, IN says anything */
    FAULT_DESCRIPTOR, /* the configuration descriptor declares no endpoints */
    FAULT_STALL,      /* all but the standard requests stalls */
    FAULT_BABBLE,     /* bulk IN sends more than a packet */
    FAULT_REFUSE,     /* every OUT packet is answered with OP_REFUSED */
    FAULT_LOSE,       /* `fault_value` IN packets are swallowed, then none */
    FAULT_HANG,       /* nothing is answered until `fault_value` bus resets have passed; requests time out at once */
    FAULT_MUTE,       /* requests are never answered */
    FAULTS
};
extern const char *const fault_names[FAULTS];

struct transfer { /* one bulk transfer of the guest's, as long as it waits */
    struct transfer *next;
    uint64_t id;
    uint8_t endpoint;
    uint32_t length, moved; /* bytes */
    uint64_t first;         /* OUT: packets queued before its first one, counted since reset */
    uint8_t data[];
};
struct queue { struct transfer *head, **tail; };

struct device {
    struct board *board; /* NULL while unplugged */
    bool bootloader;   /* dfu.c answers, not the board */
    bool leaves;       /* the bootloader starts what it has written */
    enum fault fault;
    unsigned fault_value;
    struct queue out, in;
    uint64_t queued;   /* OUT packets given to the board since reset */
    bool credit;       /* the board may deliver one more IN packet */
    struct { uint64_t out, in, transfers, resets, lost_ns; } count;
    struct usbredirparser *parser;
    int usb, control; /* sockets */
};

/* --- port.c --- */
void port_clear(struct device *);
int port_submit(struct device *, uint64_t id, uint8_t endpoint, const uint8_t *data, uint32_t length);
bool port_cancel(struct device *, uint64_t id); /* false: it had ended already */
void port_feed(struct device *);                /* guest's OUT bytes and IN wishes to the board */
void port_collect(struct device *);             /* what the board has done, to the guest */
bool port_waiting(const struct device *);       /* a transfer waits for the board */

/* --- faults.c: each looks at what the board does and may do something else --- */
int fault_control(struct device *, const uint8_t setup[8], uint8_t *data, unsigned length);
bool fault_mute(const struct device *); /* this request gets no answer */
enum end fault_in(struct device *, uint8_t packet[64], int *length);
bool fault_silent(struct device *); /* bulk endpoints NAK for ever */

/* --- dfu.c --- */
enum { DFU_FLASH = 0x7000 }; /* bytes; the bootloader has the rest */
void dfu_begin(void);
int dfu_control(struct device *, const uint8_t setup[8], uint8_t *data, unsigned length);
const uint8_t *dfu_flash(void);

/* --- redir.c --- */
int redir_start(struct device *);
void redir_plug(struct device *);
void redir_unplug(struct device *);
int redir_read(struct device *);  /* 0, or -EPIPE: QEMU is gone */
int redir_write(struct device *);
bool redir_ready(const struct device *); /* QEMU has said hello */
bool redir_unsent(const struct device *);
void redir_end(struct device *, const struct transfer *, enum end);
#endif
