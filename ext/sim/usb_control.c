/* Control transfers on endpoint 0: their stages, retries and what the host learns from them (USB 2.0, 8.5.3 and 9.4). */
#include "usb_host.h"
#include <errno.h>
#include <string.h>

enum { STRIKES = 3 }; /* a silent device is tried this often in a row */

bool usb_control_is_in(const struct usb_host *h)
{
    return h->control.stage == STAGE_DATA ? h->control.in : h->control.stage == STAGE_STATUS && !h->control.in;
}

unsigned usb_control_most_data(const struct usb_host *h)
{
    unsigned left = h->control.length - h->control.done;
    switch (h->control.stage) {
    case STAGE_SETUP: return 8;
    case STAGE_DATA: return h->control.in || left > h->control.packet ? h->control.packet : left;
    default: return 0;
    }
}

/* What the host's own driver learns from a request that was accepted (USB 2.0, 9.4). */
static void learn(struct usb_host *h)
{
    const uint8_t *setup = h->control.setup;
    if (setup[0] == 0x00 && setup[1] == 5) { /* SET_ADDRESS */
        h->address = setup[2] & 0x7F;
    } else if (setup[0] == 0x80 && setup[1] == 6 && setup[3] == 1 && h->control.done >= 8) { /* the device descriptor */
        h->control.packet = h->control.data[7];
    } else if ((setup[0] == 0x00 && setup[1] == 9) || (setup[0] == 0x01 && setup[1] == 11)) {
        for (unsigned i = 1; i < USB_ENDPOINTS; i++) { /* SET_CONFIGURATION, SET_INTERFACE: all endpoints start afresh */
            h->out[i].toggle = h->in[i].toggle = 0;
            h->out[i].halted = h->in[i].halted = false;
        }
    } else if (setup[0] == 0x02 && setup[1] == 1 && (setup[4] & 15) < USB_ENDPOINTS) { /* CLEAR_FEATURE, ENDPOINT_HALT */
        struct usb_pipe *pipe = setup[4] & 0x80 ? &h->in[setup[4] & 15] : &h->out[setup[4] & 15];
        pipe->toggle = 0;
        pipe->halted = false;
    }
}

static void finish(struct usb_host *h, int result)
{
    h->control.stage = STAGE_NONE;
    h->control.result = result;
    if (result >= 0)
        learn(h);
}

static void advance_control(struct usb_host *h, unsigned moved)
{
    switch (h->control.stage) {
    case STAGE_SETUP:
        h->control.toggle = 1;
        h->control.stage = h->control.length ? STAGE_DATA : STAGE_STATUS;
        break;
    case STAGE_DATA:
        h->control.done += moved;
        h->control.toggle ^= 1;
        if (h->control.done == h->control.length || moved < h->control.packet)
            h->control.stage = STAGE_STATUS;
        break;
    default: finish(h, h->control.in ? (int)h->control.done : 0);
    }
}

void usb_control_end(struct usb_host *h)
{
    bool in = usb_control_is_in(h);
    unsigned bytes = usb_control_most_data(h);
    uint8_t *at = h->control.data + h->control.done;
    if (h->control.stage == STAGE_SETUP)
        h->answer = mega_usb_setup(h->device, h->address, h->control.setup);
    if (h->answer == USB_NAK)
        return;
    if (h->answer == USB_STALL) {
        finish(h, -EPIPE);
    } else if (h->answer == USB_SILENT) {
        h->silent++;
        if (++h->control.strikes == STRIKES)
            finish(h, -EPROTO);
    } else if (in) {
        unsigned got = h->answer, room = h->control.stage == STAGE_DATA ? h->control.length - h->control.done : 0;
        unsigned expected = h->control.stage == STAGE_DATA ? h->control.toggle : 1;
        mega_usb_in_end(h->device, 0);
        h->control.strikes = 0;
        if (h->toggle != expected)
            return;
        if (got > room || got > h->control.packet) {
            finish(h, -EOVERFLOW); /* babble */
            return;
        }
        memcpy(at, h->wire, got);
        advance_control(h, got);
    } else {
        if (h->control.stage != STAGE_SETUP)
            mega_usb_out_end(h->device, 0, h->control.stage == STAGE_DATA ? h->control.toggle : 1, at, bytes);
        h->control.strikes = 0;
        advance_control(h, bytes);
    }
}

void usb_host_control(struct usb_host *h, uint64_t ps, const uint8_t setup[8], uint8_t *data, unsigned length)
{
    memcpy(h->control.setup, setup, 8);
    h->control.data = length ? data : h->wire; /* never NULL */
    h->control.length = length;
    h->control.in = setup[0] & 0x80;
    h->control.done = h->control.strikes = 0;
    h->control.result = 0;
    h->control.stage = STAGE_SETUP;
    usb_host_kick(h, ps);
}
