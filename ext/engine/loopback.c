/* Synthetic nodes: see loopback.h. */
#include "loopback.h"
#include "ip.h"
#include "node.h"
#include <stdlib.h>

enum {
    BUDGET = 64, /* packets of a lane before the others have their turn */
    BATCH = 8,   /* packets read before they are written: the kernel's code for either stays in the caches, worth 3 % */
};

struct loopback {
    struct link link; /* the first member: they share their address */
    struct board_counters none;
    unsigned open, waiting;
    struct lane_counters counters[LANES];
    unsigned lengths[BATCH];
    uint8_t packets[BATCH][MTU_MAX];
};

static struct loopback *loopback_of(struct link *link)
{
    return (struct loopback *)link;
}

/* How many packets there were, up to a batch. */
static unsigned take(struct loopback *loopback, unsigned lane)
{
    struct link *link = &loopback->link;
    struct lane_counters *counters = &loopback->counters[lane];
    unsigned count = 0;
    for (; count < BATCH; count++) {
        int length = link->owner->take(link->context, lane, loopback->packets[count], MTU_MAX);
        if (length < 0)
            break;
        loopback->lengths[count] = (unsigned)length;
        COUNT(counters->packets_out);
        COUNT_BY(counters->bytes_out, (uint64_t)length);
    }
    return count;
}

static void answer(struct loopback *loopback, unsigned lane, uint8_t *packet, unsigned length)
{
    struct link *link = &loopback->link;
    struct lane_counters *counters = &loopback->counters[lane];
    if (ip_check(packet, length) != IP_GOOD || packet[0] >> 4 != 4) {
        COUNT(counters->drop_version);
        return;
    }
    node_answer(packet, length);
    COUNT(counters->packets_in);
    COUNT_BY(counters->bytes_in, length);
    link->owner->give(link->context, lane, packet, length);
}

static void serve(struct loopback *loopback, unsigned lane)
{
    for (unsigned left = BUDGET, count = BATCH; left && count; left -= BATCH) {
        count = take(loopback, lane);
        for (unsigned i = 0; i < count; i++)
            answer(loopback, lane, loopback->packets[i], loopback->lengths[i]);
        if (!count)
            loopback->waiting &= ~link_bit(lane);
    }
}

static void wake(struct link *link, unsigned lane)
{
    loopback_of(link)->waiting |= link_bit(lane);
}

static int run(struct link *link, uint64_t now_ns)
{
    struct loopback *loopback = loopback_of(link);
    (void)now_ns;
    EACH_LANE_OF(lane, loopback->waiting & loopback->open)
        serve(loopback, lane);
    return 0;
}

static uint64_t deadline(struct link *link)
{
    return loopback_of(link)->waiting & loopback_of(link)->open ? 0 : UINT64_MAX;
}

static int open_lane(struct link *link, unsigned lane)
{
    loopback_of(link)->open |= link_bit(lane);
    return 0;
}

static int close_lane(struct link *link, unsigned lane)
{
    loopback_of(link)->open &= ~link_bit(lane);
    return 0;
}

static int reset_lane(struct link *link, unsigned lane)
{
    COUNT(loopback_of(link)->counters[lane].resets);
    return 0;
}

static void close_link(struct link *link)
{
    loopback_of(link)->open = 0;
}

static void free_link(struct link *link)
{
    free(link);
}

static const struct link_ops ops = {
    .wake = wake,
    .run = run,
    .deadline = deadline,
    .open_lane = open_lane,
    .close_lane = close_lane,
    .reset_lane = reset_lane,
    .close = close_link,
    .free = free_link,
};

struct link *loopback_new(void)
{
    struct loopback *loopback = calloc(1, sizeof *loopback);
    if (!loopback)
        return NULL;
    loopback->link = (struct link){ .ops = &ops, .mtu = MTU_MAX, .fd = -1, .counters = &loopback->none };
    for (unsigned lane = 0; lane < LANES; lane++)
        loopback->link.lanes[lane] = &loopback->counters[lane];
    return &loopback->link;
}
