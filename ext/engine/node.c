/* Answers: see node.h. */
#include "node.h"
#include <string.h>

enum { TTL = 64, ICMP = 1, ECHO_REQUEST = 8 };

/* Replace a 16-bit word that a checksum covers (RFC 1624, equation 3). */
static void patch(uint8_t *checksum, uint8_t *word, unsigned value)
{
    uint32_t was = (uint32_t)word[0] << 8 | word[1], sum = (uint32_t)checksum[0] << 8 | checksum[1];
    sum = (~sum & 0xFFFF) + (~was & 0xFFFF) + value;
    sum = (sum & 0xFFFF) + (sum >> 16);
    sum = ~(sum + (sum >> 16));
    word[0] = (uint8_t)(value >> 8);
    word[1] = (uint8_t)value;
    checksum[0] = (uint8_t)(sum >> 8);
    checksum[1] = (uint8_t)sum;
}

void node_answer(uint8_t *packet, unsigned length)
{
    const unsigned header = 4u * (packet[0] & 15);
    uint8_t source[4];
    memcpy(source, packet + 12, 4);
    memcpy(packet + 12, packet + 16, 4);
    memcpy(packet + 16, source, 4);
    patch(packet + 10, packet + 8, (unsigned)TTL << 8 | packet[9]);
    if (packet[9] == ICMP && length >= header + 8 && packet[header] == ECHO_REQUEST)
        patch(packet + header + 2, packet + header, packet[header + 1]);
}
