/* Serial ports as lanes: SLIP on each, full duplex, as tunslip6 and slattach speak it. */
#ifndef TINYMUX_TTY_H
#define TINYMUX_TTY_H
#include "link.h"

/* A link of `count` lanes, at most LANES, over serial ports that are set as they are to be: raw, at their speed. The fds
 * are duplicated and made non-blocking: all who share them see that. A port that hangs up is told (LINK_GONE) and left;
 * ttys_replace brings it back. NULL: *error says why, a negative errno. */
struct link *ttys_new(const int *fds, unsigned count, int *error);

/* Another fd for a lane of a link that ttys_new made; what was half sent or half received is lost. On the engine's
 * thread. 0; -ENXIO: no such lane; or a negative errno. */
int ttys_replace(struct link *, unsigned lane, int fd);

#endif
