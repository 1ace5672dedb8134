"""ICMP echo to tinies, from Python: what a test needs to see whether packets flow."""

from __future__ import annotations

import contextlib
import os
import select
import socket
import struct
import time

ECHO_REPLY, ECHO_REQUEST = 0, 8
DATA = b"tinymux!"


def checksum(data: bytes) -> int:
    """RFC 1071, of an even number of bytes."""
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def echo_request(number: int) -> bytes:
    head = struct.pack(">BBHHH", ECHO_REQUEST, 0, 0, os.getpid() & 0xFFFF, number & 0xFFFF)
    return head[:2] + struct.pack(">H", checksum(head + DATA)) + head[4:] + DATA


class Pinger:
    """One socket for any number of hosts."""

    def __init__(self) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
        self.number = 0
        self.answered: set[int] = set()  # numbers

    def ask(self, address: object) -> None:
        self.number += 1
        with contextlib.suppress(OSError):  # a full queue: it is asked again
            self.socket.sendto(echo_request(self.number), (str(address), 0))

    def answers(self, seconds: float) -> set[str]:
        """Who has answered within that time; returns at the first."""
        came = set()
        while select.select([self.socket], [], [], 0 if came else seconds)[0]:
            packet, (address, _) = self.socket.recvfrom(2048)
            if packet[20] == ECHO_REPLY:
                came.add(address)
                self.answered.add(int.from_bytes(packet[26:28], "big"))
        return came

    def until_answer(self, address: object, seconds: float, every: float = 0.05) -> float:
        """Ask again and again; seconds until the first answer, or infinity."""
        self.answers(0)
        started = time.monotonic()
        while time.monotonic() - started < seconds:
            self.ask(address)
            if str(address) in self.answers(every):
                return time.monotonic() - started
        return float("inf")

    def all_answer(self, addresses: list[object], seconds: float) -> bool:
        missing = {str(address) for address in addresses}
        end = time.monotonic() + seconds
        while missing and time.monotonic() < end:
            for address in missing:
                self.ask(address)
            pause = time.monotonic() + 0.3
            while missing and time.monotonic() < pause:
                missing -= self.answers(0.1)
        return not missing

    def close(self) -> None:
        self.socket.close()
