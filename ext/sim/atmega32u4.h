/* ATmega32U4, the pump chip: an AVRe+ core and the peripherals that a USB firmware uses (datasheet 7766J).
 *
 * Modelled: ports B-F, clock prescaler, PLL, USB device controller, timers 0, 1 and 3 (normal and CTC), EEPROM, watchdog,
 * sleep, signature row. Other registers of the chip keep what is written and do nothing; addresses that the chip does not
 * have read 0 and are counted.
 */
#ifndef TINYMUX_SIM_ATMEGA32U4_H
#define TINYMUX_SIM_ATMEGA32U4_H
#include "avr.h"

enum { MEGA_FLASH_WORDS = 16384, MEGA_RAM = 2560, MEGA_EEPROM = 1024, MEGA_SERIAL = 10 };
enum { MEGA_CRYSTAL_PS = 62500 }; /* 16 MHz */
enum { USB_ENDPOINTS = 7, USB_BANKS = 2, USB_BANK_SIZE = 256 };
enum mega_port { MEGA_B, MEGA_C, MEGA_D, MEGA_E, MEGA_F, MEGA_PORTS };

/* What a pin does for the wire at it: drives low, drives high, or (neither) leaves it, maybe with its pull-up on. */
struct mega_drive {
    uint8_t low, high, pull_up;
};

/* What a device controller answers to a token. */
enum usb_answer { USB_SILENT = -1, USB_NAK = -2, USB_STALL = -3, USB_ACK = 0 };

struct mega;

/* What the board is to the chip. */
struct mega_board {
    uint8_t wired[MEGA_PORTS]; /* pins with something else on their wire */
    /* A port's outputs changed, at this time. */
    void (*drive)(void *board, enum mega_port, struct mega_drive, uint64_t ps);
    /* Levels of a port's wires at this time, a little in the past. Pins that the chip drives are not looked at. */
    uint8_t (*sense)(void *board, enum mega_port, uint64_t ps);
};

/* Things that happen at a time of their own. Times are in ps of board time: some clocks do not follow CLKPR. */
enum mega_event {
    EVENT_TIMER0, EVENT_TIMER1, EVENT_TIMER3, EVENT_PLL, EVENT_EEPROM, EVENT_WATCHDOG, EVENT_SIGNATURE, MEGA_EVENTS
};
#define MEGA_NEVER UINT64_MAX

struct mega_timer {
    uint64_t since; /* CPU cycle at which the count was `count` and the prescaler at 0 */
    uint16_t count, compare[3], top_latch;
    uint8_t control_a, control_b, flags, mask, high; /* high: the shared byte of 16-bit accesses */
};

struct usb_bank {
    uint8_t data[USB_BANK_SIZE];
    uint16_t length, position;
};

struct usb_endpoint {
    uint8_t control, config0, config1, enables; /* UECONX (EPEN and STALLRQ), UECFG0X, UECFG1X, UEIENX */
    uint8_t flags;                              /* UEINTX without RWAL, which is computed */
    uint8_t toggle, received_toggle;
    uint8_t cpu, host, busy; /* bank that the CPU has, bank that the bus has, number of busy banks */
    bool usable;             /* CFGOK */
    bool to_host;            /* EP0: CTRLDIR */
    bool queued;             /* EP0: TXINI cleared, the bank waits for an IN token */
    bool status_seen;        /* EP0: the first OUT of a control read's status stage was NAKed */
    struct usb_bank bank[USB_BANKS];
};

struct mega_usb {
    uint8_t hardware, control, status, vbus_flag; /* UHWCON, USBCON, USBSTA, USBINT */
    uint8_t device, flags, enables, address;      /* UDCON, UDINT, UDIEN, UDADDR */
    uint8_t selected, resets;                     /* UENUM, UERST */
    uint16_t frame;                               /* UDFNUM at `frame_ps`; it goes on by itself while `frames_run` */
    uint64_t frame_ps;
    bool frames_run;
    struct usb_endpoint endpoint[USB_ENDPOINTS];
};

struct mega {
    struct avr avr;
    const struct mega_board *calls;
    void *board;
    uint64_t event[MEGA_EVENTS], next_event; /* ps */
    uint64_t base_ps, base_cycle;            /* board time at a CPU cycle: moves when the clock is switched */
    uint32_t cycle_ps;                       /* length of a CPU cycle */
    uint8_t io[256];                         /* registers that are only storage */
    uint64_t unknown;                        /* accesses to addresses that the chip does not have */
    uint64_t misuse;                         /* things that the datasheet forbids, done by the firmware */
    uint64_t resets;                         /* since power-on, without the power-on itself */
    uint64_t effects;                        /* accesses so far that a waiting loop must not have: mega_idle.c */
    struct {
        uint64_t effects;
        uint16_t pc;
        uint8_t turns, elsewhere;
        bool waits; /* proven to be in a waiting loop, and nothing has happened since */
    } poll;

    struct {
        uint8_t ddr, port;
        struct mega_drive now, before;
        uint64_t changed; /* ps at which `before` became `now` */
    } port[MEGA_PORTS];
    uint64_t timed; /* CPU cycle until which a timed sequence stays open, for this register, begun with this value */
    uint16_t timed_address;
    uint8_t timed_value;
    struct mega_timer timer[3]; /* timers 0, 1, 3 */
    struct mega_usb usb;
    bool pll_locked;
    uint8_t eeprom[MEGA_EEPROM];
    uint16_t *program, *signature; /* flash, and what LPM sees instead while SIGRD is open */
};

/* --- for the board --- */
int mega_init(struct mega *, const struct mega_board *, void *board); /* 0, -ENOMEM */
void mega_free(struct mega *);
/* `serial`: the ten serial number bytes of the signature row. RAM is filled from `seed`. */
void mega_power_on(struct mega *, uint64_t ps, const uint8_t serial[MEGA_SERIAL], uint64_t seed);
int mega_load(struct mega *, const uint8_t *image, uint64_t length); /* 0, -EFBIG */
void mega_run(struct mega *, uint64_t until_ps);
uint64_t mega_time(const struct mega *); /* ps of board time that the chip has reached */

/* --- for the USB host, at the time that the chip has reached --- */
void mega_usb_vbus(struct mega *, bool on);
bool mega_usb_attached(const struct mega *); /* the pull-up on D+ is on */
void mega_usb_bus_reset(struct mega *, bool end);
void mega_usb_frame(struct mega *, uint16_t number, uint64_t ps);
/* A frame would change nothing that the firmware could notice but UDFNUM, which counts by itself: none need be told. */
bool mega_usb_frame_unnoticed(const struct mega *);
void mega_usb_idle(struct mega *); /* 3 ms without activity */
void mega_usb_resume(struct mega *, bool end);
/* The two halves of a transaction. `begin` says what the controller will answer; for USB_ACK `end` does the rest.
 * OUT and SETUP: data and toggle are the host's. IN: begin gives the length and the controller's data and toggle. */
int mega_usb_setup(struct mega *, unsigned address, const uint8_t data[8]);
int mega_usb_out_begin(struct mega *, unsigned address, unsigned endpoint, unsigned length);
void mega_usb_out_end(struct mega *, unsigned endpoint, unsigned toggle, const uint8_t *data, unsigned length);
int mega_usb_in_begin(struct mega *, unsigned address, unsigned endpoint, uint8_t *data, unsigned *toggle);
void mega_usb_in_end(struct mega *, unsigned endpoint);
#endif
