"""Requests to a tiny's blog, one segment each, and its answers taken apart."""

from __future__ import annotations

import brotli
from scapy.layers.inet import IP, TCP
from scapy.packet import Raw
from server_wire import Tiny

HOST, TINY = "10.16.0.1", "10.16.0.16"
FIN, SYN, RST, PSH, ACK = 0x01, 0x02, 0x04, 0x08, 0x10


def segment(data: bytes = b"", flags: int = ACK | PSH, seq: int = 5, ack: int = 1, port: int = 80) -> bytes:
    """A packet with a TCP segment to the tiny."""
    tcp = TCP(sport=40000, dport=port, flags=flags, seq=seq, ack=ack)
    return bytes(IP(src=HOST, dst=TINY, flags="DF") / tcp / Raw(data))


def checked(packet: bytes) -> IP:
    """The packet taken apart; its checksums and lengths are right, and it goes the right way."""
    reply = IP(packet)
    again = reply.copy()
    del again.chksum
    del again.payload.chksum
    assert bytes(again) == packet, "a checksum is wrong"
    assert (reply.len, reply.src, reply.dst, reply[TCP].sport) == (len(packet), TINY, HOST, 80)
    return reply


def ask(tiny: Tiny, request: bytes) -> bytes:
    """The answer to a request, all of it, in one segment with FIN."""
    (packet,) = tiny.send(segment(request)).packets
    reply = checked(packet)
    assert (reply[TCP].dport, reply[TCP].flags, reply[TCP].seq) == (40000, "FPA", 1)
    assert reply[TCP].ack == 5 + len(request)
    return bytes(reply[TCP].payload)


def request(tiny: Tiny, path: str = "/", method: str = "GET", body: bytes = b"") -> tuple[int, dict[str, str], bytes]:
    """Status, header fields and decoded body."""
    length = f"Content-Length: {len(body)}\r\n" if body else ""
    answer = ask(tiny, f"{method} {path} HTTP/1.0\r\n{length}\r\n".encode() + body)
    header, _, content = answer.partition(b"\r\n\r\n")
    status, *lines = header.decode().split("\r\n")
    fields = dict(line.split(":") for line in lines)
    if content and "Content-Encoding" in fields:
        content = brotli.decompress(content)
    return int(status.split()[1]), fields, content
