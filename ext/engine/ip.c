/* Looking at IP packets. */
#include "ip.h"
#include <stdbool.h>
#include <string.h>

enum { ICMP = 1, TCP = 6, ICMP_ECHO_REQUEST = 8 };
enum { FRAGMENT = 0x3FFF }; /* more fragments, or an offset */
enum { TCP_FIN = 1, TCP_SYN = 2, TCP_RST = 4, TCP_ACK = 16 };

static unsigned be16(const uint8_t *bytes)
{
    return (unsigned)bytes[0] << 8 | bytes[1];
}

static unsigned header_length(const uint8_t *packet)
{
    return 4u * (packet[0] & 15);
}

/* The 16-bit words of a good header add up to a multiple of 0xFFFF, in either byte order, and so do 32-bit ones
 * (RFC 1071 section 2). */
static bool header_sums_up(const uint8_t *packet, unsigned length)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < length; i += 4) {
        uint32_t word;
        memcpy(&word, packet + i, sizeof word);
        sum += word;
    }
    return sum % 0xFFFF == 0;
}

enum ip_verdict ip_check(const uint8_t *packet, unsigned length)
{
    if (!length)
        return IP_BAD_LENGTH;
    switch (packet[0] >> 4) {
    case 4:
        if (length < 20 || header_length(packet) < 20 || header_length(packet) > length || be16(packet + 2) != length)
            return IP_BAD_LENGTH;
        return header_sums_up(packet, header_length(packet)) ? IP_GOOD : IP_BAD_CHECKSUM;
    case 6:
        return length >= 40 && be16(packet + 4) + 40 == length ? IP_GOOD : IP_BAD_LENGTH;
    default:
        return IP_BAD_VERSION;
    }
}

static enum ip_answer tcp_answer(const uint8_t *segment, unsigned length)
{
    unsigned offset = length < 20 ? 0 : 4u * (segment[12] >> 4);
    if (offset < 20 || offset > length)
        return IP_MAY_ANSWER;
    if (segment[13] & TCP_RST)
        return IP_WILL_NOT;
    if (offset < length || segment[13] & (TCP_SYN | TCP_FIN))
        return IP_MUST_ANSWER;
    return segment[13] & TCP_ACK ? IP_BARE_ACK : IP_MAY_ANSWER;
}

enum ip_answer ip_answer(const uint8_t *packet, unsigned length)
{
    unsigned start = header_length(packet);
    if (packet[0] >> 4 != 4 || be16(packet + 6) & FRAGMENT)
        return IP_MAY_ANSWER;
    if (packet[9] == TCP)
        return tcp_answer(packet + start, length - start);
    bool ping = packet[9] == ICMP && length > start && packet[start] == ICMP_ECHO_REQUEST;
    return ping ? IP_MUST_ANSWER : IP_MAY_ANSWER;
}
