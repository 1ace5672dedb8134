/* Synthetic nodes: see loopback.h. */
#include "loopback.h"
#include "ip.h"
#include "node.h"
#include <stdlib.h>

enum { BUDGET = 64 }; /* packets of a lane before the others have their turn */

struct loopback {
    struct link link; /* the first member: they share their address */
    struct board_counters none;
    unsigned open, waiting;
    struct lane_counters counters[LANES];
};

static struct loopback *loopback_of(struct link *link)
{
    return (struct loopback *)link;
}

static void serve(struct loopback *loopback, unsigned lane)
{
    struct link *link = &loopback->link;
    struct lane_counters *counters = &loopback->counters[lane];
    uint8_t packet[MTU_MAX];
    for (unsigned i = 0; i < BUDGET; i++) {
        int length = link->owner->take(link->context, lane, packet, sizeof packet);
        if (length < 0) {
            loopback->waiting &= ~link_bit(lane);
            return;
        }
        COUNT(counters->packets_out);
        COUNT_BY(counters->bytes_out, (uint64_t)length);
        if (ip_check(packet, (unsigned)length) != IP_GOOD || packet[0] >> 4 != 4) {
            COUNT(counters->drop_version);
            continue;
        }
        node_answer(packet, (unsigned)length);
        COUNT(counters->packets_in);
        COUNT_BY(counters->bytes_in, (uint64_t)length);
        link->owner->give(link->context, lane, packet, (unsigned)length);
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
