/* The USB device: bus events and EP0 (USB 2.0 chapter 9; datasheet chapters 21 and 22, the registers in 22.18).
 *
 * Every answer fits one packet of EP0, and no request that the host may make has data to receive, so a control
 * transfer is one visit at its SETUP and one at its status stage. Nothing here waits for the host: between the two
 * visits, and if the second never comes, planes flow. A new SETUP or a bus reset ends what was open (8.5.3.1). */
#include <avr/io.h>
#include <avr/wdt.h>
#include <stdbool.h>
#include "firmware.h"
#include "protocol.h"

enum { ENDPOINT_HALT = 0 }; /* the one feature there is */

struct setup {
    union {
        struct {
            uint8_t type, request;
            uint16_t value;
        };
        uint16_t what;    /* type and request */
        uint32_t exactly; /* ... and value */
    };
    uint16_t index, length;
};

enum { EP_OUT = USB_EP_OUT, EP_IN = USB_EP_IN & 0x0F };
enum { CONTROL = 0, BULK_OUT = 1 << EPTYPE1, BULK_IN = 1 << EPTYPE1 | 1 << EPDIR };
enum { BANK = 1 << EPSIZE1 | 1 << EPSIZE0 | 1 << ALLOC, BANKS = BANK | 1 << EPBK0 }; /* one or two of 64 bytes */
_Static_assert(USB_PACKET == 64, "BANK is for packets of 64 bytes");

/* What makes UEINT tell pump.S to call here: a SETUP, and the OUT status stage after an answer. */
enum { EP0_EVENTS = 1 << RXSTPE | 1 << RXOUTE };

uint8_t configuration;
static uint8_t address; /* what SET_ADDRESS asked for */

static void endpoint_off(uint8_t number)
{
    UENUM = number;
    UECONX = 0; /* empties its banks, clears the data toggle (22.6) */
}

static void endpoint(uint8_t number, uint8_t kind, uint8_t banks, uint8_t events)
{
    endpoint_off(number);
    UECONX = 1 << STALLRQC | 1 << EPEN; /* a halt is not among what 22.3 and 22.6 reset */
    UECFG0X = kind;
    UECFG1X = banks;
    UEIENX = events;
}

static void lanes_release(void)
{
    DDRB = 0;
    DDRD = 0;
}

/* Also the host's way to a clean start: nothing is left of earlier packets. Endpoints get their memory in ascending
 * order, endpoint 0 first (21.9). */
static void configure(uint8_t value)
{
    lanes_release();
    configuration = value;
    endpoint_off(EP_OUT);
    endpoint_off(EP_IN);
    if (value) {
        endpoint(EP_OUT, BULK_OUT, BANKS, 1 << RXOUTE);
        endpoint(EP_IN, BULK_IN, BANKS, 1 << TXINE);
    }
}

void usb_init(void)
{
    serial_init();
    USBCON = 1 << FRZCLK; /* forget what a bootloader may have left */
    UHWCON = 1 << UVREGE;
    USBCON = 1 << USBE | 1 << FRZCLK;
    PLLFRQ = 1 << PDIV2;              /* 48 MHz, ... */
    PLLCSR = 1 << PINDIV | 1 << PLLE; /* ... from a crystal of 16 (6.11) */
    while (!(PLLCSR & 1 << PLOCK)) {  /* about 100 us; without a crystal the watchdog ends it */
    }
    USBCON = 1 << USBE | 1 << OTGPADE; /* the clock runs, and the pad sees VBUS */
    UDCON = 0;                         /* attach, full speed */
}

static void bus_reset(void)
{
    UDINT = (uint8_t)~(1 << EORSTI);
    status.bus_resets++;
    endpoint(0, CONTROL, BANK, EP0_EVENTS); /* at address 0, by hardware (22.7) */
    configure(0);
}

/* 3 ms without a frame: the host sleeps. The tinies run on, unclocked and undisturbed. */
static void suspend(void)
{
    lanes_release();
    UDINT = (uint8_t)~(1 << SUSPI | 1 << WAKEUPI | 1 << SOFI);
    while (!(UDINT & (1 << WAKEUPI | 1 << SOFI | 1 << EORSTI)))
        wdt_reset();
    UDINT = (uint8_t)~(1 << WAKEUPI);
}

/* Selects the bulk endpoint that wIndex names; false: there is none, or it is not configured. */
static bool select_bulk(uint16_t index)
{
    if (!configuration || (index != USB_EP_OUT && index != USB_EP_IN))
        return false;
    UENUM = index & 0x0F;
    return true;
}

/* The padding of the opcode in wIndex; 0: it names none. */
static uint8_t *padding_of(uint16_t opcode)
{
    uint16_t run = opcode - 1;
    return run < sizeof padding / sizeof *padding ? padding[run] : 0;
}

/* Requests with an answer: put it into EP0's bank. False: there is none. */
static bool read(const struct setup *setup)
{
    uint8_t halted[2] = { 0, 0 };
    const uint8_t *bytes = halted;
    uint8_t length = 2;
    if (setup->what == (uint16_t)REQUEST(TO_HOST | TO_ENDPOINT, GET_STATUS, 0)) {
        if (setup->index & ~TO_HOST) { /* not EP0 */
            if (!select_bulk(setup->index))
                return false;
            if (UECONX & 1 << STALLRQ)
                halted[0] = 1;
        }
    } else if (setup->what == (uint16_t)REQUEST(TO_HOST | OF_VENDOR, REQUEST_PADDING, 0)) {
        bytes = padding_of(setup->index);
        if (!bytes)
            return false;
    } else {
        const struct answer *answer = answers;
        while (answer->request != setup->exactly)
            if (++answer == answers + answers_count)
                return false;
        bytes = answer->bytes;
        length = answer->length;
    }
    if (length > setup->length)
        length = setup->length;
    UENUM = 0;
    while (length--)
        UEDATX = *bytes++;
    return true;
}

/* Requests without data. False: not possible. */
static bool write(const struct setup *setup)
{
    uint16_t value = setup->value;
    switch (setup->what) {
    case REQUEST(TO_DEVICE, SET_ADDRESS, 0):
        if (value > 127)
            return false;
        address = value; /* holds once the host has the status stage; usb_service is called then */
        UEIENX = EP0_EVENTS | 1 << TXINE;
        return true;
    case REQUEST(TO_DEVICE, SET_CONFIGURATION, 0):
        if (value > 1)
            return false;
        configure(value);
        return true;
    case REQUEST(TO_INTERFACE, SET_INTERFACE, 0):
        if (value)
            return false;
        configure(1);
        return true;
    case REQUEST(TO_ENDPOINT, SET_FEATURE, 0):
    case REQUEST(TO_ENDPOINT, CLEAR_FEATURE, 0):
        if (value != ENDPOINT_HALT || !select_bulk(setup->index))
            return false;
        UECONX = setup->request == SET_FEATURE ? 1 << STALLRQ | 1 << EPEN : 1 << STALLRQC | 1 << RSTDT | 1 << EPEN;
        return true;
    case REQUEST(OF_VENDOR, REQUEST_RESETS, 0):
        resets_set(value);
        return true;
    case REQUEST(OF_VENDOR, REQUEST_PADDING, 0): {
        uint8_t *loops = padding_of(setup->index), low = value & 0xFF, high = value >> 8;
        if (!loops || !low || !high) /* a loop of 0 would be one of 256 */
            return false;
        loops[0] = low;
        loops[1] = high;
        return true;
    }
    }
    return false;
}

static bool act(const struct setup *setup)
{
    if ((setup->type & 0x1F) == TO_INTERFACE && (setup->index || !configuration))
        return false;
    if (setup->type & TO_HOST)
        return read(setup);
    return !setup->length && write(setup);
}

static void setup_stage(void)
{
    struct setup setup;
    for (uint8_t i = 0; i < sizeof setup; i++)
        ((uint8_t *)&setup)[i] = UEDATX;
    UEIENX = EP0_EVENTS; /* an address that was under way is not coming */
    UEINTX = (uint8_t)~(1 << RXSTPI | 1 << RXOUTI);
    while (!(UEINTX & (1 << TXINI | 1 << RXSTPI))) { /* the bank turns round, by itself */
    }
    bool done = act(&setup);
    UENUM = 0;
    if (done)
        UEINTX = (uint8_t)~(1 << TXINI); /* send the answer, or the ZLP of the status stage */
    else
        UECONX = 1 << STALLRQ | 1 << EPEN; /* until the next SETUP (22.11) */
}

void usb_service(void)
{
    if (USBINT & 1 << VBUSTI) {
        USBINT = 0;
        if (!(USBSTA & 1 << VBUS)) /* the cable is pulled */
            configure(0);
    }
    if (UDINT & 1 << SUSPI)
        suspend();
    if (UDINT & 1 << EORSTI)
        bus_reset();
    UENUM = 0;
    uint8_t events = UEINTX;
    if (events & 1 << RXSTPI)
        setup_stage();
    else if (events & 1 << RXOUTI) /* the host has the answer: its status stage */
        UEINTX = (uint8_t)~(1 << RXOUTI);
    else if (events & UEIENX & 1 << TXINI) {
        UEIENX = EP0_EVENTS;
        UDADDR = address; /* and only then, not at once, ADDEN (22.7) */
        UDADDR = address | 1 << ADDEN;
    }
}
