/* The board's bulk endpoints as plane packets under way, over libusb's asynchronous API and on one thread.
 *
 * Every OUT packet is answered by exactly one IN packet, and its opcode tells whether that answer is a full one. So the
 * IN transfers that are queued ask for exactly the packets that are owed: none ever waits for data that will not
 * come, none is ever cancelled by a timeout (on which some host controllers lose the count of what had arrived), and
 * full packets travel several to a transfer though the pump ends none of its runs by a short packet. An OUT transfer
 * ends at its first short packet. A packet whose answer cannot come any more, because the endpoints had to start
 * anew, is answered with OP_REFUSED from here: to the engine each packet has one answer, whatever happens.
 */
#include <assert.h>
#include <errno.h>
#include <libusb-1.0/libusb.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>
#include "protocol.h"
#include "usb_private.h"

#define SILENCE_NS 1000000000ULL /* an answer takes 0.21 s at most: IDLE with n = 255 at 50 cycles a plane */
#define CONTROL_MS 1000
#define DRAIN_NS 1000000000ULL
#define RECOVERIES 3 /* in a row, without an answer in between */

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000ULL + now.tv_nsec;
}

static int errno_of_transfer(int status)
{
    switch (status) {
    case LIBUSB_TRANSFER_NO_DEVICE: return -ENODEV;
    case LIBUSB_TRANSFER_STALL: return -EPIPE;
    case LIBUSB_TRANSFER_OVERFLOW: return -EOVERFLOW;
    case LIBUSB_TRANSFER_TIMED_OUT: return -ETIMEDOUT;
    default: return -EIO;
    }
}

static struct usb *usb_of(const struct transport *transport)
{
    return (struct usb *)transport; /* its first member */
}

/* --- transfers ---------------------------------------------------------------------------------------------------- */

static void note_wrong(struct usb *usb, const struct libusb_transfer *transfer)
{
    if (transfer->status == LIBUSB_TRANSFER_NO_DEVICE)
        usb->fault = -ENODEV;
    else if (transfer->status != LIBUSB_TRANSFER_COMPLETED && !usb->wrong)
        usb->wrong = transfer->status;
}

void LIBUSB_CALL usb_out_done(struct libusb_transfer *transfer)
{
    struct slot *slot = transfer->user_data;
    struct usb *usb = slot->usb;
    usb->counters.flying--;
    usb->counters.transfers_out++;
    note_wrong(usb, transfer);
    usb->out.free[usb->out.count++] = slot;
}

void LIBUSB_CALL usb_in_done(struct libusb_transfer *transfer)
{
    struct slot *slot = transfer->user_data;
    struct usb *usb = slot->usb;
    usb->counters.flying--;
    usb->counters.transfers_in++;
    note_wrong(usb, transfer);
    /* What came before a fault has still arrived. A short packet ends a transfer; what it would have covered beyond
     * is owed to the transfers after it. */
    unsigned asked = slot->packets;
    unsigned whole = transfer->actual_length / USB_PACKET;
    bool ended_short = transfer->status == LIBUSB_TRANSFER_COMPLETED && whole < asked;
    slot->packets = whole + ended_short;
    usb->covered -= asked - slot->packets;
    usb->arrived[(usb->arrived_first + usb->arrived_count++) % SLOTS] = slot;
}

static int launch(struct usb *usb, struct pool *pool, struct slot *slot)
{
    int error = libusb_submit_transfer(slot->transfer);
    if (!error) {
        usb->counters.flying++;
        return 0;
    }
    pool->free[pool->count++] = slot;
    if (error == LIBUSB_ERROR_NO_DEVICE)
        usb->fault = -ENODEV;
    else if (!usb->wrong)
        usb->wrong = LIBUSB_TRANSFER_ERROR;
    return error;
}

/* Queue IN transfers for the answers that no transfer waits for yet. */
static void cover(struct usb *usb)
{
    uint64_t sent = usb->submitted - (usb->filling ? usb->filling->packets : 0);
    while (usb->covered < sent && usb->in.count && !usb->wrong && !usb->fault) {
        struct slot *slot = usb->in.free[--usb->in.count];
        bool full = true;
        for (slot->packets = 0; full && slot->packets < BATCH && usb->covered + slot->packets < sent; slot->packets++)
            full = usb->full >> (usb->covered + slot->packets) % 64 & 1;
        slot->transfer->length = slot->packets * USB_PACKET;
        if (launch(usb, &usb->in, slot))
            return;
        usb->covered += slot->packets;
    }
}

static void flush(struct usb *usb)
{
    struct slot *slot = usb->filling;
    if (slot) {
        usb->filling = NULL;
        slot->transfer->length = (slot->packets - 1) * USB_PACKET + slot->transfer->length;
        launch(usb, &usb->out, slot);
    }
    cover(usb);
}

static bool answer_is_full(const uint8_t *packet)
{
    return (packet[0] == OP_BOTH || packet[0] == OP_RX) && packet[1] == PACKET_PLANES &&
           PACKET_HEADER + 2 * PACKET_PLANES == USB_PACKET;
}

static int usb_submit(struct transport *transport, const uint8_t *packet, unsigned length)
{
    struct usb *usb = usb_of(transport);
    assert(length >= PACKET_HEADER && length <= USB_PACKET);
    if (usb->fault)
        return -ENODEV;
    if (usb->submitted - usb->answered >= usb->transport.depth)
        return -EAGAIN;
    if (!usb->filling) {
        if (!usb->out.count) /* a cancelled transfer has not come back yet */
            return -EAGAIN;
        usb->filling = usb->out.free[--usb->out.count];
        usb->filling->packets = 0;
    }
    struct slot *slot = usb->filling;
    memcpy(slot->bytes + slot->packets++ * USB_PACKET, packet, length);
    slot->transfer->length = length; /* of the last packet, until flush */
    uint64_t bit = 1ULL << usb->submitted % 64;
    usb->full = answer_is_full(packet) ? usb->full | bit : usb->full & ~bit;
    if (usb->submitted == usb->answered)
        usb->since = now_ns();
    usb->submitted++;
    usb->counters.packets_out++;
    if (length < USB_PACKET || slot->packets == BATCH)
        flush(usb);
    return 0;
}

/* --- events ------------------------------------------------------------------------------------------------------- */

static void handle_events(struct usb *usb, long microseconds)
{
    struct timeval wait = { 0, microseconds };
    libusb_handle_events_timeout_completed(usb->context, &wait, NULL);
}

static int hand_over(struct usb *usb, transport_in_fn *take, void *context)
{
    int packets = 0;
    while (usb->arrived_count) {
        struct slot *slot = usb->arrived[usb->arrived_first];
        usb->arrived_first = (usb->arrived_first + 1) % SLOTS;
        usb->arrived_count--;
        for (unsigned i = 0; i < slot->packets; i++) {
            unsigned left = slot->transfer->actual_length - i * USB_PACKET;
            usb->answered++;
            usb->counters.packets_in++;
            take(context, slot->bytes + i * USB_PACKET, left < USB_PACKET ? left : USB_PACKET);
        }
        packets += slot->packets;
        usb->in.free[usb->in.count++] = slot;
    }
    if (packets) {
        usb->since = now_ns();
        usb->trouble = 0;
    }
    return packets;
}

int usb_drain(struct usb *usb)
{
    struct pool *pools[] = { &usb->out, &usb->in };
    for (unsigned i = 0; i < 2; i++)
        for (unsigned j = 0; usb->counters.flying && j < SLOTS; j++)
            libusb_cancel_transfer(pools[i]->slots[j].transfer); /* idle ones answer LIBUSB_ERROR_NOT_FOUND */
    for (uint64_t end = now_ns() + DRAIN_NS; usb->counters.flying && now_ns() < end;)
        handle_events(usb, 10000);
    return usb->counters.flying ? -EBUSY : 0;
}

/* After a stall, an error or a silence. Packets owed are answered with OP_REFUSED. */
static void recover(struct usb *usb, int reason, transport_in_fn *take, void *context)
{
    static const uint8_t refused[PACKET_HEADER] = { OP_REFUSED, 0 };
    usb->counters.recoveries++;
    if (usb->filling) {
        usb->out.free[usb->out.count++] = usb->filling;
        usb->filling = NULL;
    }
    usb_drain(usb);
    hand_over(usb, take, context); /* its packets count as answered; what they made the engine submit is refused too */
    bool hopeless = ++usb->trouble > RECOVERIES || reason == -EOVERFLOW;
    unsigned version;
    int result = usb->counters.flying || hopeless ? reason : usb_start_anew(usb, &version);
    if (usb->fault || result < 0) {
        usb->fault = usb->fault ? usb->fault : result == -ENODEV ? result : reason;
        return;
    }
    if (usb->filling) {
        usb->out.free[usb->out.count++] = usb->filling;
        usb->filling = NULL;
    }
    usb->wrong = 0;
    uint64_t owed = usb->submitted - usb->answered;
    usb->answered = usb->covered = usb->submitted;
    usb->counters.lost += owed;
    usb->since = now_ns();
    while (owed--)
        take(context, refused, sizeof refused);
}

static int usb_service(struct transport *transport, transport_in_fn *take, void *context)
{
    struct usb *usb = usb_of(transport);
    if (usb->fd < 0)
        return -ENODEV;
    handle_events(usb, 0);
    uint64_t now = usb->transport.board_ns = now_ns();
    int packets = hand_over(usb, take, context);
    if (usb->wrong && !usb->fault)
        recover(usb, errno_of_transfer(usb->wrong), take, context);
    else if (usb->submitted > usb->answered && now > usb->since + SILENCE_NS)
        recover(usb, -ETIMEDOUT, take, context);
    flush(usb);
    return usb->fault ? -ENODEV : packets;
}

static uint64_t usb_deadline(struct transport *transport)
{
    struct usb *usb = usb_of(transport);
    if (usb->fault)
        return UINT64_MAX;
    if (usb->filling || usb->arrived_count || usb->wrong)
        return 0;
    return usb->submitted > usb->answered ? usb->since + SILENCE_NS : UINT64_MAX;
}

static int usb_control(struct transport *transport, const uint8_t setup[8], uint8_t *data, unsigned length)
{
    struct usb *usb = usb_of(transport);
    if (usb->fault)
        return -ENODEV;
    assert(length <= UINT16_MAX);
    /* Events of other transfers are taken meanwhile; service hands them over. */
    int result = libusb_control_transfer(usb->handle, setup[0], setup[1], setup[2] | setup[3] << 8,
                                         setup[4] | setup[5] << 8, data, length, CONTROL_MS);
    usb->transport.board_ns = now_ns(); /* what a request starts is timed from here */
    return usb_errno(result);
}

const struct transport_ops usb_ops = { usb_submit, usb_service, usb_deadline, usb_control };

void usb_count(const struct transport *transport, struct usb_counters *counters)
{
    *counters = usb_of(transport)->counters;
}

int usb_fault(const struct transport *transport)
{
    return usb_of(transport)->fault;
}
