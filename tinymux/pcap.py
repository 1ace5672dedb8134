"""Packet captures as tcpdump and Wireshark know them: classic pcap, IP packets without a link layer."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from pathlib import Path

from tinymux.errors import TinymuxError

MAGICS = {0xA1B2C3D4: 1e-6, 0xA1B23C4D: 1e-9}  # of the unit that times are in
ETHERNET, RAW, IPV4 = 1, 101, 228
SNAPLEN = 65535
ETHERNET_HEADER = 14


def read(file: Path) -> list[tuple[float, bytes]]:
    """The IP packets of a capture, each with its time in seconds. Frames that carry no IPv4 are left out."""
    try:
        content = file.read_bytes()
    except OSError as error:
        raise TinymuxError(f"{file}: cannot be read: {error.strerror}") from error
    for order in "<>":
        if len(content) >= 24 and struct.unpack_from(order + "I", content)[0] in MAGICS:
            break
    else:
        raise TinymuxError(f"{file}: no pcap file (pcapng: convert it with 'editcap -F pcap')")
    unit = MAGICS[struct.unpack_from(order + "I", content)[0]]
    link = struct.unpack_from(order + "I", content, 20)[0] & 0xFFFF
    if link not in (ETHERNET, RAW, IPV4):
        raise TinymuxError(f"{file}: of link type {link}; IP packets, bare or on Ethernet, are needed")
    packets, at = [], 24
    while at < len(content):
        if at + 16 > len(content):
            raise TinymuxError(f"{file}: cut short")
        seconds, fraction, size, _ = struct.unpack_from(order + "IIII", content, at)
        frame = content[at + 16 : at + 16 + size]
        if len(frame) < size:
            raise TinymuxError(f"{file}: cut short")
        at += 16 + size
        if link == ETHERNET:
            frame = frame[ETHERNET_HEADER:] if frame[12:14] == b"\x08\x00" else b""
        if frame and frame[0] >> 4 == 4:
            packets.append((seconds + fraction * unit, frame))
    return packets


def write(file: Path, packets: Iterable[tuple[float, bytes]]) -> None:
    """A capture of IP packets, each with its time in seconds."""
    try:
        with file.open("wb") as out:
            out.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, SNAPLEN, RAW))
            for seconds, packet in packets:
                micros = round(seconds * 1e6)
                out.write(
                    struct.pack("<IIII", micros // 1_000_000, micros % 1_000_000, len(packet), len(packet)) + packet
                )
    except OSError as error:
        raise TinymuxError(f"{file}: cannot be written: {error.strerror}") from error
