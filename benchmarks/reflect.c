/* What the machine can do, for bench_links.py: reflect TUN_FD SECONDS reads a tun and writes each packet back, blocking,
 * with the addresses swapped and the TTL as it was before the kernel forwarded it. Prints packets and CPU ns, piece by
 * piece.
 * reflect ttys FD... is the far end of serial ports: the same for SLIP frames, until its stdin ends. */
#include "slip.h"
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { PORTS = 16, CHUNK = 16384, PIECE = 4096 };

static unsigned long long now(clockid_t clock)
{
    struct timespec time;
    clock_gettime(clock, &time);
    return (unsigned long long)time.tv_sec * 1000000000 + (unsigned long long)time.tv_nsec;
}

/* The kernel took one off the TTL and added it to the checksum (RFC 1141); this takes it back. */
static void answer(unsigned char *packet)
{
    unsigned char source[4];
    unsigned sum = ((unsigned)packet[10] << 8 | packet[11]) + 0xFFFF - 0x0100;
    memcpy(source, packet + 12, 4);
    memcpy(packet + 12, packet + 16, 4);
    memcpy(packet + 16, source, 4);
    packet[8]++;
    sum = (sum & 0xFFFF) + (sum >> 16);
    packet[10] = (unsigned char)(sum >> 8);
    packet[11] = (unsigned char)sum;
}

static int reflect(int tun, double seconds)
{
    unsigned char packet[2048];
    unsigned long long cpu = now(CLOCK_PROCESS_CPUTIME_ID);
    unsigned long long end = now(CLOCK_MONOTONIC) + (unsigned long long)(seconds * 1e9);
    do {
        for (int i = 0; i < PIECE; i++) {
            ssize_t length = read(tun, packet, sizeof packet);
            if (length < 20)
                return 1;
            answer(packet);
            if (write(tun, packet, (size_t)length) < 0)
                return 1;
        }
        unsigned long long before = cpu;
        cpu = now(CLOCK_PROCESS_CPUTIME_ID);
        printf("%d %llu\n", PIECE, cpu - before);
    } while (now(CLOCK_MONOTONIC) < end);
    return 0;
}

static int serve(int fd, struct slip_decoder *decoder)
{
    static unsigned char in[CHUNK], out[4 * CHUNK];
    ssize_t count = read(fd, in, CHUNK);
    size_t filled = 0;
    for (ssize_t i = 0; i < count;) {
        enum slip_event event;
        i += (ssize_t)slip_decode(decoder, in + i, (size_t)(count - i), &event);
        if (event != SLIP_PACKET || decoder->length < 20)
            continue;
        answer(decoder->packet);
        filled += slip_encode(out + filled, decoder->packet, decoder->length);
    }
    for (size_t sent = 0; sent < filled;) {
        ssize_t written = write(fd, out + sent, filled - sent);
        if (written < 0)
            return 1;
        sent += (size_t)written;
    }
    return count <= 0;
}

static int ttys(int count, char **fds)
{
    static unsigned char packets[PORTS][2048];
    struct slip_decoder decoders[PORTS] = { 0 };
    struct pollfd polls[PORTS + 1] = { { .fd = 0, .events = POLLIN } };
    if (count > PORTS)
        return 2;
    for (int i = 0; i < count; i++) {
        decoders[i] = (struct slip_decoder){ .packet = packets[i], .capacity = sizeof packets[i] };
        polls[i + 1] = (struct pollfd){ .fd = atoi(fds[i]), .events = POLLIN };
    }
    while (poll(polls, (nfds_t)count + 1, -1) >= 0 && !polls[0].revents)
        for (int i = 0; i < count; i++)
            if (polls[i + 1].revents && serve(polls[i + 1].fd, &decoders[i]))
                polls[i + 1].fd = -1;
    return 0;
}

int main(int argc, char **argv)
{
    if (argc > 2 && !strcmp(argv[1], "ttys"))
        return ttys(argc - 2, argv + 2);
    return argc == 3 ? reflect(atoi(argv[1]), atof(argv[2])) : 2;
}
