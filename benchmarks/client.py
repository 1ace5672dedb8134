"""A TCP and ICMP client as Linux behaves, without a kernel: deterministic, so that board time is exact.

Each client is a closed loop: it hands out the packets it would send now and reacts to each packet that arrives.
"""

from __future__ import annotations

import struct

SYN_OPTIONS = bytes.fromhex("020405b4 0402080a 00000001 00000000 01030307")  # MSS SACK TS NOP WS: Linux's 60-byte SYN
FIN, SYN, RST, PSH, ACK = 0x01, 0x02, 0x04, 0x08, 0x10


def checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071) of bytes, to be stored as it is."""
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ipv4(source: bytes, target: bytes, protocol: int, payload: bytes) -> bytes:
    """An IPv4 packet without options, DF set, TTL 64."""
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), 0, 0x4000, 64, protocol, 0, source, target)
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + payload


class HttpClient:
    """Fetches one page after another from one tiny: SYN, ACK + request, FIN-ACK when page and FIN have come."""

    def __init__(self, host: bytes, tiny: bytes, request: bytes) -> None:
        self.host, self.tiny, self.request = host, tiny, request
        self.port, self.seq = 40000, 1000
        self.pages: list[bytes] = []

    def segment(self, flags: int, seq: int, ack: int, payload: bytes = b"", options: bytes = b"") -> bytes:
        offset = (20 + len(options)) // 4 << 4
        head = struct.pack("!HHIIBBHHH", self.port, 80, seq, ack, offset, flags, 64240, 0, 0) + options
        pseudo = self.host + self.tiny + struct.pack("!HH", 6, len(head) + len(payload))
        check = checksum(pseudo + head + payload)
        return ipv4(self.host, self.tiny, 6, head[:16] + struct.pack("!H", check) + head[18:] + payload)

    def start(self) -> list[bytes]:
        """Packets that open the next connection."""
        self.port = 40000 + (self.port - 39999) % 20000
        self.seq += 100_000
        return [self.segment(SYN, self.seq, 0, options=SYN_OPTIONS)]

    def clear(self) -> None:
        """Count anew."""
        self.pages.clear()

    def react(self, packet: bytes) -> list[bytes]:
        """Packets that Linux would send on this one; a finished page starts the next connection."""
        _, port, seq, ack, offset, flags = struct.unpack("!HHIIBB", packet[20:34])
        if port != self.port:
            return []
        if flags & SYN:
            after = seq + 1
            return [
                self.segment(ACK, ack, after),
                self.segment(ACK | PSH, ack, after, self.request),
            ]
        payload = packet[20 + (offset >> 4) * 4 :]
        if flags & FIN:
            self.pages.append(payload)
            return [self.segment(ACK | FIN, ack, seq + len(payload) + 1)]
        return self.start()  # the tiny's ACK of our FIN


class PingClient:
    """One ICMP echo after another to one tiny."""

    def __init__(self, host: bytes, tiny: bytes, payload: bytes = b"tinymux ping") -> None:
        self.host, self.tiny, self.payload = host, tiny, payload
        self.number, self.replies = 0, 0

    def start(self) -> list[bytes]:
        """The next echo request."""
        self.number += 1
        body = struct.pack("!BBHHH", 8, 0, 0, 7, self.number) + self.payload
        body = body[:2] + struct.pack("!H", checksum(body)) + body[4:]
        return [ipv4(self.host, self.tiny, 1, body)]

    def clear(self) -> None:
        """Count anew."""
        self.replies = 0

    def react(self, packet: bytes) -> list[bytes]:
        """Count a right answer and ask again."""
        if packet[20] == 0 and packet[28:] == self.payload and checksum(packet[20:]) == 0:
            self.replies += 1
            return self.start()
        return []
