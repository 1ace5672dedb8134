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

struct board_config {
    uint64_t seed;         /* RAM at power-on, noise, loss */
    int32_t rc_error[16];  /* each tiny's oscillator error, parts per million; +-100000 in the datasheet */
    double lane_noise;     /* probability that a lane's sampled level is flipped, per plane and lane */
    double byte_loss;      /* probability that a byte on a lane is lost, each way: its start bit is masked */
    uint8_t serial[10];    /* the pump chip's signature row serial number */
};

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

/* --- the USB host port, full speed: 1,500 byte times per frame, 13 of overhead per bulk transaction (USB 2.0 table
 * 5-9: 19 transactions of 64 bytes), NAKed transactions cost what they cost on the wire --- */
void board_usb_attach(struct board *); /* VBUS on; the firmware may now connect */
void board_usb_detach(struct board *);
int board_usb_attached(const struct board *); /* the device has its pull-up on */
void board_usb_reset(struct board *);   /* bus reset, 10 ms */
void board_usb_suspend(struct board *); /* no SOF until board_usb_resume */
void board_usb_resume(struct board *);
/* A control transfer, run to its end. Length of the IN data, or 0; -EPIPE STALL, -ETIMEDOUT after 5 s of board time,
 * -ENODEV not attached. `data` is read or filled by the direction in setup[0]. */
int board_usb_control(struct board *, const uint8_t setup[8], uint8_t *data, unsigned length);
/* Queue one packet for a bulk OUT endpoint (length 0 is a ZLP). -EAGAIN: 64 packets wait already. -EPIPE: halted. */
int board_usb_out(struct board *, uint8_t endpoint, const uint8_t *packet, unsigned length);
unsigned board_usb_out_waiting(const struct board *, uint8_t endpoint);
/* The host polls a bulk IN endpoint for at most this many packets more (credits add up): the host's queued transfers.*/
void board_usb_in_credit(struct board *, uint8_t endpoint, unsigned packets);
/* Next packet that arrived: its length, or -EAGAIN, or -EPIPE. */
int board_usb_in(struct board *, uint8_t endpoint, uint8_t packet[64]);
#endif
