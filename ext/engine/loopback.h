/* A board of synthetic nodes, for load: each answers every packet at once, on the packet's own way. */
#ifndef TINYMUX_LOOPBACK_H
#define TINYMUX_LOOPBACK_H
#include "link.h"

/* Sixteen nodes that send each IPv4 packet back to its sender: addresses change places, the TTL is new, an echo request
 * becomes its reply; of UDP and TCP the ports stay. NULL: -ENOMEM. */
struct link *loopback_new(void);

#endif
