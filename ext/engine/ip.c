/* Looking at IP packets. */
#include "ip.h"

enum { ICMP = 1, TCP = 6, ICMP_ECHO_REQUEST = 8 };
enum { TCP_FIN = 1, TCP_SYN = 2, TCP_RST = 4, TCP_ACK = 16 };

static unsigned be16(const uint8_t *bytes)
{
    return (unsigned)bytes[0] << 8 | bytes[1];
}

static unsigned header_length(const uint8_t *packet)
{
    return 4u * (packet[0] & 15);
}

/* The Internet checksum of a good header is 0xFFFF (RFC 1071). */
static bool header_sums_up(const uint8_t *packet, unsigned length)
{
    uint32_t sum = 0;
    for (unsigned i = 0; i < length; i += 2)
        sum += be16(packet + i);
    sum = (sum & 0xFFFF) + (sum >> 16);
    return ((sum + (sum >> 16)) & 0xFFFF) == 0xFFFF;
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

/* The TCP flags of a whole IPv4 packet and the length of its data, or -1. */
static int tcp_flags(const uint8_t *packet, unsigned length, unsigned *data)
{
    unsigned start = header_length(packet);
    if (packet[0] >> 4 != 4 || packet[9] != TCP || be16(packet + 6) & 0x3FFF || length < start + 20)
        return -1;
    unsigned offset = 4u * (packet[start + 12] >> 4);
    if (offset < 20 || start + offset > length)
        return -1;
    *data = length - start - offset;
    return packet[start + 13];
}

bool ip_wants_answer(const uint8_t *packet, unsigned length)
{
    unsigned data, start = header_length(packet);
    int flags = tcp_flags(packet, length, &data);
    if (flags >= 0)
        return !(flags & TCP_RST) && (data || flags & (TCP_SYN | TCP_FIN));
    return packet[0] >> 4 == 4 && packet[9] == ICMP && length > start && packet[start] == ICMP_ECHO_REQUEST;
}

bool ip_is_bare_ack(const uint8_t *packet, unsigned length)
{
    unsigned data;
    int flags = tcp_flags(packet, length, &data);
    return flags >= 0 && !data && (flags & (TCP_ACK | TCP_SYN | TCP_FIN | TCP_RST)) == TCP_ACK;
}
