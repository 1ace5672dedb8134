/* Packets between a board's link and the tuns: see ports.h. */
#include "ports.h"
#include <errno.h>
#include <stddef.h>
#include <sys/epoll.h>

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

/* --- what the link asks for --------------------------------------------------------------------------------------- */

static int take(void *context, unsigned lane, uint8_t *packet, unsigned size)
{
    struct engine_board *board = context;
    struct port *port = &board->ports[lane];
    bool news = false;
    int length = port->tun.fd < 0 ? -EAGAIN : tun_read(&port->tun, packet, size, &news);
    if (news)
        board_tell(board, EVENT_tun_error, (int)lane, -length);
    if (length > 0 && port->interface >= 0)
        capture(port, true, packet, (unsigned)length);
    return length;
}

static void give(void *context, unsigned lane, const uint8_t *packet, unsigned length)
{
    struct engine_board *board = context;
    struct lane_counters *counters = board->link->lanes[lane];
    struct port *port = &board->ports[lane];
    bool news = false;
    if (port->interface >= 0)
        capture(port, false, packet, length);
    int result = port->tun.fd < 0 ? -ENOTCONN : tun_write(&port->tun, packet, length, &news);
    if (result == -EAGAIN)
        COUNT(counters->drop_tun_full);
    else if (result < 0)
        COUNT(counters->drop_tun_down);
    if (news)
        board_tell(board, EVENT_tun_error, (int)lane, -result);
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
        board->ports[lane] = (struct port){ { -1, ready }, board, lane, -1, { .fd = -1 } };
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
    /* Edges only: a tun is not read before its lane can take a packet, however long packets wait. */
    result = loop_add(port->board->loop, &port->source, EPOLLIN | EPOLLET);
    if (result < 0)
        port_close(port);
    return result;
}

void port_close(struct port *port)
{
    if (port->source.fd >= 0)
        loop_remove(port->board->loop, &port->source);
    port->source.fd = -1;
    tun_close(&port->tun);
}
