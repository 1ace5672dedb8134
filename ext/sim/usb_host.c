/* The host controller: state of the bus, frames, whose turn it is, transactions (USB 2.0, chapters 5 and 8). */
#include "usb_host.h"
#include "board.h"
#include <errno.h>
#include <string.h>

enum { FRAME = 1500, SOF = 6, OVERHEAD = 13, TOKEN = 4, NAKED_IN = 8 }; /* byte times */
#define RESET_PS (10 * BOARD_PS_PER_MS)
#define RESUME_PS (20 * BOARD_PS_PER_MS)
#define IDLE_PS (3 * BOARD_PS_PER_MS)

static uint64_t byte_times(unsigned n) { return n * 2000000ULL / 3; } /* ps */

void usb_host_init(struct usb_host *h, struct mega *device)
{
    memset(h, 0, sizeof *h);
    h->device = device;
    h->next = USB_NEVER;
}

/* --- state of the bus --- */

static void forget(struct usb_host *h)
{
    h->phase = PHASE_NONE;
    h->address = 0;
    h->control.packet = 8;
    if (h->control.stage != STAGE_NONE) {
        h->control.stage = STAGE_NONE;
        h->control.result = -ENODEV;
    }
    for (unsigned i = 0; i < USB_ENDPOINTS; i++)
        h->out[i] = h->in[i] = (struct usb_pipe){ 0 };
}

static void start_frames(struct usb_host *h, uint64_t ps)
{
    h->state = USB_RUNNING;
    h->frame_start = ps;
    h->next = ps;
    h->used = FRAME;
    h->phase = PHASE_NONE;
}

void usb_host_attach(struct usb_host *h, uint64_t ps)
{
    mega_usb_vbus(h->device, true);
    forget(h);
    start_frames(h, ps);
}

void usb_host_detach(struct usb_host *h)
{
    mega_usb_vbus(h->device, false);
    forget(h);
    h->state = USB_OFF;
    h->next = USB_NEVER;
}

void usb_host_reset(struct usb_host *h, uint64_t ps)
{
    if (h->state == USB_OFF)
        return;
    forget(h);
    mega_usb_bus_reset(h->device, false);
    h->state = USB_RESETTING;
    h->next = ps + RESET_PS;
}

void usb_host_suspend(struct usb_host *h)
{
    if (h->state != USB_RUNNING)
        return;
    h->state = USB_SUSPENDED;
    h->phase = PHASE_NONE;
    h->idle_told = false;
    h->next = h->activity + IDLE_PS;
}

void usb_host_resume(struct usb_host *h, uint64_t ps)
{
    if (h->state != USB_SUSPENDED)
        return;
    mega_usb_resume(h->device, false);
    h->state = USB_RESUMING;
    h->next = ps + RESUME_PS;
}

/* --- whose turn --- */

static bool has_work(const struct usb_host *h, unsigned pipe)
{
    return pipe == PIPE_CONTROL ? h->control.stage != STAGE_NONE : usb_bulk_has_work(h, pipe);
}

/* Bytes that the next transaction of a pipe may have to carry: an IN may bring a whole packet. */
static unsigned most_data(const struct usb_host *h, unsigned pipe)
{
    return pipe == PIPE_CONTROL ? usb_control_most_data(h) : usb_bulk_most_data(h, pipe);
}

/* Begin the next transaction, or wait for the next frame. */
static void next_turn(struct usb_host *h)
{
    uint64_t next_frame = h->frame_start + BOARD_PS_PER_MS;
    h->phase = PHASE_NONE;
    h->next = next_frame;
    for (unsigned i = 1; i <= PIPES; i++) {
        unsigned pipe = (h->turn + i) % PIPES;
        if (!has_work(h, pipe))
            continue;
        if (h->used + OVERHEAD + most_data(h, pipe) > FRAME)
            return; /* it does not fit: the rest of this frame is lost */
        h->turn = h->pipe = pipe;
        h->phase = PHASE_TOKEN;
        h->next = h->frame_start + byte_times(h->used + TOKEN);
        return;
    }
}

void usb_host_kick(struct usb_host *h, uint64_t ps)
{
    if (h->state != USB_RUNNING || h->phase != PHASE_NONE || ps < h->frame_start)
        return;
    unsigned used = ((ps - h->frame_start) * 3 + 1999999) / 2000000;
    if (used > h->used)
        h->used = used;
    next_turn(h);
}

/* --- a transaction: the token is out and the device answers --- */

static void begin(struct usb_host *h)
{
    unsigned endpoint = h->pipe % PIPE_IN, bytes = most_data(h, h->pipe);
    bool in = h->pipe > PIPE_IN || (h->pipe == PIPE_CONTROL && usb_control_is_in(h));
    h->transactions++;
    h->activity = h->next;
    if (in)
        h->answer = mega_usb_in_begin(h->device, h->address, endpoint, h->wire, &h->toggle);
    else if (h->pipe == PIPE_CONTROL && h->control.stage == STAGE_SETUP)
        h->answer = USB_ACK;
    else
        h->answer = mega_usb_out_begin(h->device, h->address, endpoint, bytes);
    if (in)
        h->used += h->answer < 0 ? NAKED_IN : OVERHEAD + h->answer;
    else
        h->used += OVERHEAD + bytes;
    h->phase = PHASE_END;
    h->next = h->frame_start + byte_times(h->used);
}

/* --- time --- */

static void begin_frame(struct usb_host *h)
{
    h->frame_start = h->next;
    h->frame++;
    h->used = SOF;
    h->activity = h->next;
    if (!mega_usb_frame_unnoticed(h->device))
        mega_usb_frame(h->device, h->frame, h->frame_start);
    next_turn(h);
}

static void end_transaction(struct usb_host *h)
{
    if (h->pipe == PIPE_CONTROL)
        usb_control_end(h);
    else
        usb_bulk_end(h);
    next_turn(h);
}

bool usb_host_step_unnoticed(const struct usb_host *h)
{
    if (h->state != USB_RUNNING || h->phase != PHASE_NONE || !mega_usb_frame_unnoticed(h->device))
        return false;
    for (unsigned pipe = 0; pipe < PIPES; pipe++)
        if (has_work(h, pipe))
            return false;
    return true;
}

void usb_host_step(struct usb_host *h)
{
    switch (h->state) {
    case USB_RESETTING:
        mega_usb_bus_reset(h->device, true);
        start_frames(h, h->next);
        break;
    case USB_RESUMING:
        mega_usb_resume(h->device, true);
        start_frames(h, h->next);
        break;
    case USB_SUSPENDED:
        mega_usb_idle(h->device);
        h->next = USB_NEVER;
        break;
    case USB_RUNNING:
        if (h->phase == PHASE_TOKEN)
            begin(h);
        else if (h->phase == PHASE_END)
            end_transaction(h);
        else
            begin_frame(h);
        break;
    default: h->next = USB_NEVER;
    }
}
