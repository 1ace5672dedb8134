/* Serial ports as lanes: SLIP on each, full duplex, as tunslip6 and slattach speak it. */
#ifndef TINYMUX_TTY_H
#define TINYMUX_TTY_H
#include "link.h"

/* A link of `count` lanes, at most LANES, over serial ports that are set as they are to be: raw, at their speed. The fds
 * are duplicated and made non-blocking: all who share them see that. A port that hangs up is told (LINK_GONE) and left;
 * replace_lane brings it back. NULL: *error says why, a negative errno. */
struct link *ttys_new(const int *fds, unsigned count, int *error);

#endif
