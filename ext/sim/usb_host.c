/* The host's side of the bus: frames, turns, transactions, control transfers (USB 2.0, chapters 5, 8 and 9). */
#include "usb_host.h"
#include "board.h"
#include <errno.h>
#include <string.h>

enum { FRAME = 1500, SOF = 6, OVERHEAD = 13, TOKEN = 4, NAKED_IN = 8 }; /* byte times */
enum { PIPE_CONTROL = 0, PIPE_IN = 16, PIPES = 32 };
enum { STRIKES = 3 }; /* a silent device is tried this often (USB 2.0, 8.6.x: "three errors") */
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
    if (pipe == PIPE_CONTROL)
        return h->control.stage != STAGE_NONE;
    unsigned endpoint = pipe % PIPE_IN;
    if (endpoint == 0 || endpoint >= USB_ENDPOINTS)
        return false;
    const struct usb_pipe *in = &h->in[endpoint], *out = &h->out[endpoint];
    if (pipe > PIPE_IN)
        return in->credit && !in->halted && in->tail - in->head < USB_QUEUE;
    return out->sent != out->tail && !out->halted;
}

/* Bytes that the next transaction of a pipe may have to carry: an IN may bring a whole packet. */
static unsigned most_data(const struct usb_host *h, unsigned pipe)
{
    if (pipe > PIPE_IN)
        return USB_PACKET;
    if (pipe != PIPE_CONTROL)
        return h->out[pipe].queue[h->out[pipe].sent % USB_QUEUE].length;
    unsigned left = h->control.length - h->control.done;
    switch (h->control.stage) {
    case STAGE_SETUP: return 8;
    case STAGE_DATA: return h->control.in || left > h->control.packet ? h->control.packet : left;
    default: return 0;
    }
}

static bool control_is_in(const struct usb_host *h)
{
    return h->control.stage == STAGE_DATA ? h->control.in : h->control.stage == STAGE_STATUS && !h->control.in;
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
    bool in = h->pipe > PIPE_IN || (h->pipe == PIPE_CONTROL && control_is_in(h));
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

static void end_out(struct usb_host *h)
{
    struct usb_pipe *pipe = &h->out[h->pipe];
    struct usb_packet *packet = &pipe->queue[pipe->sent % USB_QUEUE];
    if (h->answer == USB_ACK) {
        mega_usb_out_end(h->device, h->pipe, pipe->toggle, packet->data, packet->length);
        pipe->toggle ^= 1;
        pipe->sent++;
        pipe->packets++;
        packet->visible = h->next + h->latency_ps;
    } else if (h->answer == USB_STALL) {
        pipe->halted = true;
    } else {
        pipe->naks++;
    }
}

static void end_in(struct usb_host *h)
{
    unsigned endpoint = h->pipe - PIPE_IN;
    struct usb_pipe *pipe = &h->in[endpoint];
    if (h->answer == USB_STALL) {
        pipe->halted = true;
    } else if (h->answer < 0) {
        pipe->naks++;
    } else {
        mega_usb_in_end(h->device, endpoint);
        if (h->toggle != pipe->toggle || h->answer > USB_PACKET)
            return; /* sent again, or babble: acknowledged or refused, and dropped */
        struct usb_packet *packet = &pipe->queue[pipe->tail++ % USB_QUEUE];
        memcpy(packet->data, h->wire, h->answer);
        packet->length = h->answer;
        packet->visible = h->next + h->latency_ps;
        pipe->toggle ^= 1;
        pipe->packets++;
        pipe->credit--;
    }
}

/* --- control transfers --- */

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

static void end_control(struct usb_host *h)
{
    bool in = control_is_in(h);
    unsigned bytes = most_data(h, PIPE_CONTROL);
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
        end_control(h);
    else if (h->pipe > PIPE_IN)
        end_in(h);
    else
        end_out(h);
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

/* --- bulk queues --- */

/* The first packet that the host's software counts as waiting. */
static uint32_t first_waiting(const struct usb_pipe *pipe, uint64_t ps)
{
    uint32_t head = pipe->head;
    while (head != pipe->sent && pipe->queue[head % USB_QUEUE].visible <= ps)
        head++;
    return head;
}

unsigned usb_host_out_waiting(const struct usb_host *h, uint64_t ps, unsigned endpoint)
{
    return h->out[endpoint].tail - first_waiting(&h->out[endpoint], ps);
}

bool usb_host_halted(const struct usb_host *h, unsigned endpoint, bool in)
{
    return (in ? h->in : h->out)[endpoint].halted;
}

void usb_host_cancel(struct usb_host *h, unsigned endpoint, bool in)
{
    struct usb_pipe *pipe = in ? &h->in[endpoint] : &h->out[endpoint];
    bool on_the_wire = h->phase != PHASE_NONE && h->pipe == (in ? PIPE_IN : 0) + endpoint;
    if (in) {
        pipe->head = pipe->tail;
        pipe->credit = on_the_wire;
    } else {
        pipe->tail = pipe->sent + on_the_wire;
    }
}

int usb_host_out(struct usb_host *h, uint64_t ps, unsigned endpoint, const uint8_t *data, unsigned length)
{
    struct usb_pipe *pipe = &h->out[endpoint];
    if (pipe->halted)
        return -EPIPE;
    pipe->head = first_waiting(pipe, ps);
    if (pipe->tail - pipe->head == USB_QUEUE)
        return -EAGAIN;
    struct usb_packet *packet = &pipe->queue[pipe->tail++ % USB_QUEUE];
    memcpy(packet->data, data, length);
    packet->length = length;
    usb_host_kick(h, ps);
    return 0;
}

int usb_host_in(struct usb_host *h, uint64_t ps, unsigned endpoint, uint8_t *data)
{
    struct usb_pipe *pipe = &h->in[endpoint];
    const struct usb_packet *packet = &pipe->queue[pipe->head % USB_QUEUE];
    if (pipe->head == pipe->tail || packet->visible > ps)
        return pipe->halted && pipe->head == pipe->tail ? -EPIPE : -EAGAIN;
    memcpy(data, packet->data, packet->length);
    pipe->head++;
    return packet->length;
}

uint64_t usb_host_in_visible(const struct usb_host *h)
{
    uint64_t first = USB_NEVER;
    for (unsigned i = 1; i < USB_ENDPOINTS; i++) {
        const struct usb_pipe *pipe = &h->in[i];
        if (pipe->head != pipe->tail && pipe->queue[pipe->head % USB_QUEUE].visible < first)
            first = pipe->queue[pipe->head % USB_QUEUE].visible;
    }
    return first;
}
