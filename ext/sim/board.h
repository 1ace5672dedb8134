/* The simulated board: one pump chip, sixteen tinies, two 74HC595s, one clock, and the USB host port of the pump chip.
 *
 * Board time is picoseconds since power-on; nothing here looks at the wall clock. The same configuration and the same
 * calls give the same trace.
 */
#ifndef TINYMUX_SIM_BOARD_H
#define TINYMUX_SIM_BOARD_H
#include <stddef.h>
#include <stdint.h>

#define BOARD_PS_PER_MS 1000000000ULL

struct board; /* opaque */
struct mega;
struct tiny;
struct usb_host;

struct board_config {
    uint64_t seed;         /* RAM at power-on, noise, loss */
    int32_t rc_error[16];  /* each tiny's oscillator error, parts per million; +-100000 in the datasheet */
    double lane_noise;     /* probability that a lane's sampled level is flipped, per plane and lane */
    double byte_loss;      /* probability that a byte on a lane is lost, each way: its start bit is masked */
    uint8_t serial[10];    /* the pump chip's signature row serial number */
    uint32_t rise_ns;      /* a released lane is high only after this time; design: 310-660 with 30 pF */
    uint32_t host_latency_us; /* from the end of a bulk transaction until the host's software learns of it */
};
#define BOARD_DEFAULTS { .rise_ns = 500, .host_latency_us = 125 }

/* NULL: no memory. All flashes are erased; the pump chip and the tinies are powered but have nothing to run. */
struct board *board_new(const struct board_config *);
void board_free(struct board *);

/* Put an image into flash as if programmed before power-on. -EFBIG: larger than the flash. */
int board_load_pump(struct board *, const uint8_t *image, size_t length);
int board_load_tiny(struct board *, unsigned lane, const uint8_t *image, size_t length);

/* Run to the given board time. Stops early, after at least one USB transaction, when an IN packet has arrived
 * (returns 1), else 0. */
int board_run(struct board *, uint64_t until_ps);
uint64_t board_time(const struct board *); /* ps */
/* All power off for 100 ms and on again, USB cable in or out as before. Flash, EEPROM and queues of the host: kept, kept,
 * lost. */
void board_power_cycle(struct board *);

/* --- to look at; the chips have been run to board_time --- */
const struct mega *board_pump(const struct board *);
const struct tiny *board_tiny(const struct board *, unsigned lane);
const struct usb_host *board_host(const struct board *); /* what the bus was used for */
/* /RESET of the tinies, 1 = running, as the 74HC595s drive them; bit = lane. */
uint16_t board_running(const struct board *);
int board_led(const struct board *); /* the activity LED is lit */
/* A wire has changed, at this time: for traces. Each is told once at the start, as it is then. Signals: 0-15 lanes as
 * the pump drives them, 16-31 PB0 as the tinies do, 32-47 user pins (PB2), 48-63 /RESET, 64 the clock, 65 the activity
 * LED. Level 2: released. */
typedef void board_trace_fn(void *context, unsigned signal, unsigned level, uint64_t ps);
void board_trace(struct board *, board_trace_fn *, void *context);

/* --- the USB host port, full speed: 1,500 byte times per frame, 13 of overhead per bulk transaction (USB 2.0 table
 * 5-9: 19 transactions of 64 bytes), NAKed transactions cost what they cost on the wire --- */
void board_usb_attach(struct board *); /* VBUS on; the firmware may now connect */
void board_usb_detach(struct board *);
int board_usb_attached(const struct board *); /* the device has its pull-up on */
uint64_t board_usb_silent(const struct board *); /* transactions that no device answered */
void board_usb_reset(struct board *);   /* bus reset, 10 ms */
void board_usb_suspend(struct board *); /* no SOF until board_usb_resume */
void board_usb_resume(struct board *);
/* A control transfer, run to its end. Length of the IN data, or 0; -EPIPE STALL, -ETIMEDOUT after 5 s of board time,
 * -EPROTO no answer, -EOVERFLOW too much data, -ENODEV not attached. `data` is read or filled by the direction in
 * setup[0]. */
int board_usb_control(struct board *, const uint8_t setup[8], uint8_t *data, unsigned length);
/* The same with another limit on its board time. */
int board_usb_control_within(struct board *, const uint8_t setup[8], uint8_t *data, unsigned length, uint64_t ps);
/* Queue one packet for a bulk OUT endpoint (length 0 is a ZLP). -EAGAIN: 64 packets wait already. -EPIPE: halted. */
int board_usb_out(struct board *, uint8_t endpoint, const uint8_t *packet, unsigned length);
unsigned board_usb_out_waiting(const struct board *, uint8_t endpoint);
/* The endpoint has answered STALL: nothing passes before CLEAR_FEATURE, SET_INTERFACE or SET_CONFIGURATION. */
int board_usb_halted(const struct board *, uint8_t endpoint);
/* The host takes back what it has queued for a bulk endpoint: OUT packets not sent yet, IN credits, IN packets not
 * taken. */
void board_usb_cancel(struct board *, uint8_t endpoint);
/* The host polls a bulk IN endpoint for at most this many packets more (credits add up): the host's queued transfers.*/
void board_usb_in_credit(struct board *, uint8_t endpoint, unsigned packets);
/* Next packet that arrived: its length, or -EAGAIN, or -EPIPE. */
int board_usb_in(struct board *, uint8_t endpoint, uint8_t packet[64]);
/* What an operating system does to a new device: attach, debounce, reset, descriptors, address, configuration 1.
 * 0, or the first error. -ENODEV: the firmware does not connect within 2 s; -EPROTO: descriptors that make no sense. */
int board_usb_enumerate(struct board *);
#endif
