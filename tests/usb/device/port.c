/* The guest's bulk transfers, cut into packets for the board and put together from its packets. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "device.h"
#include "protocol.h"

static void append(struct queue *queue, struct transfer *transfer)
{
    if (!queue->head)
        queue->tail = &queue->head;
    *queue->tail = transfer;
    queue->tail = &transfer->next;
}

static void finish(struct device *device, struct queue *queue, enum end end)
{
    struct transfer *transfer = queue->head;
    queue->head = transfer->next;
    device->count.transfers++;
    redir_end(device, transfer, end);
    free(transfer);
}

static void drop_all(struct queue *queue)
{
    while (queue->head) {
        struct transfer *transfer = queue->head;
        queue->head = transfer->next;
        free(transfer);
    }
}

static void take_back(struct device *device)
{
    if (device->board) {
        board_usb_cancel(device->board, USB_EP_OUT);
        board_usb_cancel(device->board, USB_EP_IN);
    }
    device->credit = false;
}

/* The packets that the board has. */
static uint64_t taken(const struct device *device)
{
    return device->queued - board_usb_out_waiting(device->board, USB_EP_OUT);
}

static unsigned packets_of(const struct transfer *transfer)
{
    return transfer->length ? (transfer->length + USB_PACKET - 1) / USB_PACKET : 1;
}

/* Packets queued, of a transfer that has some. */
static unsigned queued_of(const struct transfer *transfer)
{
    return (transfer->moved + USB_PACKET - 1) / USB_PACKET;
}

/* Queue anew, from the first packet that the board has not. */
static void rewind_out(struct device *device)
{
    take_back(device);
    device->queued = taken(device);
    for (struct transfer *transfer = device->out.head; transfer; transfer = transfer->next) {
        unsigned had = device->queued > transfer->first ? device->queued - transfer->first : 0;
        if (had < queued_of(transfer))
            transfer->moved = had * USB_PACKET;
    }
}

void port_clear(struct device *device)
{
    take_back(device);
    drop_all(&device->out);
    drop_all(&device->in);
    device->queued = 0;
}

int port_submit(struct device *device, uint64_t id, uint8_t endpoint, const uint8_t *data, uint32_t length)
{
    struct transfer *transfer = calloc(1, sizeof *transfer + length + USB_PACKET);
    if (!transfer)
        return -ENOMEM;
    *transfer = (struct transfer){.id = id, .endpoint = endpoint, .length = length};
    if (endpoint & 0x80) {
        append(&device->in, transfer);
    } else {
        if (length)
            memcpy(transfer->data, data, length);
        append(&device->out, transfer);
    }
    return 0;
}

bool port_cancel(struct device *device, uint64_t id)
{
    struct queue *queues[] = {&device->in, &device->out};
    for (int i = 0; i < 2; i++) {
        struct queue *queue = queues[i];
        for (struct transfer **at = &queue->head; *at; at = &(*at)->next) {
            struct transfer *transfer = *at;
            if (transfer->id != id)
                continue;
            *at = transfer->next;
            if (!transfer->next)
                queue->tail = at;
            if (device->board)
                rewind_out(device);
            redir_end(device, transfer, END_CANCELLED);
            free(transfer);
            return true;
        }
    }
    return false;
}

bool port_waiting(const struct device *device)
{
    return device->out.head || device->in.head;
}

/* Queues the rest of a transfer; false: the board's queue is full. */
static bool feed(struct device *device, struct transfer *transfer)
{
    if (!transfer->moved)
        transfer->first = device->queued;
    for (unsigned left; (left = transfer->length - transfer->moved);) {
        unsigned length = left < USB_PACKET ? left : USB_PACKET;
        if (board_usb_out(device->board, USB_EP_OUT, transfer->data + transfer->moved, length))
            return false;
        transfer->moved += length;
        device->queued++;
    }
    return true;
}

void port_feed(struct device *device)
{
    if (!device->board || fault_silent(device))
        return;
    for (struct transfer *transfer = device->out.head; transfer && feed(device, transfer); transfer = transfer->next) {
    }
    /* One packet at a time: whether the guest wants another is known only when this one has been seen. */
    if (device->in.head && !device->credit) {
        board_usb_in_credit(device->board, USB_EP_IN, 1);
        device->credit = true;
    }
}

static void collect_out(struct device *device)
{
    uint64_t had = taken(device);
    while (device->out.head) {
        struct transfer *transfer = device->out.head;
        if (transfer->moved == transfer->length && transfer->first + packets_of(transfer) <= had) {
            device->count.out += packets_of(transfer);
            finish(device, &device->out, END_OK);
        } else if (board_usb_halted(device->board, USB_EP_OUT)) {
            finish(device, &device->out, END_STALL);
            rewind_out(device);
        } else {
            return;
        }
    }
}

/* Takes packets while a transfer wants one; a packet that nobody wants waits in the board. */
static void collect_in(struct device *device)
{
    while (device->in.head) {
        uint8_t packet[64];
        struct transfer *transfer = device->in.head;
        int length = board_usb_in(device->board, USB_EP_IN, packet);
        if (length == -EAGAIN)
            return;
        device->credit = false;
        if (length == -EPIPE) {
            finish(device, &device->in, END_STALL);
            continue;
        }
        enum end end = fault_in(device, packet, &length);
        if (length < 0) {
            port_feed(device);
            continue;
        }
        uint32_t room = transfer->length - transfer->moved;
        if ((uint32_t)length > room)
            end = END_BABBLE;
        else
            memcpy(transfer->data + transfer->moved, packet, length);
        device->count.in++;
        transfer->moved += end == END_OK ? length : 0;
        if (end != END_OK || length < USB_PACKET || transfer->moved == transfer->length)
            finish(device, &device->in, end);
        port_feed(device);
    }
}

void port_collect(struct device *device)
{
    if (!device->board || fault_silent(device))
        return;
    if (device->fault == FAULT_STALL) {
        while (device->out.head)
            finish(device, &device->out, END_STALL);
        while (device->in.head)
            finish(device, &device->in, END_STALL);
        return;
    }
    collect_out(device);
    collect_in(device);
}
