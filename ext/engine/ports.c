/* Packets between a board's link and the tuns: see ports.h.
 *
 * While epoll watches a tun the kernel tells it of each packet, at 0.2 us for whoever sends it. A tun that is read again
 * and again needs no telling: after HOT packets in a row it is taken out, until it has been empty for GRACE turns. Packets
 * that have come meanwhile show when it is added.
 */
#include "ports.h"
#include <errno.h>
#include <stddef.h>
#include <sys/epoll.h>

/* Packets in a row, and turns of the board; see above. */
enum { HOT = 16, GRACE = 2 };

void board_tell(struct engine_board *board, enum engine_event_kind kind, int lane, int error)
{
    events_put(&board->engine->events, (struct engine_event){ kind, board->number, lane, error });
}

/* A capture takes packets from one thread at a time; only while there are more do they take turns. */
static void capture(const struct port *port, bool out, const uint8_t *packet, unsigned length)
{
    struct engine *engine = port->board->engine;
    if (engine->threads > 1)
        pthread_mutex_lock(&engine->capture_lock);
    capture_packet(engine->capture, (unsigned)port->interface, out, packet, length);
    if (engine->threads > 1)
        pthread_mutex_unlock(&engine->capture_lock);
}

/* --- watching ----------------------------------------------------------------------------------------------------- */

/* Edges only: a tun is not read before its lane can take a packet, however long packets wait. */
static int watch(struct port *port)
{
    int result = loop_add(port->board->loop, &port->source, EPOLLIN | EPOLLET);
    port->watched = result == 0;
    return result;
}

static void unwatch(struct port *port)
{
    if (port->watched)
        loop_remove(port->board->loop, &port->source);
    port->watched = false;
}

/* It was empty, or failed. */
static void dried(struct port *port)
{
    port->streak = 0;
    port->dried = port->board->turn;
    if (!port->watched && port->source.fd >= 0)
        port->board->dry |= (uint16_t)link_bit(port->lane);
}

void ports_rest(struct engine_board *board)
{
    board->turn++;
    EACH_LANE_OF(lane, board->dry) {
        struct port *port = &board->ports[lane];
        bool soon = !port->streak && board->turn - port->dried <= GRACE;
        if (soon || (!port->streak && watch(port) < 0)) /* no memory for it now */
            board->task.due = true;
        else
            board->dry &= (uint16_t)~link_bit(lane);
    }
}

/* --- what the link asks for --------------------------------------------------------------------------------------- */

static int take(void *context, unsigned lane, uint8_t *packet, unsigned size)
{
    struct engine_board *board = context;
    struct port *port = &board->ports[lane];
    bool news = false;
    int length = port->tun.fd < 0 ? -EAGAIN : tun_read(&port->tun, packet, size, &news);
    if (length < 0) {
        dried(port);
        if (news)
            board_tell(board, EVENT_tun_error, (int)lane, -length);
        return length;
    }
    if (++port->streak == HOT)
        unwatch(port);
    if (port->interface >= 0)
        capture(port, true, packet, (unsigned)length);
    return length;
}

static void refused(struct engine_board *board, unsigned lane, int error, bool news)
{
    struct lane_counters *counters = board->link->lanes[lane];
    if (error == EAGAIN)
        COUNT(counters->drop_tun_full);
    else
        COUNT(counters->drop_tun_down);
    if (news)
        board_tell(board, EVENT_tun_error, (int)lane, error);
}

static void give(void *context, unsigned lane, const uint8_t *packet, unsigned length)
{
    struct engine_board *board = context;
    struct port *port = &board->ports[lane];
    bool news = false;
    if (port->interface >= 0)
        capture(port, false, packet, length);
    int result = port->tun.fd < 0 ? -ENOTCONN : tun_write(&port->tun, packet, length, &news);
    if (result < 0)
        refused(board, lane, -result, news);
    board->link->ops->wake(board->link, lane); /* the kernel's answer waits already, as a rule */
}

static void trouble(void *context, unsigned lane, enum link_trouble what, int error)
{
    static const enum engine_event_kind kinds[] = {
        [LINK_SUSPECT] = EVENT_suspect,
        [LINK_STUCK] = EVENT_stuck,
        [LINK_GONE] = EVENT_lane_gone,
    };
    board_tell(context, kinds[what], (int)lane, error);
}

const struct link_owner ports_owner = { take, give, trouble };

/* --- a tun's coming and going ------------------------------------------------------------------------------------- */

void port_wake(struct port *port)
{
    struct link *link = port->board->link;
    link->ops->wake(link, port->lane);
    port->board->task.due = true;
}

static void ready(struct loop_source *source, uint32_t events)
{
    (void)events; /* errors show when it is read */
    port_wake((struct port *)((char *)source - offsetof(struct port, source)));
}

void ports_init(struct engine_board *board)
{
    for (uint8_t lane = 0; lane < LANES; lane++)
        board->ports[lane] =
            (struct port){ .source = { -1, ready }, .board = board, .lane = lane, .interface = -1, .tun = { .fd = -1 } };
}

int port_open(struct port *port, int fd)
{
    struct tun tun;
    int result = tun_open(&tun, fd);
    if (result < 0)
        return result;
    port_close(port);
    port->tun = tun;
    port->source.fd = tun.fd;
    result = watch(port);
    if (result < 0)
        port_close(port);
    return result;
}

void port_close(struct port *port)
{
    unwatch(port);
    port->board->dry &= (uint16_t)~link_bit(port->lane);
    port->source.fd = -1;
    port->streak = 0;
    tun_close(&port->tun);
}
