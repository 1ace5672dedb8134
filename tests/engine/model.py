"""The model board (model_board.c) for Python, and packets to send to it."""

from __future__ import annotations

import ctypes
from typing import Any

CAPSULE = b"tinymux.transport"


class Model:
    """A board with sixteen echo tinies, bit by bit; `capsule` is what the engine takes as a transport.

    Its memory is not given back: what uses the board may be collected after it.
    """

    def __init__(self, library: ctypes.CDLL, depth: int = 64) -> None:
        self.library = library
        self.board = library.model_new(depth)
        self.capsule = _new_capsule(self.board, CAPSULE, None)

    @staticmethod
    def declare(library: ctypes.CDLL) -> ctypes.CDLL:
        library.model_new.restype = ctypes.c_void_p
        library.model_number.restype = ctypes.POINTER(ctypes.c_uint64)
        library.model_number.argtypes = [ctypes.c_void_p, ctypes.c_uint, ctypes.c_char_p]
        library.model_plane.restype = ctypes.c_uint64
        library.model_resets.restype = ctypes.c_uint16
        library.model_flip.argtypes = [ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint64, ctypes.c_uint]
        for name in ("model_plane", "model_resets", "model_unplug", "model_refuse_next"):
            getattr(library, name).argtypes = [ctypes.c_void_p]
        library.model_burst.argtypes = [ctypes.c_void_p, ctypes.c_uint]
        return library

    def tune(self, lane: int, **numbers: int) -> None:
        """Set numbers of a tiny (model_board.h)."""
        for name, value in numbers.items():
            self.library.model_number(self.board, lane, name.encode())[0] = value

    def saw(self, lane: int, name: str) -> int:
        return self.library.model_number(self.board, lane, name.encode())[0]

    def flip(self, lane: int, plane: int, who: str = "both") -> None:
        """One wrong level, seen by "host", "tiny" or "both"."""
        self.library.model_flip(self.board, lane, plane, {"host": 1, "tiny": 2, "both": 3}[who])

    @property
    def plane(self) -> int:
        return self.library.model_plane(self.board)

    @property
    def resets(self) -> int:
        return self.library.model_resets(self.board)

    def unplug(self) -> None:
        self.library.model_unplug(self.board)

    def refuse_next(self) -> None:
        self.library.model_refuse_next(self.board)

    def burst(self, packets: int) -> None:
        self.library.model_burst(self.board, packets)


_new_capsule = ctypes.pythonapi.PyCapsule_New
_new_capsule.restype = ctypes.py_object
_new_capsule.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]


def checksum(data: bytes) -> int:
    total = sum(int.from_bytes(data[i : i + 2].ljust(2, b"\0"), "big") for i in range(0, len(data), 2))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ipv4(payload: bytes, protocol: int = 1, source: bytes = b"\x0a\0\0\1", target: bytes = b"\x0a\0\0\2") -> bytes:
    length = (20 + len(payload)).to_bytes(2, "big")
    head = bytes([0x45, 0]) + length + bytes([0, 0, 0, 0, 64, protocol, 0, 0]) + source + target
    return head[:10] + checksum(head).to_bytes(2, "big") + head[12:] + payload


def ping(number: int = 0, size: int = 12) -> bytes:
    """An echo request; the model sends it back as it is, addresses swapped."""
    body = bytes([8, 0, 0, 0, 0, 1]) + (number & 0xFFFF).to_bytes(2, "big") + bytes(i & 0xFF for i in range(size))
    return ipv4(body[:2] + checksum(body).to_bytes(2, "big") + body[4:])


def tcp(flags: int, payload: bytes = b"") -> bytes:
    return ipv4(bytes(12) + bytes([0x50, flags]) + bytes(6) + payload, protocol=6)


def echoed(packet: bytes) -> bytes:
    """What the model answers to a good packet."""
    return packet[:12] + packet[16:20] + packet[12:16] + packet[20:]


def exchange(wire: Any, lane: int, packet: bytes) -> list[tuple[int, bytes]]:
    """Send a packet and run until the board has nothing more to do."""
    wire.send(lane, packet)
    wire.run(200_000)
    return wire.receive()
