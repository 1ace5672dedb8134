/* A board link run by hand: see wire.h. */
#include "wire.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct queued {
    struct queued *next;
    unsigned lane, length;
    uint8_t bytes[];
};

struct queue {
    struct queued *first, **end;
};

struct wire {
    struct board_link link;
    struct queue out[LANES], in;
    wire_packet_fn *hook;
    void *hook_context;
    int error; /* a packet that came could not be kept */
};

static int put(struct queue *queue, unsigned lane, const uint8_t *packet, unsigned length)
{
    struct queued *item = malloc(sizeof *item + length);
    if (!item)
        return -ENOMEM;
    *item = (struct queued){ .lane = lane, .length = length };
    memcpy(item->bytes, packet, length);
    if (!queue->first)
        queue->end = &queue->first;
    *queue->end = item;
    queue->end = &item->next;
    return 0;
}

/* `size` is room for what was put. Its length, or -EAGAIN. */
static int get(struct queue *queue, unsigned *lane, uint8_t *packet, unsigned size)
{
    struct queued *item = queue->first;
    if (!item)
        return -EAGAIN;
    unsigned length = item->length < size ? item->length : size;
    *lane = item->lane;
    memcpy(packet, item->bytes, length);
    queue->first = item->next;
    free(item);
    return (int)length;
}

static void empty(struct queue *queue)
{
    for (struct queued *item; (item = queue->first);) {
        queue->first = item->next;
        free(item);
    }
}

static int take(void *context, unsigned lane, uint8_t *packet, unsigned size)
{
    struct wire *wire = context;
    return get(&wire->out[lane], &lane, packet, size);
}

static void give(void *context, unsigned lane, const uint8_t *packet, unsigned length)
{
    struct wire *wire = context;
    if (wire->hook) {
        wire->hook(wire->hook_context, lane, packet, length);
        return;
    }
    int result = put(&wire->in, lane, packet, length);
    if (result < 0)
        wire->error = result;
}

static void news(void *context, unsigned lane, enum lane_news what)
{
    (void)context, (void)lane, (void)what; /* the counters tell */
}

static const struct link_client client = { take, give, news };

struct wire *wire_new(struct transport *transport, const struct options *options, uint16_t lanes, int *error)
{
    struct wire *wire = calloc(1, sizeof *wire);
    *error = -ENOMEM;
    if (!wire)
        return NULL;
    wire->link.options = *options;
    *error = board_link_open(&wire->link, transport, &client, wire);
    for (unsigned lane = 0; lane < LANES && *error >= 0; lane++)
        if (lanes >> lane & 1)
            *error = board_link_start_lane(&wire->link, lane);
    if (*error >= 0)
        return wire;
    wire_free(wire);
    return NULL;
}

void wire_free(struct wire *wire)
{
    if (!wire)
        return;
    board_link_close(&wire->link);
    for (unsigned lane = 0; lane < LANES; lane++)
        empty(&wire->out[lane]);
    empty(&wire->in);
    free(wire);
}

void wire_hook(struct wire *wire, wire_packet_fn *hook, void *context)
{
    wire->hook = hook;
    wire->hook_context = context;
}

int wire_send(struct wire *wire, unsigned lane, const uint8_t *packet, unsigned length)
{
    if (length > MTU_MAX)
        return -EMSGSIZE;
    board_link_wake(&wire->link, lane);
    return put(&wire->out[lane], lane, packet, length);
}

int wire_receive(struct wire *wire, unsigned *lane, uint8_t *packet)
{
    return get(&wire->in, lane, packet, MTU_MAX);
}

/* A board that keeps real time has nothing to hand over yet. */
static void wait_for(uint64_t deadline_ns)
{
    struct timespec now, least = { .tv_nsec = 20000 };
    clock_gettime(CLOCK_MONOTONIC, &now);
    if (deadline_ns > (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec)
        nanosleep(&least, NULL);
}

int wire_run(struct wire *wire, uint64_t planes, uint64_t ns, bool until_packet)
{
    enum { PATIENCE = 100000 };
    struct board_link *link = &wire->link;
    const uint64_t first = link->heard, start = link->transport->board_ns;
    unsigned idle = 0;
    while (link->heard - first < planes && link->transport->board_ns - start < ns && !board_link_rests(link)) {
        uint64_t before = link->transport->board_ns;
        int result = board_link_run(link, 0);
        if (result < 0 || (result = wire->error) < 0)
            return result;
        if (until_packet && wire->in.first)
            return 0;
        idle = link->transport->board_ns != before ? 0 : idle + 1;
        if (idle == PATIENCE)
            return -ETIMEDOUT;
        if (idle)
            wait_for(board_link_deadline(link));
    }
    return 0;
}

struct board_link *wire_link(struct wire *wire)
{
    return &wire->link;
}

const struct lane_counters *wire_lane_counters(const struct wire *wire, unsigned lane)
{
    return &wire->link.lanes[lane].counters;
}

const struct board_counters *wire_board_counters(const struct wire *wire)
{
    return &wire->link.counters;
}
