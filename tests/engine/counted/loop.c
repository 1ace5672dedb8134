/* The whole loop's work for a packet, counted: epoll, tun, checks, counters, link; in instructions outside the kernel.
 *
 * In place of a tun there is a datagram socket that is connected to itself, and in place of a serial port a pipe that is
 * read and written: what is written comes back, so that a few packets go round for ever and nobody else works meanwhile.
 */
#define _GNU_SOURCE
#include "counted.h"

#include "engine.h"
#include "loopback.h"
#include "slip.h"
#include "tty.h"
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { WINDOW = 32, SIZE = 100, ROUNDS = 20000, PATIENCE = 6000 /* turns of 10 ms */ };

static void must(bool good)
{
    if (!good)
        abort();
}

static int socket_to_itself(void)
{
    struct sockaddr_un name = { .sun_family = AF_UNIX };
    socklen_t length = sizeof name.sun_family; /* any name will do */
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    must(fd >= 0 && bind(fd, (struct sockaddr *)&name, length) == 0);
    length = sizeof name;
    must(getsockname(fd, (struct sockaddr *)&name, &length) == 0);
    must(connect(fd, (struct sockaddr *)&name, length) == 0);
    return fd;
}

static int pipe_to_itself(void)
{
    int ends[2];
    char path[40];
    must(pipe2(ends, O_CLOEXEC) == 0);
    snprintf(path, sizeof path, "/proc/self/fd/%d", ends[0]);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    must(fd >= 0);
    close(ends[0]);
    close(ends[1]);
    return fd;
}

/* IPv4 from 10.0.0.1 to 10.0.0.2, of an experimental protocol (RFC 3692). */
static void send_packets(int fd)
{
    static const uint8_t packet[SIZE] = { 0x45, 0, 0, SIZE, 0, 0, 0, 0, 64, 253, 0x65, 0x9B, 10, 0, 0, 1, 10, 0, 0, 2 };
    for (unsigned i = 0; i < WINDOW; i++)
        must(write(fd, packet, sizeof packet) == sizeof packet);
}

static void count_link(const char *name, struct link *link)
{
    int error, tun = socket_to_itself();
    struct engine *engine = engine_new(&error);
    must(engine && link && engine_add_link(engine, link) == 0 && engine_attach(engine, 0, 0, tun) == 0);
    send_packets(tun);
    const struct lane_counters *counters = engine_lane_counters(engine, 0, 0);
    count_from();
    must(engine_start(engine) == 0);
    for (unsigned i = 0; i < PATIENCE && COUNTED(counters->packets_in) < ROUNDS; i++)
        usleep(10000);
    engine_stop(engine);
    count_as(name, (double)counters->packets_in, "packet");
    must(counters->packets_in >= ROUNDS && counters->packets_out - counters->packets_in <= WINDOW);
    engine_free(engine);
    close(tun);
}

int main(void)
{
    int error, port = pipe_to_itself();
    slip_use("sse2"); /* which all CPUs of the kind have */
    count_scale();
    count_link("loop, synthetic node", loopback_new());
    count_link("loop, serial port", ttys_new(&port, 1, &error));
    close(port);
    return 0;
}
