/* A tun's file descriptor, and what is made of its troubles: see tun.h. */
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

int tun_result(long count, int *error, int other, bool *news)
{
    if (count > 0) {
        *error = 0;
        return (int)count;
    }
    if (count < 0 && (errno == EAGAIN || errno == EINTR))
        return -EAGAIN;
    int why = count < 0 ? errno : EPIPE; /* a socket whose other end is closed; a tun has no empty packets */
    *news = !*error && why != other;
    *error = why;
    return -why;
}
