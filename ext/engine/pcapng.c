/* Blocks, batches and pipes that nobody reads: see pcapng.h. */
#include "pcapng.h"
#include "counters.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
    CHUNK = PIPE_BUF, /* bytes that a pipe takes at once where it takes any */
    SECTION_HEADER = 0x0A0D0D0A,
    INTERFACE_DESCRIPTION = 1,
    INTERFACE_STATISTICS = 5,
    ENHANCED_PACKET = 6,
    BYTE_ORDER_MAGIC = 0x1A2B3C4D,
    LINKTYPE_RAW = 101, /* IPv4 or IPv6, without anything before it */
    OPTION_END = 0,
    IF_NAME = 2,
    IF_TSRESOL = 9,
    EPB_FLAGS = 2, /* 1: inbound, 2: outbound, as the host sees it */
    ISB_IFRECV = 4,
    ISB_IFDROP = 5,
};

uint64_t pcapng_clock(int clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

/* --- writing ------------------------------------------------------------------------------------------------------ */

/* Until a pipe or socket takes a chunk: without end while it is not to stop, and no longer than LINGER_MS after. */
static int wait_for_room(struct pcapng *pcapng)
{
    for (;;) {
        bool stopping = __atomic_load_n(&pcapng->stopping, __ATOMIC_ACQUIRE);
        int timeout = -1;
        eventfd_t count;
        if (stopping) {
            uint64_t now = pcapng_clock(CLOCK_MONOTONIC);
            if (!pcapng->until_ns)
                pcapng->until_ns = now + PCAPNG_LINGER_MS * UINT64_C(1000000);
            timeout = now < pcapng->until_ns ? (int)((pcapng->until_ns - now) / 1000000) : 0;
        }
        struct pollfd files[] = { { pcapng->fd, POLLOUT, 0 }, { stopping ? -1 : pcapng->wake, POLLIN, 0 } };
        int ready = poll(files, 2, timeout);
        if (files[0].revents)
            return 0; /* an error shows when it is written to */
        if (!ready)
            return -ETIMEDOUT;
        if (files[1].revents) /* most likely the end */
            eventfd_read(pcapng->wake, &count);
    }
}

/* Bytes that were written, or a negative errno. */
static ssize_t write_some(struct pcapng *pcapng, const uint8_t *bytes, uint32_t length)
{
    int result = pcapng->file ? 0 : wait_for_room(pcapng);
    if (result < 0)
        return result;
    ssize_t count = write(pcapng->fd, bytes, pcapng->file || length < CHUNK ? length : CHUNK);
    if (count < 0)
        return errno == EINTR || errno == EAGAIN ? 0 : -errno;
    return count ? count : -EIO;
}

void pcapng_flush(struct pcapng *pcapng)
{
    uint32_t sent = 0;
    while (sent < pcapng->filled && !pcapng->error) {
        ssize_t count = write_some(pcapng, pcapng->batch + sent, pcapng->filled - sent);
        if (count >= 0)
            sent += (uint32_t)count;
        else
            __atomic_store_n(&pcapng->error, (int)count, __ATOMIC_RELAXED);
    }
    off_t end = pcapng->file && sent < pcapng->filled ? lseek(pcapng->fd, 0, SEEK_CUR) - sent : -1;
    if (end >= 0 && ftruncate(pcapng->fd, end) == 0) /* batches are whole blocks */
        lseek(pcapng->fd, end, SEEK_SET);
    COUNT_BY(*(pcapng->error ? &pcapng->lost : &pcapng->written), pcapng->packets);
    pcapng->filled = pcapng->packets = 0;
}

/* --- blocks ------------------------------------------------------------------------------------------------------- */

static void put(struct pcapng *pcapng, const void *bytes, uint32_t length)
{
    memcpy(pcapng->batch + pcapng->filled, bytes, length);
    pcapng->filled += length;
}

static void put32(struct pcapng *pcapng, uint32_t value)
{
    put(pcapng, &value, sizeof value);
}

static void put_time(struct pcapng *pcapng, uint64_t ns)
{
    put32(pcapng, (uint32_t)(ns >> 32));
    put32(pcapng, (uint32_t)ns);
}

static void put_padding(struct pcapng *pcapng)
{
    while (pcapng->filled & 3)
        pcapng->batch[pcapng->filled++] = 0;
}

static void put_option(struct pcapng *pcapng, uint16_t code, const void *value, uint16_t length)
{
    put(pcapng, &code, sizeof code);
    put(pcapng, &length, sizeof length);
    put(pcapng, value, length);
    put_padding(pcapng);
}

/* A block's type, and room for its length. */
static void begin(struct pcapng *pcapng, uint32_t type)
{
    if (pcapng->filled >= PCAPNG_BATCH)
        pcapng_flush(pcapng);
    pcapng->block = pcapng->filled;
    put32(pcapng, type);
    put32(pcapng, 0);
}

static void end(struct pcapng *pcapng)
{
    uint32_t length = pcapng->filled + 4 - pcapng->block;
    put32(pcapng, length);
    memcpy(pcapng->batch + pcapng->block + 4, &length, sizeof length);
}

void pcapng_header(struct pcapng *pcapng)
{
    const uint64_t unknown_length = UINT64_MAX;
    begin(pcapng, SECTION_HEADER);
    put32(pcapng, BYTE_ORDER_MAGIC);
    put32(pcapng, 1); /* version 1.0 */
    put(pcapng, &unknown_length, sizeof unknown_length);
    end(pcapng);
}

void pcapng_interface(struct pcapng *pcapng, const char *name)
{
    const uint8_t nanoseconds = 9;
    begin(pcapng, INTERFACE_DESCRIPTION);
    put32(pcapng, LINKTYPE_RAW);
    put32(pcapng, 0); /* whole packets */
    put_option(pcapng, IF_NAME, name, (uint16_t)strnlen(name, NAME_MAX));
    put_option(pcapng, IF_TSRESOL, &nanoseconds, sizeof nanoseconds);
    put32(pcapng, OPTION_END);
    end(pcapng);
}

uint8_t *pcapng_packet(struct pcapng *pcapng, uint32_t interface, uint64_t ns, uint32_t length)
{
    begin(pcapng, ENHANCED_PACKET);
    put32(pcapng, interface);
    put_time(pcapng, ns);
    put32(pcapng, length);
    put32(pcapng, length);
    return pcapng->batch + pcapng->filled;
}

void pcapng_packet_end(struct pcapng *pcapng, uint32_t length, bool out)
{
    const uint32_t flags = out ? 2 : 1;
    pcapng->filled += length;
    put_padding(pcapng);
    put_option(pcapng, EPB_FLAGS, &flags, sizeof flags);
    put32(pcapng, OPTION_END);
    end(pcapng);
    pcapng->packets++;
}

void pcapng_statistics(struct pcapng *pcapng, uint32_t interface, uint64_t ns, uint64_t received, uint64_t dropped)
{
    begin(pcapng, INTERFACE_STATISTICS);
    put32(pcapng, interface);
    put_time(pcapng, ns);
    put_option(pcapng, ISB_IFRECV, &received, sizeof received);
    put_option(pcapng, ISB_IFDROP, &dropped, sizeof dropped);
    put32(pcapng, OPTION_END);
    end(pcapng);
}

/* --- making and ending -------------------------------------------------------------------------------------------- */

int pcapng_open(struct pcapng *pcapng, int fd)
{
    struct stat what;
    pcapng->wake = -1;
    if ((pcapng->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0)) < 0 || (pcapng->wake = eventfd(0, EFD_CLOEXEC)) < 0 ||
        fstat(pcapng->fd, &what) < 0)
        return -errno;
    pcapng->file = S_ISREG(what.st_mode);
    return 0;
}

void pcapng_finish(struct pcapng *pcapng)
{
    if (pcapng->fd >= 0)
        close(pcapng->fd);
    pcapng->fd = -1;
}

void pcapng_close(struct pcapng *pcapng)
{
    pcapng_finish(pcapng);
    if (pcapng->wake >= 0)
        close(pcapng->wake);
}
