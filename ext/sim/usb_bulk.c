/* The host's queues for bulk endpoints: what waits, what has come, credits and halts (USB 2.0, 5.8). */
#include "usb_host.h"
#include <errno.h>
#include <string.h>

bool usb_bulk_has_work(const struct usb_host *h, unsigned pipe)
{
    unsigned endpoint = pipe % PIPE_IN;
    if (endpoint == 0 || endpoint >= USB_ENDPOINTS)
        return false;
    const struct usb_pipe *in = &h->in[endpoint], *out = &h->out[endpoint];
    if (pipe > PIPE_IN)
        return in->credit && !in->halted && in->tail - in->head < USB_QUEUE;
    return out->sent != out->tail && !out->halted;
}

unsigned usb_bulk_most_data(const struct usb_host *h, unsigned pipe)
{
    return pipe > PIPE_IN ? USB_PACKET : h->out[pipe].queue[h->out[pipe].sent % USB_QUEUE].length;
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
        h->silent += h->answer == USB_SILENT;
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
        h->silent += h->answer == USB_SILENT;
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

void usb_bulk_end(struct usb_host *h)
{
    if (h->pipe > PIPE_IN)
        end_in(h);
    else
        end_out(h);
}

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
