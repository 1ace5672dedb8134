/* Synthetic nodes: see loopback.h. */
#include "loopback.h"
#include "ip.h"
#include <stdlib.h>
#include <string.h>

enum {
    BUDGET = 64, /* packets of a lane before the others have their turn */
    TTL = 64,
    ICMP = 1,
    ECHO_REQUEST = 8,
};

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

/* Replace a 16-bit word that a checksum covers (RFC 1624, equation 3). */
static void patch(uint8_t *checksum, uint8_t *word, unsigned value)
{
    uint32_t was = (uint32_t)word[0] << 8 | word[1], sum = (uint32_t)checksum[0] << 8 | checksum[1];
    sum = (~sum & 0xFFFF) + (~was & 0xFFFF) + value;
    sum = (sum & 0xFFFF) + (sum >> 16);
    sum = ~(sum + (sum >> 16));
    word[0] = (uint8_t)(value >> 8);
    word[1] = (uint8_t)value;
    checksum[0] = (uint8_t)(sum >> 8);
    checksum[1] = (uint8_t)sum;
}

static void answer(uint8_t *packet, unsigned length)
{
    const unsigned header = 4u * (packet[0] & 15);
    uint8_t source[4];
    memcpy(source, packet + 12, 4);
    memcpy(packet + 12, packet + 16, 4);
    memcpy(packet + 16, source, 4);
    patch(packet + 10, packet + 8, (unsigned)TTL << 8 | packet[9]);
    if (packet[9] == ICMP && length >= header + 8 && packet[header] == ECHO_REQUEST)
        patch(packet + header + 2, packet + header, packet[header + 1]);
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
        answer(packet, (unsigned)length);
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
