"""Packets to try a program with: of the kinds that a host sends, and some that no host should."""

from __future__ import annotations

import struct
from collections.abc import Iterator

HOST, TINY = bytes((10, 16, 0, 1)), bytes((10, 16, 0, 16))
ICMP, TCP, UDP, NOBODY = 1, 6, 17, 99


def probes(mtu: int) -> Iterator[bytes]:
    """A ping, a datagram, a SYN; a packet of the MTU's size for nobody, a wrong checksum, IPv6."""
    yield ping(b"tinymux!")
    yield udp(b"echo")
    yield syn(80)
    yield ipv4(NOBODY, bytes(range(256))[: mtu - 20])
    yield ping(b"tinymux!")[:10] + b"\xdb\xc0" + bytes(24)
    yield b"\x60" + bytes(47)


def ipv4(protocol: int, payload: bytes) -> bytes:
    """A packet from HOST to TINY (RFC 791)."""
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), 0, 0x4000, 64, protocol, 0) + HOST + TINY
    return head[:10] + internet_checksum(head) + head[12:] + payload


def ping(payload: bytes) -> bytes:
    """An echo request (RFC 792)."""
    body = bytes((8, 0, 0, 0, 0, 7, 0, 1)) + payload
    return ipv4(ICMP, body[:2] + internet_checksum(body) + body[4:])


def udp(payload: bytes, source: int = 49152, target: int = 7, checksum: bool = True) -> bytes:
    """A datagram (RFC 768)."""
    head = struct.pack("!HHHH", source, target, 8 + len(payload), 0)
    pseudo = HOST + TINY + struct.pack("!HH", UDP, 8 + len(payload))
    total = internet_checksum(pseudo + head + payload) if checksum else bytes(2)
    return ipv4(UDP, head[:6] + total + payload)


def syn(port: int) -> bytes:
    """The first segment of a connection (RFC 9293)."""
    head = struct.pack("!HHIIBBHHH", 40000, port, 1000, 0, 0x50, 2, 64240, 0, 0)
    pseudo = HOST + TINY + struct.pack("!HH", TCP, len(head))
    return ipv4(TCP, head[:16] + internet_checksum(pseudo + head) + head[18:])


def internet_checksum(data: bytes) -> bytes:
    """RFC 1071, as it stands in a header."""
    total = sum(int.from_bytes(data[at : at + 2].ljust(2, b"\0"), "big") for at in range(0, len(data), 2))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return (~total & 0xFFFF).to_bytes(2, "big")
