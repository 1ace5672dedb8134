/* One tun interface's file descriptor: packets one by one, never blocking, its troubles told once.
 *
 * Packets come as the kernel has them, without IFF_NO_PI's extra header. A datagram or SEQPACKET socket does as well.
 */
#ifndef TINYMUX_TUN_H
#define TINYMUX_TUN_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

struct tun {
    int fd; /* -1: none */
    int read_error, write_error; /* why the last one failed, 0 when it did not; EAGAIN is no failure */
};

/* Duplicate fd, which is made non-blocking: all who share it see that. 0, or a negative errno. */
int tun_open(struct tun *, int fd);
void tun_close(struct tun *);

/* What the calls below make of one that did not go well, or did after one that had not; `error` is for its direction,
 * `other` that of the other one. */
int tun_result(long count, int *error, int other, bool *news);

/* syscall(), because read() and write() are cancellation points: in a process of many threads four atomic operations a
 * packet, and nobody cancels ours. */

/* One packet: its length, beyond `size` cut off; -EAGAIN: none; else a negative errno. *news becomes true where the
 * error is new, the other way too. */
static inline int tun_read(struct tun *tun, uint8_t *packet, unsigned size, bool *news)
{
    long count = syscall(SYS_read, tun->fd, packet, (size_t)size);
    bool well = count > 0 && !tun->read_error;
    return well ? (int)count : tun_result(count, &tun->read_error, tun->write_error, news);
}

/* Its length; -EAGAIN: no room; else a negative errno. */
static inline int tun_write(struct tun *tun, const uint8_t *packet, unsigned length, bool *news)
{
    long count = syscall(SYS_write, tun->fd, packet, (size_t)length);
    bool well = count > 0 && !tun->write_error;
    return well ? (int)count : tun_result(count, &tun->write_error, tun->read_error, news);
}

#endif
