"""Packets of GDB's remote serial protocol (GDB manual, appendix E): $data#checksum, answered by + or, damaged, by -.

Everything that comes is checked here: what is damaged is refused with -, what is endless is dropped.
"""

from __future__ import annotations

import socket
from collections.abc import Callable

PACKET_SIZE = 0x800  # bytes of data that we take and give
INTERRUPT = b"\x03"
RECEIVE = 4096


class Closed(Exception):
    """The other side has gone."""


def checksum(data: bytes) -> bytes:
    """Two hex digits: the sum of all bytes, modulo 256."""
    return b"%02x" % (sum(data) & 0xFF)


def frame(data: bytes) -> bytes:
    """A packet as it goes over the line. What begins, ends or escapes packets must not be in the data."""
    return b"$" + data + b"#" + checksum(data)


def unescape(data: bytes) -> bytes:
    """Binary data: } and a byte XOR 0x20 stand for that byte."""
    plain, at = bytearray(), 0
    while at < len(data):
        if data[at] == ord("}") and at + 1 < len(data):
            at += 1
            plain.append(data[at] ^ 0x20)
        else:
            plain.append(data[at])
        at += 1
    return bytes(plain)


class Connection:
    """One debugger's connection."""

    def __init__(self, link: socket.socket) -> None:
        self.link = link
        self.acknowledges = True  # until it asks to do without
        self._left = bytearray()  # what came and was not taken yet
        self._last = b""

    def close(self) -> None:
        """Again is harmless."""
        self.link.close()

    def send(self, data: bytes) -> None:
        """Send a packet. Closed if nobody is there any more."""
        self._last = frame(data)
        self._write(self._last)

    def _write(self, raw: bytes) -> None:
        try:
            self.link.sendall(raw)
        except OSError as error:
            raise Closed from error

    def fill(self) -> None:
        """Take what has come; waits for it."""
        try:
            came = self.link.recv(RECEIVE)
        except OSError as error:
            raise Closed from error
        if not came:
            raise Closed
        self._left += came

    def interrupted(self) -> bool:
        """Whether the debugger wants the tiny to stop, of all that has come; while it runs, nothing else counts."""
        seen = INTERRUPT in self._left
        self._left.clear()
        return seen

    def packet(self, fill: Callable[[], None] | None = None) -> bytes:
        """The next good packet's data, or INTERRUPT. Waits, by `fill` where one is given."""
        while True:
            found = self._next()
            if found is not None:
                return found
            (fill or self.fill)()

    def _next(self) -> bytes | None:
        """A packet of what has come, or None: more is needed."""
        while self._left:
            first = self._left[0]
            if first == ord("$"):
                end = self._left.find(b"#")
                if end < 0 or end + 3 > len(self._left):
                    if len(self._left) > 2 * PACKET_SIZE + 4:
                        self._left.clear()
                        self._refuse()
                    return None
                data, told = bytes(self._left[1:end]), bytes(self._left[end + 1 : end + 3])
                del self._left[: end + 3]
                if told.lower() == checksum(data):
                    if self.acknowledges:
                        self._write(b"+")
                    return data
                self._refuse()
                continue
            del self._left[0]
            if first == ord("-") and self.acknowledges and self._last:
                self._write(self._last)
            elif first == INTERRUPT[0]:
                return INTERRUPT
        return None

    def _refuse(self) -> None:
        if self.acknowledges:
            self._write(b"-")
