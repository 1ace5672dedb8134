/* What a synthetic node makes of a packet: for links and boards that are there for load. */
#ifndef TINYMUX_NODE_H
#define TINYMUX_NODE_H
#include <stdint.h>

/* Turn a good IPv4 packet (ip_check) into its answer, in place: addresses change places, the TTL is new, an echo request
 * becomes its reply; of UDP and TCP the ports stay. */
void node_answer(uint8_t *packet, unsigned length);

#endif
