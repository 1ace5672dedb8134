/* Reading and writing tuns. */
#include "tun.h"
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

int tun_open(struct tun *tun, int fd)
{
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (copy < 0)
        return -errno;
    int flags = fcntl(copy, F_GETFL);
    if (flags < 0 || fcntl(copy, F_SETFL, flags | O_NONBLOCK) < 0) {
        int error = -errno;
        close(copy);
        return error;
    }
    *tun = (struct tun){ .fd = copy };
    return 0;
}

void tun_close(struct tun *tun)
{
    if (tun->fd >= 0)
        close(tun->fd);
    tun->fd = -1;
}

/* What a system call returned, as ours do; `error` is for its direction, `other` that of the other one. */
static int result(long count, int *error, int other, bool *news)
{
    *news = false;
    if (count >= 0) {
        *error = 0;
        return (int)count;
    }
    if (errno == EAGAIN || errno == EINTR)
        return -EAGAIN;
    *news = !*error && errno != other;
    *error = errno;
    return -errno;
}

int tun_read(struct tun *tun, uint8_t *packet, unsigned size, bool *news)
{
    ssize_t count = read(tun->fd, packet, size);
    if (count == 0) { /* a socket whose other end is closed; a tun has no empty packets */
        errno = EPIPE;
        count = -1;
    }
    return result(count, &tun->read_error, tun->write_error, news);
}

int tun_write(struct tun *tun, const uint8_t *packet, unsigned length, bool *news)
{
    int written = result(write(tun->fd, packet, length), &tun->write_error, tun->read_error, news);
    return written < 0 ? written : 0;
}
