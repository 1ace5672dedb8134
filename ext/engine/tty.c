/* SLIP over serial ports: see tty.h.
 *
 * Frames for a port gather in its buffer and leave in one write, because a tty's system calls cost more than a frame.
 * While a buffer has not left whole, its lane takes no packet: they wait in the tun's queue.
 */
#include "tty.h"
#include "ip.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

enum {
    GATHER = 8192, /* bytes that are worth a write: more than a pty takes at once */
    CHUNK = 4096,  /* bytes in a read: what the line discipline holds at most */
    READS = 4,     /* reads from a port before the others have their turn */
};

struct port {
    int fd; /* -1: none, or gone */
    unsigned filled, sent; /* of `out` */
    struct slip_decoder decoder;
    struct lane_counters counters;
    uint8_t packet[MTU_MAX];
    uint8_t out[GATHER + SLIP_BOUND(MTU_MAX)];
};

struct ttys {
    struct link link; /* the first member: they share their address */
    struct board_counters none;
    unsigned open;     /* lanes in service */
    unsigned there;    /* lanes whose port is there */
    unsigned waiting;  /* lanes whose owner may have a packet */
    unsigned readable; /* lanes whose port may have bytes */
    unsigned full;     /* lanes whose port did not take all */
    unsigned count;
    struct port ports[LANES];
    uint8_t chunk[CHUNK];
};

static struct ttys *ttys_of(struct link *link)
{
    return (struct ttys *)link;
}

/* --- a port's coming and going ------------------------------------------------------------------------------------ */

static void drop_port(struct ttys *ttys, unsigned lane)
{
    struct port *port = &ttys->ports[lane];
    if (port->fd >= 0) {
        epoll_ctl(ttys->link.fd, EPOLL_CTL_DEL, port->fd, NULL); /* others may hold the file open */
        close(port->fd);
    }
    port->fd = -1;
    port->filled = port->sent = 0;
    port->decoder = (struct slip_decoder){ .packet = port->packet, .capacity = MTU_MAX };
    ttys->there &= ~link_bit(lane);
    ttys->readable &= ~link_bit(lane);
    ttys->full &= ~link_bit(lane);
}

static int add_port(struct ttys *ttys, unsigned lane, int fd)
{
    struct epoll_event event = { .events = EPOLLIN | EPOLLET, .data.u32 = lane };
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (copy < 0)
        return -errno;
    int flags = fcntl(copy, F_GETFL);
    if (flags < 0 || fcntl(copy, F_SETFL, flags | O_NONBLOCK) < 0 ||
        epoll_ctl(ttys->link.fd, EPOLL_CTL_ADD, copy, &event) < 0) {
        int error = -errno;
        close(copy);
        return error;
    }
    drop_port(ttys, lane);
    ttys->ports[lane].fd = copy;
    ttys->there |= link_bit(lane);
    ttys->readable |= link_bit(lane);
    ttys->waiting |= link_bit(lane);
    return 0;
}

static void gone(struct ttys *ttys, unsigned lane, int error)
{
    drop_port(ttys, lane);
    ttys->link.owner->trouble(ttys->link.context, lane, LINK_GONE, error);
}

/* --- in ----------------------------------------------------------------------------------------------------------- */

static void count_bad(struct lane_counters *counters, enum ip_verdict verdict)
{
    if (verdict == IP_BAD_VERSION)
        COUNT(counters->drop_version);
    else if (verdict == IP_BAD_LENGTH)
        COUNT(counters->drop_length);
    else
        COUNT(counters->drop_checksum);
}

static void packet_came(struct ttys *ttys, unsigned lane)
{
    struct port *port = &ttys->ports[lane];
    unsigned length = (unsigned)port->decoder.length;
    enum ip_verdict verdict = ip_check(port->packet, length);
    if (!(ttys->open & link_bit(lane)))
        return;
    if (length > ttys->link.mtu) {
        COUNT(port->counters.drop_oversize);
        return;
    }
    if (verdict != IP_GOOD) {
        count_bad(&port->counters, verdict);
        return;
    }
    COUNT(port->counters.packets_in);
    COUNT_BY(port->counters.bytes_in, length);
    ttys->link.owner->give(ttys->link.context, lane, port->packet, length);
}

static void hear(struct ttys *ttys, unsigned lane, const uint8_t *bytes, size_t length)
{
    struct port *port = &ttys->ports[lane];
    while (length) {
        enum slip_event event;
        size_t taken = slip_decode(&port->decoder, bytes, length, &event);
        bytes += taken;
        length -= taken;
        if (event == SLIP_PACKET)
            packet_came(ttys, lane);
        else if (event == SLIP_OVERSIZE)
            COUNT(port->counters.drop_oversize);
        else if (event == SLIP_GARBLED)
            COUNT(port->counters.drop_slip);
    }
}

static void read_port(struct ttys *ttys, unsigned lane)
{
    for (unsigned i = 0; i < READS; i++) {
        ssize_t count = read(ttys->ports[lane].fd, ttys->chunk, CHUNK);
        if (count > 0) {
            hear(ttys, lane, ttys->chunk, (size_t)count);
        } else if (count == 0 || (errno != EAGAIN && errno != EINTR)) {
            gone(ttys, lane, count ? errno : EPIPE);
            return;
        } else {
            ttys->readable &= ~link_bit(lane);
            return;
        }
    }
}

/* --- out ---------------------------------------------------------------------------------------------------------- */

static void gather(struct ttys *ttys, unsigned lane)
{
    struct port *port = &ttys->ports[lane];
    uint8_t packet[MTU_MAX + 1];
    while (port->filled < GATHER) {
        int length = ttys->link.owner->take(ttys->link.context, lane, packet, sizeof packet);
        if (length < 0) {
            ttys->waiting &= ~link_bit(lane);
            return;
        }
        if ((unsigned)length > ttys->link.mtu) {
            COUNT(port->counters.drop_oversize);
            continue;
        }
        port->filled += (unsigned)slip_encode(port->out + port->filled, packet, (size_t)length);
        COUNT(port->counters.packets_out);
        COUNT_BY(port->counters.bytes_out, (uint64_t)length);
    }
}

/* Only a full port is watched for room: a pty tells of room whenever its other end reads. */
static void set_full(struct ttys *ttys, unsigned lane, bool full)
{
    struct epoll_event event = { .events = EPOLLIN | (full ? EPOLLOUT : 0) | EPOLLET, .data.u32 = lane };
    if (full != !!(ttys->full & link_bit(lane)))
        epoll_ctl(ttys->link.fd, EPOLL_CTL_MOD, ttys->ports[lane].fd, &event);
    ttys->full = full ? ttys->full | link_bit(lane) : ttys->full & ~link_bit(lane);
}

static void send_out(struct ttys *ttys, unsigned lane)
{
    struct port *port = &ttys->ports[lane];
    while (port->sent < port->filled) {
        ssize_t count = write(port->fd, port->out + port->sent, port->filled - port->sent);
        if (count >= 0) {
            port->sent += (unsigned)count;
        } else if (errno == EAGAIN) {
            set_full(ttys, lane, true);
            return;
        } else if (errno != EINTR) {
            gone(ttys, lane, errno);
            return;
        }
    }
    port->sent = port->filled = 0;
    set_full(ttys, lane, false);
}

/* --- the link ----------------------------------------------------------------------------------------------------- */

/* Lanes that may have something to send, and can. */
static unsigned sending(const struct ttys *ttys)
{
    return ttys->waiting & ttys->open & ttys->there & ~ttys->full;
}

static void wake(struct link *link, unsigned lane)
{
    ttys_of(link)->waiting |= link_bit(lane);
}

/* What happened to the ports since the last time. A hang-up shows when its port is read. */
static void look(struct ttys *ttys)
{
    struct epoll_event events[LANES];
    int count = epoll_wait(ttys->link.fd, events, LANES, 0);
    for (int i = 0; i < count; i++) {
        unsigned lane = events[i].data.u32;
        if (events[i].events & ~(uint32_t)EPOLLOUT)
            ttys->readable |= link_bit(lane);
        if (events[i].events & EPOLLOUT && ttys->full & link_bit(lane))
            send_out(ttys, lane);
    }
}

static int run(struct link *link, uint64_t now_ns)
{
    (void)now_ns;
    struct ttys *ttys = ttys_of(link);
    look(ttys);
    EACH_LANE_OF(lane, ttys->readable)
        read_port(ttys, lane);
    EACH_LANE_OF(lane, sending(ttys)) {
        gather(ttys, lane);
        send_out(ttys, lane);
    }
    return 0;
}

static uint64_t deadline(struct link *link)
{
    return ttys_of(link)->readable || sending(ttys_of(link)) ? 0 : UINT64_MAX;
}

static int open_lane(struct link *link, unsigned lane)
{
    struct ttys *ttys = ttys_of(link);
    if (lane >= ttys->count)
        return -ENXIO;
    ttys->open |= link_bit(lane);
    return 0;
}

static int close_lane(struct link *link, unsigned lane)
{
    ttys_of(link)->open &= ~link_bit(lane);
    return 0;
}

/* Whoever is at the other end cannot be reset from here. What it began to say, or was being told, is forgotten. */
static int reset_lane(struct link *link, unsigned lane)
{
    struct ttys *ttys = ttys_of(link);
    if (lane >= ttys->count)
        return -ENXIO;
    struct port *port = &ttys->ports[lane];
    COUNT(port->counters.resets);
    port->decoder = (struct slip_decoder){ .packet = port->packet, .capacity = MTU_MAX };
    return 0;
}

static int replace_lane(struct link *link, unsigned lane, int fd)
{
    return lane < ttys_of(link)->count ? add_port(ttys_of(link), lane, fd) : -ENXIO;
}

static void close_link(struct link *link)
{
    struct ttys *ttys = ttys_of(link);
    ttys->open = 0;
    for (unsigned lane = 0; lane < ttys->count; lane++)
        drop_port(ttys, lane);
    ttys->count = 0; /* nor does one come back */
}

static void free_link(struct link *link)
{
    close_link(link);
    close(link->fd);
    free(link);
}

static const struct link_ops ops = {
    .wake = wake,
    .run = run,
    .deadline = deadline,
    .open_lane = open_lane,
    .close_lane = close_lane,
    .reset_lane = reset_lane,
    .replace_lane = replace_lane,
    .close = close_link,
    .free = free_link,
};

struct link *ttys_new(const int *fds, unsigned count, int *error)
{
    struct ttys *ttys = count <= LANES ? calloc(1, sizeof *ttys) : NULL;
    *error = count <= LANES ? -ENOMEM : -EINVAL;
    if (!ttys)
        return NULL;
    ttys->link = (struct link){ .ops = &ops, .mtu = MTU_MAX, .fd = epoll_create1(EPOLL_CLOEXEC) };
    ttys->link.counters = &ttys->none;
    *error = ttys->link.fd < 0 ? -errno : 0;
    if (*error < 0) {
        free(ttys);
        return NULL;
    }
    ttys->count = count;
    for (unsigned lane = 0; lane < LANES; lane++) {
        ttys->ports[lane].fd = -1;
        ttys->link.lanes[lane] = &ttys->ports[lane].counters;
    }
    for (unsigned lane = 0; lane < count && *error == 0; lane++)
        *error = add_port(ttys, lane, fds[lane]);
    if (*error == 0)
        return &ttys->link;
    free_link(&ttys->link);
    return NULL;
}
