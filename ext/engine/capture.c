/* The capture's ring and its writer: see capture.h.
 *
 * The ring is for one producer and one consumer: each owns one of two positions, which only grow. The engine's thread
 * makes a system call only where the writer sleeps, and after it has been woken the writer lets packets gather for a
 * moment: at most 200 wake-ups a second, however fast they come.
 */
#include "capture.h"
#include "counters.h"
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
    RING = 4 << 20,      /* bytes, a power of two: 20 ms of packets at a full core's rate */
    GATHER_NS = 5000000, /* that the writer, once woken, leaves to more packets */
    BATCH = 1 << 16,     /* bytes in a write */
    CHUNK = PIPE_BUF,    /* ... that a pipe takes at once where it takes any */
    PACKET_MAX = 2048,   /* bytes, beyond any MTU; longer ones are dropped */
};
#define NS_PER_S UINT64_C(1000000000)

/* Before each packet in the ring. A packet's record may wrap around. */
struct record {
    uint64_t ns; /* CLOCK_REALTIME */
    uint16_t interface, length;
    uint32_t out;
};

struct interface {
    uint64_t received, dropped;
};

struct capture {
    int fd, wake;
    pthread_t writer;
    int error;
    bool file;         /* a regular one: its writes end by themselves */
    uint64_t written;  /* packets, ... */
    uint64_t lost;     /* ... that writing failed for; the writer's */
    uint64_t dropped;  /* ... for which there was no room; the producer's */
    uint64_t until_ns; /* CLOCK_MONOTONIC, once it is stopping: then the writer gives up */
    bool sleeping;     /* the writer, or it is about to */
    bool stopping;
    unsigned count;
    char *names;                           /* one after the other, each with its NUL */
    struct interface *interfaces;          /* the producer's */
    uint32_t filled, packets;              /* of `batch`: bytes, and packets in them */
    uint8_t batch[BATCH + 2 * PACKET_MAX]; /* room for one more block */
    _Alignas(64) uint64_t head;            /* bytes ever put, the producer's */
    _Alignas(64) uint64_t tail;            /* bytes ever taken, the writer's */
    uint8_t ring[RING];
};

/* --- blocks (draft-ietf-opsawg-pcapng) ---------------------------------------------------------------------------- */

enum {
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

static uint64_t clock_ns(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

/* Wait until a pipe or socket takes a chunk: without end while packets come, and no longer than LINGER_MS after. */
static int wait_for_room(struct capture *capture)
{
    for (;;) {
        bool stopping = __atomic_load_n(&capture->stopping, __ATOMIC_ACQUIRE);
        int timeout = -1;
        eventfd_t count;
        if (stopping) {
            uint64_t now = clock_ns(CLOCK_MONOTONIC);
            if (!capture->until_ns)
                capture->until_ns = now + CAPTURE_LINGER_MS * UINT64_C(1000000);
            timeout = now < capture->until_ns ? (int)((capture->until_ns - now) / 1000000) : 0;
        }
        struct pollfd files[] = { { capture->fd, POLLOUT, 0 }, { stopping ? -1 : capture->wake, POLLIN, 0 } };
        int ready = poll(files, 2, timeout);
        if (files[0].revents)
            return 0; /* an error shows when it is written to */
        if (!ready)
            return -ETIMEDOUT;
        if (files[1].revents) /* most likely the end */
            eventfd_read(capture->wake, &count);
    }
}

/* Bytes that were written, or a negative errno. */
static ssize_t write_some(struct capture *capture, const uint8_t *bytes, uint32_t length)
{
    int result = capture->file ? 0 : wait_for_room(capture);
    if (result < 0)
        return result;
    ssize_t count = write(capture->fd, bytes, capture->file || length < CHUNK ? length : CHUNK);
    if (count < 0)
        return errno == EINTR || errno == EAGAIN ? 0 : -errno;
    return count ? count : -EIO;
}

/* The batch is written, or given up. */
static void flush(struct capture *capture)
{
    uint32_t sent = 0;
    while (sent < capture->filled && !capture->error) {
        ssize_t count = write_some(capture, capture->batch + sent, capture->filled - sent);
        if (count >= 0)
            sent += (uint32_t)count;
        else
            __atomic_store_n(&capture->error, (int)count, __ATOMIC_RELAXED);
    }
    off_t end = capture->file && sent < capture->filled ? lseek(capture->fd, 0, SEEK_CUR) - sent : -1;
    if (end >= 0 && ftruncate(capture->fd, end) == 0) /* batches are whole blocks */
        lseek(capture->fd, end, SEEK_SET);
    COUNT_BY(*(capture->error ? &capture->lost : &capture->written), capture->packets);
    capture->filled = capture->packets = 0;
}

static void put(struct capture *capture, const void *bytes, uint32_t length)
{
    memcpy(capture->batch + capture->filled, bytes, length);
    capture->filled += length;
}

static void put32(struct capture *capture, uint32_t value)
{
    put(capture, &value, sizeof value);
}

static void put_padding(struct capture *capture)
{
    while (capture->filled & 3)
        capture->batch[capture->filled++] = 0;
}

static void put_option(struct capture *capture, uint16_t code, const void *value, uint16_t length)
{
    put(capture, &code, sizeof code);
    put(capture, &length, sizeof length);
    put(capture, value, length);
    put_padding(capture);
}

/* A block's type and room for its length. Where it starts. */
static uint32_t begin(struct capture *capture, uint32_t type)
{
    if (capture->filled >= BATCH)
        flush(capture);
    uint32_t start = capture->filled;
    put32(capture, type);
    put32(capture, 0);
    return start;
}

static void end(struct capture *capture, uint32_t start)
{
    uint32_t length = capture->filled + 4 - start;
    put32(capture, length);
    memcpy(capture->batch + start + 4, &length, sizeof length);
}

static void put_header(struct capture *capture)
{
    const char *name = capture->names;
    const uint64_t unknown_length = UINT64_MAX;
    const uint8_t nanoseconds = 9;
    uint32_t start = begin(capture, SECTION_HEADER);
    put32(capture, BYTE_ORDER_MAGIC);
    put32(capture, 1); /* version 1.0 */
    put(capture, &unknown_length, sizeof unknown_length);
    end(capture, start);
    for (unsigned i = 0; i < capture->count; i++) {
        start = begin(capture, INTERFACE_DESCRIPTION);
        put32(capture, LINKTYPE_RAW);
        put32(capture, 0); /* whole packets */
        put_option(capture, IF_NAME, name, (uint16_t)strlen(name));
        name += strlen(name) + 1;
        put_option(capture, IF_TSRESOL, &nanoseconds, sizeof nanoseconds);
        put32(capture, OPTION_END);
        end(capture, start);
    }
}

static void put_time(struct capture *capture, uint64_t ns)
{
    put32(capture, (uint32_t)(ns >> 32));
    put32(capture, (uint32_t)ns);
}

static void put_statistics(struct capture *capture)
{
    for (uint32_t i = 0; i < capture->count; i++) {
        const struct interface *interface = &capture->interfaces[i];
        uint32_t start = begin(capture, INTERFACE_STATISTICS);
        put32(capture, i);
        put_time(capture, clock_ns(CLOCK_REALTIME));
        put_option(capture, ISB_IFRECV, &interface->received, sizeof interface->received);
        put_option(capture, ISB_IFDROP, &interface->dropped, sizeof interface->dropped);
        put32(capture, OPTION_END);
        end(capture, start);
    }
}

/* --- the ring ----------------------------------------------------------------------------------------------------- */

static void ring_write(struct capture *capture, uint64_t at, const void *bytes, unsigned length)
{
    unsigned offset = (unsigned)(at % RING), first = RING - offset < length ? RING - offset : length;
    memcpy(capture->ring + offset, bytes, first);
    memcpy(capture->ring, (const uint8_t *)bytes + first, length - first);
}

static void ring_read(const struct capture *capture, uint64_t at, void *bytes, unsigned length)
{
    unsigned offset = (unsigned)(at % RING), first = RING - offset < length ? RING - offset : length;
    memcpy(bytes, capture->ring + offset, first);
    memcpy((uint8_t *)bytes + first, capture->ring, length - first);
}

void capture_packet(struct capture *capture, unsigned number, bool out, const uint8_t *packet, unsigned length)
{
    assert(number < capture->count);
    COUNT(capture->interfaces[number].received);
    const uint64_t tail = __atomic_load_n(&capture->tail, __ATOMIC_ACQUIRE), head = capture->head;
    const struct record record = { clock_ns(CLOCK_REALTIME), (uint16_t)number, (uint16_t)length, out };
    if (RING - (head - tail) < sizeof record + length || length > PACKET_MAX || capture_error(capture)) {
        COUNT(capture->interfaces[number].dropped);
        COUNT(capture->dropped);
        return;
    }
    ring_write(capture, head, &record, sizeof record);
    ring_write(capture, head + sizeof record, packet, length);
    /* Sequentially consistent with the writer's look at `head` after it says that it sleeps. */
    __atomic_store_n(&capture->head, head + sizeof record + length, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&capture->sleeping, __ATOMIC_SEQ_CST) &&
        __atomic_exchange_n(&capture->sleeping, false, __ATOMIC_SEQ_CST))
        eventfd_write(capture->wake, 1);
}

/* All that is in the ring now. Whether there was something. */
static bool drain(struct capture *capture)
{
    const uint64_t head = __atomic_load_n(&capture->head, __ATOMIC_SEQ_CST);
    uint64_t tail = capture->tail;
    if (tail == head)
        return false;
    while (tail != head) {
        struct record record;
        ring_read(capture, tail, &record, sizeof record);
        uint32_t start = begin(capture, ENHANCED_PACKET), flags = record.out ? 2 : 1;
        put32(capture, record.interface);
        put_time(capture, record.ns);
        put32(capture, record.length);
        put32(capture, record.length);
        ring_read(capture, tail + sizeof record, capture->batch + capture->filled, record.length);
        capture->filled += record.length;
        put_padding(capture);
        put_option(capture, EPB_FLAGS, &flags, sizeof flags);
        put32(capture, OPTION_END);
        end(capture, start);
        tail += sizeof record + record.length;
        __atomic_store_n(&capture->tail, tail, __ATOMIC_RELEASE);
        capture->packets++;
    }
    flush(capture);
    return true;
}

static void *writer(void *context)
{
    struct capture *capture = context;
    const struct timespec gather = { .tv_nsec = GATHER_NS };
    eventfd_t count;
    put_header(capture);
    flush(capture);
    for (;;) {
        if (drain(capture)) {
            nanosleep(&gather, NULL);
            continue;
        }
        if (__atomic_load_n(&capture->stopping, __ATOMIC_ACQUIRE))
            break;
        __atomic_store_n(&capture->sleeping, true, __ATOMIC_SEQ_CST);
        if (__atomic_load_n(&capture->head, __ATOMIC_SEQ_CST) == capture->tail)
            eventfd_read(capture->wake, &count);
        __atomic_store_n(&capture->sleeping, false, __ATOMIC_SEQ_CST);
    }
    put_statistics(capture);
    flush(capture);
    return NULL;
}

/* --- making and ending -------------------------------------------------------------------------------------------- */

/* The names, each cut to NAME_MAX, as one string. */
static char *joined(const char *const *names, unsigned count)
{
    char *made = malloc((size_t)count * (NAME_MAX + 1) + 1), *end = made;
    for (unsigned i = 0; made && i < count; i++) {
        size_t length = strnlen(names[i], NAME_MAX);
        memcpy(end, names[i], length);
        end += length;
        *end++ = 0;
    }
    return made;
}

static int start(struct capture *capture, int fd)
{
    sigset_t all, before;
    struct stat what;
    if ((capture->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0)) < 0 || (capture->wake = eventfd(0, EFD_CLOEXEC)) < 0 ||
        fstat(capture->fd, &what) < 0)
        return -errno;
    capture->file = S_ISREG(what.st_mode);
    sigfillset(&all); /* signals are the main thread's; EPIPE is told as an error */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int result = -pthread_create(&capture->writer, NULL, writer, capture);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return result;
}

void capture_free(struct capture *capture)
{
    if (capture->fd >= 0)
        close(capture->fd);
    if (capture->wake >= 0)
        close(capture->wake);
    free(capture->names);
    free(capture->interfaces);
    free(capture);
}

struct capture *capture_new(int fd, const char *const *names, unsigned count, int *error)
{
    if (count > CAPTURE_INTERFACES) {
        *error = -EINVAL;
        return NULL;
    }
    struct capture *capture = aligned_alloc(_Alignof(struct capture), sizeof *capture);
    *error = -ENOMEM;
    if (!capture)
        return NULL;
    memset(capture, 0, offsetof(struct capture, ring)); /* the ring's pages come as they are used */
    capture->fd = capture->wake = -1;
    capture->count = count;
    capture->interfaces = calloc(count ? count : 1, sizeof *capture->interfaces);
    capture->names = joined(names, count);
    if (capture->interfaces && capture->names)
        *error = start(capture, fd);
    if (*error == 0)
        return capture;
    capture_free(capture);
    return NULL;
}

int capture_stop(struct capture *capture)
{
    __atomic_store_n(&capture->stopping, true, __ATOMIC_RELEASE);
    eventfd_write(capture->wake, 1);
    pthread_join(capture->writer, NULL);
    close(capture->fd); /* who reads a pipe waits for that */
    capture->fd = -1;
    return capture->error;
}

uint64_t capture_written(const struct capture *capture)
{
    return COUNTED(capture->written);
}

uint64_t capture_dropped(const struct capture *capture)
{
    return COUNTED(capture->dropped) + COUNTED(capture->lost);
}

int capture_error(const struct capture *capture)
{
    return __atomic_load_n(&capture->error, __ATOMIC_RELAXED);
}
