/* A board link (board_link.h) as a link among others. */
#include "link.h"
#include <errno.h>
#include <stdlib.h>

struct planes_link {
    struct link link; /* the first member: they share their address */
    struct board_link board;
};

static struct board_link *board_of(struct link *link)
{
    return &((struct planes_link *)link)->board;
}

static int take(void *context, unsigned lane, uint8_t *packet, unsigned size)
{
    struct link *link = context;
    return link->owner->take(link->context, lane, packet, size);
}

static void give(void *context, unsigned lane, const uint8_t *packet, unsigned length)
{
    struct link *link = context;
    link->owner->give(link->context, lane, packet, length);
}

static void news(void *context, unsigned lane, enum lane_news what)
{
    struct link *link = context;
    link->owner->trouble(link->context, lane, what == LANE_SUSPECT ? LINK_SUSPECT : LINK_STUCK, 0);
}

static const struct link_client client = { take, give, news };

static void wake(struct link *link, unsigned lane)
{
    board_link_wake(board_of(link), lane);
}

static int run(struct link *link, uint64_t now_ns)
{
    return board_link_run(board_of(link), now_ns);
}

static uint64_t deadline(struct link *link)
{
    return board_link_deadline(board_of(link));
}

static int reset_lane(struct link *link, unsigned lane)
{
    return board_link_start_lane(board_of(link), lane);
}

static int open_lane(struct link *link, unsigned lane)
{
    return board_of(link)->open >> lane & 1 ? 0 : reset_lane(link, lane);
}

static int close_lane(struct link *link, unsigned lane)
{
    return board_link_stop_lane(board_of(link), lane);
}

static void close_link(struct link *link)
{
    board_link_close(board_of(link));
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

struct link *link_of_board(struct transport *transport, const struct options *options, int *error)
{
    struct planes_link *made = calloc(1, sizeof *made);
    *error = -ENOMEM;
    if (!made)
        return NULL;
    made->link = (struct link){ .ops = &ops, .fd = transport->fd, .board = &made->board };
    made->link.counters = &made->board.counters;
    for (unsigned lane = 0; lane < LANES; lane++)
        made->link.lanes[lane] = &made->board.lanes[lane].counters;
    made->board.options = *options;
    *error = board_link_open(&made->board, transport, &client, &made->link);
    if (*error == 0)
        return &made->link;
    free(made);
    return NULL;
}
