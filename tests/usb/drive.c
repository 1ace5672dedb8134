/* Links at full rate, as fast as an engine would drive them: for the figures, where Python is too slow in the guest. */
#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <time.h>
#include "protocol.h"
#include "transport.h"

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + time.tv_nsec * 1e-9;
}

static void count(void *context, const uint8_t *packet, unsigned length)
{
    if (length == USB_PACKET && packet[0] == OP_BOTH)
        ++*(uint64_t *)context;
}

/* Keep `links` links full of both-ways packets for so many seconds; answers[i]: full ones that link i has given. 0, or
 * what a link said when it failed. */
__attribute__((visibility("default"))) int drive(struct transport **transports, unsigned links, double seconds,
                                                 uint64_t *answers)
{
    uint8_t packet[USB_PACKET] = { OP_BOTH, PACKET_PLANES };
    struct pollfd files[8];
    memset(packet + PACKET_HEADER, 0xFF, sizeof packet - PACKET_HEADER);
    for (unsigned i = 0; i < links; i++)
        files[i] = (struct pollfd){ transports[i]->fd, POLLIN, 0 };
    for (double end = now() + seconds; now() < end;) {
        for (unsigned i = 0; i < links; i++) {
            while (!transports[i]->ops->submit(transports[i], packet, sizeof packet))
                ;
            int result = transports[i]->ops->service(transports[i], count, &answers[i]);
            if (result < 0)
                return result;
        }
        poll(files, links, 1);
    }
    return 0;
}
