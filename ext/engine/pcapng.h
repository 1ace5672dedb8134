/* A pcapng file in the making (draft-ietf-opsawg-pcapng): blocks gather in a batch, which goes to a file or pipe.
 *
 * One thread writes. A file that cannot be written ends after its last whole block. A pipe that is not read is waited
 * for as long as the writer is not to stop, and then no longer than PCAPNG_LINGER_MS.
 */
#ifndef TINYMUX_PCAPNG_H
#define TINYMUX_PCAPNG_H
#include <stdbool.h>
#include <stdint.h>

enum {
    PCAPNG_BATCH = 1 << 16,   /* bytes in a write */
    PCAPNG_PACKET = 2048,     /* bytes in a packet, at most */
    PCAPNG_LINGER_MS = 2000,
};

struct pcapng {
    int fd, wake;      /* wake: an eventfd that becomes readable with `stopping` */
    bool file;         /* a regular one: its writes end by themselves */
    bool stopping;     /* set by any thread */
    int error;         /* why writing has ended, a negative errno, to be read by any thread; 0: it has not */
    uint64_t written;  /* packets that are in the file ... */
    uint64_t lost;     /* ... or should be; both to be read with COUNTED */
    uint64_t until_ns; /* CLOCK_MONOTONIC, once it is stopping: then a pipe is given up */
    uint32_t filled, packets, block; /* of `batch`: bytes, packets in them, where the last block begins */
    uint8_t batch[PCAPNG_BATCH + 2 * PCAPNG_PACKET]; /* room for one more block */
};

/* On zeroed memory; fd is duplicated. 0, or a negative errno, with what is to be closed. */
int pcapng_open(struct pcapng *, int fd);
/* The file's end for whoever reads it; nothing more is written. */
void pcapng_finish(struct pcapng *);
void pcapng_close(struct pcapng *);

/* First the header, then the interfaces, numbered from 0. Names are cut to NAME_MAX. */
void pcapng_header(struct pcapng *);
void pcapng_interface(struct pcapng *, const char *name);

/* A packet: where its bytes are to be put, before the call that ends it. ns: CLOCK_REALTIME. */
uint8_t *pcapng_packet(struct pcapng *, uint32_t interface, uint64_t ns, uint32_t length);
void pcapng_packet_end(struct pcapng *, uint32_t length, bool out);

void pcapng_statistics(struct pcapng *, uint32_t interface, uint64_t ns, uint64_t received, uint64_t dropped);

/* Write what has gathered, or give it up. */
void pcapng_flush(struct pcapng *);

/* Of a clock, ns. */
uint64_t pcapng_clock(int clock);

#endif
