/* Where plane packets go to and come from: a USB board or the simulated one. The engine's thread is the only caller. */
#ifndef TINYMUX_TRANSPORT_H
#define TINYMUX_TRANSPORT_H
#include <stdint.h>

#define TRANSPORT_CAPSULE "tinymux.transport" /* name of the PyCapsule that carries a struct transport * */

struct transport;

/* Takes one IN packet, 0-64 bytes, valid during the call only. It may call submit. */
typedef void transport_in_fn(void *context, const uint8_t *packet, unsigned length);

struct transport_ops {
    /* Queue one OUT packet (protocol.toml). 0; -EAGAIN: `depth` packets are under way; -ENODEV: the board is gone. */
    int (*submit)(struct transport *, const uint8_t *packet, unsigned length);
    /* Make progress without blocking and hand over each IN packet that has arrived, in order. Packets handed over,
     * or -ENODEV. */
    int (*service)(struct transport *, transport_in_fn *, void *context);
    /* CLOCK_MONOTONIC ns at which service wants to be called again, 0: at once, UINT64_MAX: only when fd is readable. */
    uint64_t (*deadline)(struct transport *);
    /* One EP0 transfer, finished before it returns (at most 1 s). Length, or -EPIPE, -ETIMEDOUT, -ENODEV. */
    int (*control)(struct transport *, const uint8_t setup[8], uint8_t *data, unsigned length);
};

struct transport {
    const struct transport_ops *ops;
    int fd;         /* readable when service has work; -1: none, deadline tells */
    unsigned depth; /* OUT packets that may be under way */
    uint64_t board_ns; /* board time as of the last service; wall time for real boards */
};
#endif
