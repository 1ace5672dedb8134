/* What the engine must know of a packet: is it whole, does it call for an answer. No allocation, no state. */
#ifndef TINYMUX_IP_H
#define TINYMUX_IP_H
#include <stdint.h>

enum ip_verdict { IP_GOOD, IP_BAD_VERSION, IP_BAD_LENGTH, IP_BAD_CHECKSUM };

/* Is it one IP packet, no more and no less? IPv4: version, header length, total length, header checksum (RFC 791
 * section 3.1); IPv6: payload length (RFC 8200 section 3). */
enum ip_verdict ip_check(const uint8_t *packet, unsigned length);

/* What a peer that keeps to the RFCs does about a packet. */
enum ip_answer {
    IP_MAY_ANSWER,    /* who knows */
    IP_MUST_ANSWER,   /* echo requests, TCP segments that carry data, SYN or FIN */
    IP_WILL_NOT,      /* TCP RST */
    IP_BARE_ACK,      /* a TCP segment that only acknowledges: answered only by who was waiting to send more */
};

/* To be asked of good packets only. */
enum ip_answer ip_answer(const uint8_t *packet, unsigned length);

#endif
