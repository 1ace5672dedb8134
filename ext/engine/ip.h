/* What the engine must know of a packet: is it whole, does it call for an answer. No allocation, no state. */
#ifndef TINYMUX_IP_H
#define TINYMUX_IP_H
#include <stdbool.h>
#include <stdint.h>

enum ip_verdict { IP_GOOD, IP_BAD_VERSION, IP_BAD_LENGTH, IP_BAD_CHECKSUM };

/* Is it one IP packet, no more and no less? IPv4: version, header length, total length, header checksum (RFC 791
 * section 3.1); IPv6: payload length (RFC 8200 section 3). */
enum ip_verdict ip_check(const uint8_t *packet, unsigned length);

/* Would a peer that keeps to the RFCs answer it? Echo requests and TCP segments that carry data, SYN or FIN. To be
 * asked of good packets only. */
bool ip_wants_answer(const uint8_t *packet, unsigned length);

/* A TCP segment that only acknowledges: no data, no SYN, FIN or RST. */
bool ip_is_bare_ack(const uint8_t *packet, unsigned length);

#endif
