/* All that the host can read: the descriptors (USB 2.0 section 9.6: one configuration, one vendor-class interface, two
 * bulk endpoints) and the board's own answers. Constants are kept in RAM like the rest; there is plenty of it. */
#include <avr/boot.h>
#include "firmware.h"
#include "protocol.h"
#include "wiring.h"

enum { DEVICE = 1, CONFIGURATION, STRING, INTERFACE, ENDPOINT };
enum { LANGUAGES, MANUFACTURER, PRODUCT, SERIAL }; /* string indexes */

#define U16(value) (value) & 0xFF, (value) >> 8
#define VENDOR_CLASS 0xFF
#define BULK 2

static const uint8_t device_descriptor[] = {
    18, DEVICE,
    U16(0x0200), /* USB 2.0 */
    VENDOR_CLASS, 0, 0,
    USB_PACKET, /* EP0 */
    U16(USB_VENDOR_ID), U16(USB_PRODUCT_ID), U16(FIRMWARE_VERSION),
    MANUFACTURER, PRODUCT, SERIAL,
    1, /* configurations */
};

static const uint8_t configuration_descriptor[] = {
    9, CONFIGURATION,
    U16(9 + 9 + 7 + 7),
    1, 1, 0,            /* interfaces, this configuration's value, no string */
    0x80,               /* bus powered, no remote wakeup */
    USB_CURRENT_MA / 2, /* in units of 2 mA */
    9, INTERFACE, 0, 0, 2, VENDOR_CLASS, 0, 0, 0, /* two endpoints */
    7, ENDPOINT, USB_EP_OUT, BULK, U16(USB_PACKET), 0,
    7, ENDPOINT, USB_EP_IN, BULK, U16(USB_PACKET), 0,
};

/* The u makes them UTF-16, as USB wants them; the length leaves out the 0 at the end. */
#define STRING_DESCRIPTOR(name, text) \
    static const struct { uint8_t length, type; __CHAR16_TYPE__ characters[sizeof(text) - 1]; } name = { \
        2 * sizeof(text), STRING, u"" text }

static const uint8_t languages[] = { 4, STRING, U16(0x0409) }; /* English (United States) */
STRING_DESCRIPTOR(manufacturer, USB_MANUFACTURER);
STRING_DESCRIPTOR(product, USB_PRODUCT);

enum { SERIAL_ROW = 0x0E, SERIAL_BYTES = 10 }; /* its place in the signature row */
static struct { uint8_t length, type; uint16_t digits[2 * SERIAL_BYTES]; } serial = { sizeof serial, STRING, { 0 } };

void serial_init(void)
{
    uint16_t *to = serial.digits;
    for (uint8_t i = 0; i < 2 * SERIAL_BYTES; i++) {
        uint8_t digit = boot_signature_byte_get(SERIAL_ROW + i / 2);
        if (!(i & 1))
            digit >>= 4;
        digit &= 0x0F;
        *to++ = digit < 10 ? '0' + digit : 'A' - 10 + digit;
    }
}

static const uint8_t zeros[2];
static const uint8_t version[] = { PROTOCOL_VERSION, LANES, U16(FIRMWARE_VERSION) };

#define GET(type, request, value, answer, length) { REQUEST(TO_HOST | type, request, value), answer, length }
#define GET_ALL(type, request, value, answer) GET(type, request, value, &answer, sizeof answer)
const struct answer answers[] = {
    GET_ALL(TO_DEVICE, GET_DESCRIPTOR, DEVICE << 8, device_descriptor),
    GET_ALL(TO_DEVICE, GET_DESCRIPTOR, CONFIGURATION << 8, configuration_descriptor),
    GET_ALL(TO_DEVICE, GET_DESCRIPTOR, STRING << 8 | LANGUAGES, languages),
    GET_ALL(TO_DEVICE, GET_DESCRIPTOR, STRING << 8 | MANUFACTURER, manufacturer),
    GET_ALL(TO_DEVICE, GET_DESCRIPTOR, STRING << 8 | PRODUCT, product),
    GET_ALL(TO_DEVICE, GET_DESCRIPTOR, STRING << 8 | SERIAL, serial),
    GET_ALL(TO_DEVICE, GET_CONFIGURATION, 0, configuration),
    GET_ALL(TO_DEVICE, GET_STATUS, 0, zeros), /* bus powered, no remote wakeup */
    GET_ALL(TO_INTERFACE, GET_STATUS, 0, zeros),
    GET(TO_INTERFACE, GET_INTERFACE, 0, zeros, 1),
    GET_ALL(OF_VENDOR, REQUEST_VERSION, 0, version),
    GET_ALL(OF_VENDOR, REQUEST_RESETS, 0, status.resets),
    GET_ALL(OF_VENDOR, REQUEST_STATUS, 0, status),
};
const uint8_t answers_count = sizeof answers / sizeof *answers;

_Static_assert(sizeof product < USB_PACKET && sizeof manufacturer < USB_PACKET && sizeof serial < USB_PACKET,
               "an answer must be shorter than one packet of EP0");
