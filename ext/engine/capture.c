/* The capture's ring and its writer: see capture.h.
 *
 * The ring is for one producer and one consumer: each owns one of two positions, which only grow. The engine's thread
 * makes a system call only where the writer sleeps, and after it has been woken the writer lets packets gather for a
 * moment: at most 200 wake-ups a second, however fast they come.
 */
#include "capture.h"
#include "counters.h"
#include "pcapng.h"
#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>

enum {
    RING = 4 << 20,      /* bytes, a power of two: 20 ms of packets at a full core's rate */
    GATHER_NS = 5000000, /* that the writer, once woken, leaves to more packets */
};

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
    pthread_t writer;
    struct pcapng pcapng; /* the writer's */
    unsigned count;
    char *names; /* one after the other, each with its NUL */
    bool sleeping;                /* the writer, or it is about to */
    struct interface *interfaces; /* the producer's */
    uint64_t dropped;             /* the producer's: packets for which there was no room, or that came after an error */
    _Alignas(64) uint64_t head;   /* bytes ever put, the producer's */
    _Alignas(64) uint64_t tail;   /* bytes ever taken, the writer's */
    uint8_t ring[RING];
};

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
    const struct record record = { pcapng_clock(CLOCK_REALTIME), (uint16_t)number, (uint16_t)length, out };
    if (RING - (head - tail) < sizeof record + length || length > PCAPNG_PACKET || capture_error(capture)) {
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
        eventfd_write(capture->pcapng.wake, 1);
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
        uint8_t *bytes = pcapng_packet(&capture->pcapng, record.interface, record.ns, record.length);
        ring_read(capture, tail + sizeof record, bytes, record.length);
        pcapng_packet_end(&capture->pcapng, record.length, record.out);
        tail += sizeof record + record.length;
        __atomic_store_n(&capture->tail, tail, __ATOMIC_RELEASE);
    }
    pcapng_flush(&capture->pcapng);
    return true;
}

static void write_start(struct capture *capture)
{
    const char *name = capture->names;
    pcapng_header(&capture->pcapng);
    for (unsigned i = 0; i < capture->count; i++, name += strlen(name) + 1)
        pcapng_interface(&capture->pcapng, name);
    pcapng_flush(&capture->pcapng);
}

static void write_end(struct capture *capture)
{
    const uint64_t now = pcapng_clock(CLOCK_REALTIME);
    for (unsigned i = 0; i < capture->count; i++)
        pcapng_statistics(&capture->pcapng, i, now, capture->interfaces[i].received, capture->interfaces[i].dropped);
    pcapng_flush(&capture->pcapng);
}

static void *writer(void *context)
{
    struct capture *capture = context;
    const struct timespec gather = { .tv_nsec = GATHER_NS };
    eventfd_t count;
    write_start(capture);
    for (;;) {
        if (drain(capture)) {
            nanosleep(&gather, NULL);
            continue;
        }
        if (__atomic_load_n(&capture->pcapng.stopping, __ATOMIC_ACQUIRE))
            break;
        __atomic_store_n(&capture->sleeping, true, __ATOMIC_SEQ_CST);
        if (__atomic_load_n(&capture->head, __ATOMIC_SEQ_CST) == capture->tail)
            eventfd_read(capture->pcapng.wake, &count);
        __atomic_store_n(&capture->sleeping, false, __ATOMIC_SEQ_CST);
    }
    write_end(capture);
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
    int result = pcapng_open(&capture->pcapng, fd);
    if (result < 0)
        return result;
    sigfillset(&all); /* signals are the main thread's; EPIPE is told as an error */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    result = -pthread_create(&capture->writer, NULL, writer, capture);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return result;
}

void capture_free(struct capture *capture)
{
    pcapng_close(&capture->pcapng);
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
    capture->pcapng.fd = capture->pcapng.wake = -1;
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
    __atomic_store_n(&capture->pcapng.stopping, true, __ATOMIC_RELEASE);
    eventfd_write(capture->pcapng.wake, 1);
    pthread_join(capture->writer, NULL);
    pcapng_finish(&capture->pcapng); /* who reads a pipe waits for that */
    return capture->pcapng.error;
}

uint64_t capture_written(const struct capture *capture)
{
    return COUNTED(capture->pcapng.written);
}

uint64_t capture_dropped(const struct capture *capture)
{
    return COUNTED(capture->dropped) + COUNTED(capture->pcapng.lost);
}

int capture_error(const struct capture *capture)
{
    return __atomic_load_n(&capture->pcapng.error, __ATOMIC_RELAXED);
}
