/* One board as its owner sees it: see board_link.h. What happens while planes flow is in link_runs.c. */
#include "link_runs.h"
#include <errno.h>
#include <time.h>

#define NS_PER_MS UINT64_C(1000000)

static const uint8_t reset_bit[LANES] = { RESET_BITS };

/* --- resets ------------------------------------------------------------------------------------------------------- */

static int control(struct board_link *link, bool in, uint8_t request, uint16_t value, uint16_t index, uint8_t *data,
                   uint16_t length)
{
    uint8_t setup[8] = { in ? 0xC0 : 0x40, request, (uint8_t)value, (uint8_t)(value >> 8), (uint8_t)index,
                         (uint8_t)(index >> 8), (uint8_t)length, (uint8_t)(length >> 8) };
    return link->transport->ops->control(link->transport, setup, data, length);
}

int board_link_write_resets(struct board_link *link)
{
    uint16_t held = 0;
    EACH_LANE(lane, (uint16_t)~link->open)
        held |= lane_bit(reset_bit[lane]);
    int result = control(link, false, REQUEST_RESETS, held, 0, NULL, 0);
    return result < 0 ? result : 0;
}

/* How fast the clock is in runs that go one way. */
static int write_padding(struct board_link *link)
{
    const struct {
        uint16_t opcode, loops;
    } paddings[] = { { OP_TX, (uint16_t)link->options.padding_tx }, { OP_RX, (uint16_t)link->options.padding_rx } };
    int result = 0;
    for (unsigned i = 0; i < 2 && result >= 0 && link->options.duplex; i++)
        if (paddings[i].loops)
            result = control(link, false, REQUEST_PADDING, paddings[i].loops, paddings[i].opcode, NULL, 0);
    return result < 0 ? result : 0;
}

int board_link_open(struct board_link *link, struct transport *transport, const struct link_client *client,
                    void *context)
{
    uint8_t version[4];
    link->transport = transport;
    link->client = client;
    link->context = context;
    link->last_sent = 0xFFFF;
    link->depth = link->options.depth < transport->depth ? link->options.depth : transport->depth;
    for (unsigned lane = 0; lane < LANES; lane++) {
        link->lanes[lane].stateless = link->options.offload_acks >> lane & 1;
        link_note(link, lane);
    }
    int result = control(link, true, REQUEST_VERSION, 0, 0, version, sizeof version);
    if (result < 0)
        return result;
    if (result != sizeof version || version[0] != PROTOCOL_VERSION || version[1] != LANES)
        return -EPROTO;
    result = write_padding(link);
    return result < 0 ? result : board_link_write_resets(link);
}

int board_link_stop_lane(struct board_link *link, unsigned lane)
{
    if (link->open & lane_bit(lane))
        COUNT(link->lanes[lane].counters.resets);
    link->resume &= (uint16_t)~lane_bit(lane);
    link->open &= (uint16_t)~lane_bit(lane);
    link->starting &= (uint16_t)~lane_bit(lane);
    lane_close(&link->lanes[lane]);
    link_note(link, lane);
    return board_link_write_resets(link);
}

/* --- the owner's side --------------------------------------------------------------------------------------------- */

int board_link_start_lane(struct board_link *link, unsigned lane)
{
    if (link->taken & lane_bit(lane)) {
        link->resume |= lane_bit(lane);
        return 0;
    }
    int result = board_link_stop_lane(link, lane);
    int served = link->transport->ops->service(link->transport, link_take_in, link); /* brings board_ns up to date */
    /* Also if the board is away or does not answer: its lanes start when it is back, and this one is to be among them. */
    link->open |= lane_bit(lane);
    link->starting |= lane_bit(lane);
    link->ready_ns[lane] = link->transport->board_ns + link->options.startup_ms * NS_PER_MS;
    if (served < 0)
        return link_gone(link, served);
    return result < 0 ? result : board_link_write_resets(link);
}

int board_link_reopen(struct board_link *link, struct transport *transport)
{
    const uint16_t open = link->open;
    EACH_LANE(lane, open) {
        lane_close(&link->lanes[lane]);
        COUNT(link->lanes[lane].counters.resets);
    }
    link->open = link->starting = 0;
    link->first = link->under_way = 0;
    link->heard = link->built;
    link->last_driven = 0;
    link->error = 0;
    int result = board_link_open(link, transport, link->client, link->context);
    link->open = link->starting = link->waiting = open;
    EACH_LANE(lane, open)
        link->ready_ns[lane] = transport->board_ns + link->options.startup_ms * NS_PER_MS;
    return result < 0 ? result : board_link_write_resets(link);
}

void board_link_close(struct board_link *link)
{
    enum { TRIES = 1000 };
    const struct timespec pause = { .tv_nsec = 1000000 };
    link->open = link->starting = 0;
    for (unsigned lane = 0; lane < LANES; lane++) {
        lane_close(&link->lanes[lane]);
        link_note(link, lane);
    }
    EACH_LANE(lane, link->programming)
        tpi_fail(&link->tpi[lane], TPI_board_gone);
    link->programming = 0;
    for (unsigned i = 0; i < TRIES && !link->error && link->under_way; i++) {
        int handled = link->transport->ops->service(link->transport, link_take_in, link);
        if (handled < 0)
            link_gone(link, handled);
        else if (!handled)
            nanosleep(&pause, NULL);
    }
    if (!link->error)
        board_link_write_resets(link);
}

/* Tinies whose time to start has passed. */
static void finish_starts(struct board_link *link)
{
    EACH_LANE(lane, link->starting)
        if (link->transport->board_ns >= link->ready_ns[lane]) {
            link->starting &= (uint16_t)~lane_bit(lane);
            lane_open(&link->lanes[lane], link->built + link->options.resync);
            link_note(link, lane);
        }
}

static void scan(struct board_link *link, uint64_t now_ns)
{
    if (!link->options.scan_ms || !board_link_rests(link) || now_ns < link->scan_ns)
        return;
    link->scan_ns = now_ns + link->options.scan_ms * NS_PER_MS;
    COUNT(link->counters.scans);
    link_submit_idle(link, 1);
}

int board_link_run(struct board_link *link, uint64_t now_ns)
{
    if (link->error)
        return link->error;
    link_fill(link);
    int handled = link->transport->ops->service(link->transport, link_take_in, link);
    if (handled < 0)
        return link_gone(link, handled);
    finish_starts(link);
    link_fill(link);
    scan(link, now_ns);
    return link->error ? link->error : handled;
}

uint64_t board_link_deadline(struct board_link *link)
{
    if (link->error)
        return UINT64_MAX;
    if (!link->under_way && !board_link_rests(link))
        return 0;
    uint64_t when = link->transport->ops->deadline(link->transport);
    return link->options.scan_ms && link->scan_ns < when ? link->scan_ns : when;
}

bool board_link_rests(const struct board_link *link)
{
    return !link->under_way && !link->starting && !link_needy(link);
}
