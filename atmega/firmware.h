/* What the parts of the pump firmware share. */
#ifndef FIRMWARE_H
#define FIRMWARE_H
#include <stdint.h>

/* pump.S: moves planes, and calls usb_service when there is something to do there; never returns. */
void pump(void) __attribute__((noreturn));
extern uint8_t padding[4][2]; /* by opcode - 1: loops of 3 cycles while the clock is low, high; never 0 */

/* usb.c: attach; then do what a bus event or EP0 asks for, without ever waiting for the host. */
void usb_init(void);
void usb_service(void);
extern uint8_t configuration; /* 0 or 1 */

/* What a SETUP asks for: bmRequestType, bRequest and wValue as one number, in their order on the wire. */
#define REQUEST(type, request, value) ((type) | (uint16_t)(request) << 8 | (uint32_t)(value) << 16)
enum { TO_DEVICE = 0x00, TO_INTERFACE = 0x01, TO_ENDPOINT = 0x02, OF_VENDOR = 0x40, TO_HOST = 0x80 };
enum {
    GET_STATUS = 0,
    CLEAR_FEATURE = 1,
    SET_FEATURE = 3,
    SET_ADDRESS = 5,
    GET_DESCRIPTOR = 6,
    GET_CONFIGURATION = 8,
    SET_CONFIGURATION = 9,
    GET_INTERFACE = 10,
    SET_INTERFACE = 11,
};

/* descriptors.c: all that the host can read, but for what depends on wIndex. */
extern const struct answer {
    uint32_t request;
    const void *bytes;
    uint8_t length; /* below 64: one short packet of EP0, so no answer ever needs a second packet or a ZLP */
} answers[];
extern const uint8_t answers_count;
void serial_init(void); /* from the signature row to the string */

/* resets.c: the 16-bit reset register, 1 = tiny held in reset. */
void resets_init(void);
void resets_set(uint16_t resets);

/* main.c: what STATUS answers, byte for byte. pump.S writes refused and packets. */
extern struct status {
    uint8_t bus_resets, refused;
    uint16_t resets;
    uint32_t packets;
} status;
#endif
