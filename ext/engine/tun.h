/* One tun interface's file descriptor: packets one by one, never blocking, its troubles told once.
 *
 * Packets come as the kernel has them, without IFF_NO_PI's extra header. A datagram or SEQPACKET socket does as well.
 */
#ifndef TINYMUX_TUN_H
#define TINYMUX_TUN_H
#include <stdbool.h>
#include <stdint.h>

struct tun {
    int fd; /* -1: none */
    int read_error, write_error; /* why the last one failed, 0 when it did not; EAGAIN is no failure */
};

/* Duplicate fd, which is made non-blocking: all who share it see that. 0, or a negative errno. */
int tun_open(struct tun *, int fd);
void tun_close(struct tun *);

/* One packet: its length, beyond `size` cut off; -EAGAIN: none; else a negative errno. *news: the error is new, the
 * other way too. */
int tun_read(struct tun *, uint8_t *packet, unsigned size, bool *news);
/* 0; -EAGAIN: no room; else a negative errno. */
int tun_write(struct tun *, const uint8_t *packet, unsigned length, bool *news);

#endif
