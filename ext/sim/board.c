/* Seventeen chips on one clock: the wires between the pump chip, the tinies and the 74HC595s, and who runs when.
 *
 * The pump chip leads. Its outputs become edges with times; a tiny runs only when something wants to know what it drives:
 * the pump chip reads its lane, its /RESET changes, or a slice of time ends.
 */
#include "board.h"
#include "atmega32u4.h"
#include "attiny10.h"
#include "faults.h"
#include "shift595.h"
#include "usb_host.h"
#include "wiring.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { SIGNAL_LANE = 0, SIGNAL_PIN = 16, SIGNAL_USER = 32, SIGNAL_RESET = 48, SIGNAL_CLOCK = 64, SIGNAL_LED = 65 };
#define POWER_OFF_PS (100 * BOARD_PS_PER_MS)
#define CONTROL_TIMEOUT_PS (5000 * BOARD_PS_PER_MS)

struct board {
    struct board_config config;
    struct mega pump;
    struct tiny tiny[LANES];
    struct wire clock;
    struct shift595 resets;
    struct usb_host host;
    struct faults faults;
    uint64_t now, rise_ps;

    uint16_t low;              /* lanes that the pump chip drives low */
    uint16_t rising;           /* released lanes that are not yet high, and when they will be */
    uint64_t rise_at[LANES];
    uint16_t faulted;          /* lanes whose level is another than `low` says, until the clock falls */
    uint16_t running;          /* /RESET lines, bit = lane */
    unsigned edges;            /* pushed since all tinies were run: their rings are finite */
    struct mega_drive drive[MEGA_PORTS];
    board_trace_fn *trace;
    void *trace_context;
};

static void trace(struct board *b, unsigned signal, unsigned level, uint64_t ps)
{
    if (b->trace)
        b->trace(b->trace_context, signal, level, ps);
}

/* --- the tinies, run to a time --- */

/* Lanes whose rise is over by then get their edge. */
static void finish_rises(struct board *b, uint16_t lanes, uint64_t ps)
{
    for (unsigned left = b->rising & lanes; left; left &= left - 1) {
        unsigned lane = __builtin_ctz(left);
        if (b->rise_at[lane] <= ps) {
            tiny_lane_pin(&b->tiny[lane], b->rise_at[lane], true);
            b->rising &= ~(1 << lane);
        }
    }
}

static void run_tinies(struct board *b, uint64_t ps)
{
    finish_rises(b, 0xFFFF, ps);
    for (unsigned lane = 0; lane < LANES; lane++)
        tiny_run(&b->tiny[lane], ps);
    b->edges = 0;
}

/* --- the pump chip's outputs --- */

static void lane_level(struct board *b, unsigned lane, bool released, uint64_t ps)
{
    uint16_t bit = 1 << lane;
    if (b->rising & bit)
        finish_rises(b, bit, ps);
    if (released) {
        b->rise_at[lane] = ps + b->rise_ps;
        b->rising |= bit;
    } else {
        b->rising &= ~bit;
        tiny_lane_pin(&b->tiny[lane], ps, false);
    }
}

static void drive_lanes(struct board *b, enum mega_port port, struct mega_drive drive, uint64_t ps)
{
    unsigned first = port == MEGA_B ? 0 : 8;
    uint16_t now = drive.low << first, changed = (b->low ^ now) & (0xFF << first);
    b->low ^= changed;
    for (unsigned left = changed; left; left &= left - 1) {
        unsigned lane = __builtin_ctz(left);
        lane_level(b, lane, !(now >> lane & 1), ps);
        trace(b, SIGNAL_LANE + lane, now >> lane & 1 ? 0 : 2, ps);
    }
}

/* Tinies take a plane at the rising edge: faults are on the wire from there to the falling one. */
static void fault_plane(struct board *b, bool rising, uint64_t ps)
{
    uint16_t before = b->faulted;
    b->faulted = rising ? faults_apply(&b->faults, FAULT_DOWN, 0, LANES, ~b->low) ^ (uint16_t)~b->low : 0;
    for (unsigned left = before ^ b->faulted; left; left &= left - 1) {
        unsigned lane = __builtin_ctz(left);
        b->rising &= ~(1 << lane);
        tiny_lane_pin(&b->tiny[lane], ps, !(b->low >> lane & 1) ^ (b->faulted >> lane & 1));
    }
}

static void drive_clock(struct board *b, uint64_t ps)
{
    const struct mega_drive *drive = &b->drive[CLOCK_ON - 'B'];
    bool level = (drive->high | drive->pull_up) >> CLOCK_BIT & 1;
    if (level == wire_level(&b->clock, b->clock.count))
        return;
    if (b->faults.on)
        fault_plane(b, level, ps);
    wire_set(&b->clock, ps, level);
    trace(b, SIGNAL_CLOCK, level, ps);
}

static bool signal(const struct board *b, char port, unsigned bit, bool pulled)
{
    const struct mega_drive *drive = &b->drive[port - 'B'];
    return (drive->high >> bit & 1) || (pulled && !(drive->low >> bit & 1));
}

static void drive_resets(struct board *b, uint64_t ps)
{
    static const uint8_t bits[LANES] = { RESET_BITS };
    bool data = signal(b, SR_DATA_ON, SR_DATA_BIT, false), clock = signal(b, SR_CLOCK_ON, SR_CLOCK_BIT, false);
    bool latch = signal(b, SR_LATCH_ON, SR_LATCH_BIT, false), oe_n = signal(b, SR_OE_N_ON, SR_OE_N_BIT, true);
    uint16_t outputs = shift595_inputs(&b->resets, data, clock, latch, oe_n);
    for (unsigned lane = 0; lane < LANES; lane++) {
        bool level = outputs >> bits[lane] & 1;
        if (level == (b->running >> lane & 1))
            continue;
        b->running ^= 1 << lane;
        finish_rises(b, 1 << lane, ps);
        tiny_reset_pin(&b->tiny[lane], ps, level);
        trace(b, SIGNAL_RESET + lane, level, ps);
    }
}

static void drive(void *board, enum mega_port port, struct mega_drive drive, uint64_t ps)
{
    struct board *b = board;
    struct mega_drive before = b->drive[port];
    if (++b->edges > WIRE_EDGES / 4) /* no wire has more than three edges for each change of a port */
        run_tinies(b, ps);
    b->drive[port] = drive;
    if (port == MEGA_B || port == MEGA_D) {
        drive_lanes(b, port, drive, ps);
        return;
    }
    if (port == CLOCK_ON - 'B')
        drive_clock(b, ps);
    if (port == LED_ACTIVITY_ON - 'B' && ((before.high ^ drive.high) >> LED_ACTIVITY_BIT & 1))
        trace(b, SIGNAL_LED, drive.high >> LED_ACTIVITY_BIT & 1, ps);
    if (port == SR_DATA_ON - 'B' || port == SR_CLOCK_ON - 'B' || port == SR_LATCH_ON - 'B' || port == SR_OE_N_ON - 'B')
        drive_resets(b, ps);
}

/* --- the pump chip's inputs --- */

/* A lane that the pump chip does not drive: low while the tiny pulls it, and until its pull-up has charged it. */
static bool lane_high(const struct board *b, unsigned lane, uint64_t ps)
{
    const struct tiny *tiny = &b->tiny[lane];
    switch (tiny_pin(tiny, 0, ps)) {
    case TINY_LOW: return false;
    case TINY_HIGH: return true;
    default: break;
    }
    bool was_low = ps >= tiny->pins_ps && tiny->pins_before.out & 1 && !(tiny->pins_before.level & 1);
    return ps >= b->rise_at[lane] && !(was_low && ps < tiny->pins_ps + b->rise_ps);
}

static uint8_t sense(void *board, enum mega_port port, uint64_t ps)
{
    struct board *b = board;
    unsigned first = port == MEGA_B ? 0 : 8;
    uint8_t levels = 0;
    if (port != MEGA_B && port != MEGA_D)
        return 0xFF; /* pulled up on the board */
    finish_rises(b, 0xFF << first, ps);
    for (unsigned i = 0; i < 8; i++) {
        tiny_run(&b->tiny[first + i], ps);
        levels |= lane_high(b, first + i, ps) << i;
    }
    return b->faults.on ? faults_apply(&b->faults, FAULT_UP, first, 8, levels) : levels;
}

static const struct mega_board calls = {
    .wired = { [MEGA_B] = 0xFF, [MEGA_D] = 0xFF, [SR_OE_N_ON - 'B'] = 1 << SR_OE_N_BIT, [HWB_ON - 'B'] = 1 << HWB_BIT },
    .drive = drive,
    .sense = sense,
};

/* --- power --- */

static void tiny_changed(struct tiny *tiny, uint64_t ps)
{
    struct board *b = tiny->context;
    unsigned lane = tiny - b->tiny;
    static const uint8_t level[] = { [TINY_RELEASED] = 2, [TINY_PULLED_UP] = 2, [TINY_LOW] = 0, [TINY_HIGH] = 1 };
    trace(b, SIGNAL_PIN + lane, level[tiny_pin(tiny, TINY_LANE_BIT, ps)], ps);
    trace(b, SIGNAL_USER + lane, level[tiny_pin(tiny, TINY_USER_BIT, ps)], ps);
}

static void power_on(struct board *b)
{
    uint64_t seed = b->config.seed;
    b->resets.shifted = splitmix64(&seed);
    b->resets.latched = splitmix64(&seed);
    for (unsigned lane = 0; lane < LANES; lane++)
        tiny_power_on(&b->tiny[lane], b->now, splitmix64(&seed), b->config.rc_error[lane]);
    mega_power_on(&b->pump, b->now, b->config.serial, splitmix64(&seed));
}

struct board *board_new(const struct board_config *config)
{
    struct board *b = calloc(1, sizeof *b);
    if (!b)
        return NULL;
    b->config = *config;
    b->rise_ps = config->rise_ns * 1000ULL;
    uint64_t seed = ~config->seed;
    faults_init(&b->faults, splitmix64(&seed), config->lane_noise, config->byte_loss);
    int error = mega_init(&b->pump, &calls, b);
    for (unsigned lane = 0; lane < LANES; lane++) {
        error |= tiny_init(&b->tiny[lane], &b->clock);
        b->tiny[lane].context = b;
    }
    usb_host_init(&b->host, &b->pump);
    b->host.latency_ps = config->host_latency_us * 1000000ULL;
    if (error) {
        board_free(b);
        return NULL;
    }
    power_on(b);
    return b;
}

void board_free(struct board *b)
{
    if (!b)
        return;
    mega_free(&b->pump);
    for (unsigned lane = 0; lane < LANES; lane++)
        tiny_free(&b->tiny[lane]);
    free(b);
}

void board_power_cycle(struct board *b)
{
    bool attached = b->host.state != USB_OFF;
    usb_host_detach(&b->host);
    b->now += POWER_OFF_PS;
    power_on(b);
    if (attached)
        usb_host_attach(&b->host, b->now);
}

int board_load_pump(struct board *b, const uint8_t *image, size_t length) { return mega_load(&b->pump, image, length); }

int board_load_tiny(struct board *b, unsigned lane, const uint8_t *image, size_t length)
{
    return lane < LANES ? tiny_load(&b->tiny[lane], image, length) : -EINVAL;
}

const struct mega *board_pump(const struct board *b) { return &b->pump; }
const struct tiny *board_tiny(const struct board *b, unsigned lane) { return &b->tiny[lane % LANES]; }
const struct usb_host *board_host(const struct board *b) { return &b->host; }
uint16_t board_running(const struct board *b) { return b->running; }

int board_led(const struct board *b) { return signal(b, LED_ACTIVITY_ON, LED_ACTIVITY_BIT, false); }

/* All levels as they are: most wires change seldom. */
static void trace_all(struct board *b)
{
    for (unsigned lane = 0; lane < LANES; lane++) {
        trace(b, SIGNAL_LANE + lane, b->low >> lane & 1 ? 0 : 2, b->now);
        tiny_changed(&b->tiny[lane], b->now);
        trace(b, SIGNAL_RESET + lane, b->running >> lane & 1, b->now);
    }
    trace(b, SIGNAL_CLOCK, wire_level(&b->clock, b->clock.count), b->now);
    trace(b, SIGNAL_LED, board_led(b), b->now);
}

void board_trace(struct board *b, board_trace_fn *fn, void *context)
{
    b->trace = fn;
    b->trace_context = context;
    for (unsigned lane = 0; lane < LANES; lane++)
        b->tiny[lane].changed = fn ? tiny_changed : NULL;
    if (fn)
        trace_all(b);
}

/* --- time --- */

uint64_t board_time(const struct board *b) { return b->now; }

/* One step of the bus, or to `until` if that is first. */
static void step(struct board *b, uint64_t until)
{
    if (b->host.next <= until) {
        if (!usb_host_step_unnoticed(&b->host))
            mega_run(&b->pump, b->host.next);
        b->now = b->host.next;
        usb_host_step(&b->host);
    } else {
        mega_run(&b->pump, until);
        b->now = until;
    }
}

int board_run(struct board *b, uint64_t until)
{
    uint64_t start = b->now, visible = USB_NEVER;
    while (b->now < until) {
        visible = usb_host_in_visible(&b->host);
        if (visible <= start) /* known to the caller before */
            visible = USB_NEVER;
        if (visible <= b->now)
            break;
        step(b, visible < until ? visible : until);
    }
    run_tinies(b, b->now);
    return visible <= b->now;
}

/* --- USB --- */

void board_usb_attach(struct board *b)
{
    if (b->host.state == USB_OFF)
        usb_host_attach(&b->host, b->now);
}

void board_usb_detach(struct board *b) { usb_host_detach(&b->host); }
uint64_t board_usb_silent(const struct board *b) { return b->host.silent; }
int board_usb_attached(const struct board *b) { return b->host.state != USB_OFF && mega_usb_attached(&b->pump); }

void board_usb_reset(struct board *b)
{
    usb_host_reset(&b->host, b->now);
    while (b->host.state == USB_RESETTING)
        step(b, b->host.next);
}

void board_usb_suspend(struct board *b) { usb_host_suspend(&b->host); }

void board_usb_resume(struct board *b)
{
    usb_host_resume(&b->host, b->now);
    while (b->host.state == USB_RESUMING)
        step(b, b->host.next);
}

int board_usb_control(struct board *b, const uint8_t setup[8], uint8_t *data, unsigned length)
{
    return board_usb_control_within(b, setup, data, length, CONTROL_TIMEOUT_PS);
}

int board_usb_control_within(struct board *b, const uint8_t setup[8], uint8_t *data, unsigned length, uint64_t ps)
{
    if (!board_usb_attached(b) || b->host.state != USB_RUNNING)
        return -ENODEV;
    uint64_t until = b->now + ps;
    usb_host_control(&b->host, b->now, setup, data, length);
    while (b->host.control.stage != STAGE_NONE) {
        if (b->now >= until || !board_usb_attached(b)) {
            b->host.control.stage = STAGE_NONE;
            return b->now >= until ? -ETIMEDOUT : -ENODEV;
        }
        step(b, until);
    }
    run_tinies(b, b->now);
    return b->host.control.result;
}

int board_usb_out(struct board *b, uint8_t endpoint, const uint8_t *packet, unsigned length)
{
    if (endpoint == 0 || endpoint >= USB_ENDPOINTS || length > USB_PACKET)
        return -EINVAL;
    return usb_host_out(&b->host, b->now, endpoint, packet, length);
}

int board_usb_halted(const struct board *b, uint8_t endpoint)
{
    return usb_host_halted(&b->host, (endpoint & 15) % USB_ENDPOINTS, endpoint & 0x80);
}

void board_usb_cancel(struct board *b, uint8_t endpoint)
{
    usb_host_cancel(&b->host, (endpoint & 15) % USB_ENDPOINTS, endpoint & 0x80);
}

unsigned board_usb_out_waiting(const struct board *b, uint8_t endpoint)
{
    return usb_host_out_waiting(&b->host, b->now, endpoint % USB_ENDPOINTS);
}

void board_usb_in_credit(struct board *b, uint8_t endpoint, unsigned packets)
{
    b->host.in[(endpoint & 15) % USB_ENDPOINTS].credit += packets;
    usb_host_kick(&b->host, b->now);
}

int board_usb_in(struct board *b, uint8_t endpoint, uint8_t packet[64])
{
    return usb_host_in(&b->host, b->now, (endpoint & 15) % USB_ENDPOINTS, packet);
}
