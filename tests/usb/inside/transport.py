"""A transport's operations (ext/engine/transport.h), called from Python as the engine's thread would."""

from __future__ import annotations

import ctypes as c
import errno
import select
import time
from typing import Any

from tinymux._tables import PROTOCOL
from tinymux._usb import Link

OP = PROTOCOL["opcodes"]
PLANES = PROTOCOL["packet"]["planes"]
FULL = bytes([OP["BOTH"], PLANES]) + b"\xff" * (2 * PLANES)
IDLE = bytes([OP["IDLE"], 1])

_self = c.c_void_p
_take = c.CFUNCTYPE(None, c.c_void_p, c.POINTER(c.c_uint8), c.c_uint)


class _Ops(c.Structure):
    _fields_ = (
        ("submit", c.CFUNCTYPE(c.c_int, _self, c.c_char_p, c.c_uint)),
        ("service", c.CFUNCTYPE(c.c_int, _self, _take, c.c_void_p)),
        ("deadline", c.CFUNCTYPE(c.c_uint64, _self)),
        ("control", c.CFUNCTYPE(c.c_int, _self, c.c_char_p, c.c_char_p, c.c_uint)),
    )


class _Transport(c.Structure):
    _fields_ = (("ops", c.POINTER(_Ops)), ("fd", c.c_int), ("depth", c.c_uint), ("board_ns", c.c_uint64))


_pointer = c.pythonapi.PyCapsule_GetPointer
_pointer.restype, _pointer.argtypes = c.c_void_p, (c.py_object, c.c_char_p)


class Driver:
    """Drives one link. What arrives is in `packets`, in order."""

    def __init__(self, link: Link) -> None:
        self.link = link
        self.address = _pointer(link.transport, b"tinymux.transport")
        self.transport = c.cast(self.address, c.POINTER(_Transport)).contents
        self.ops = self.transport.ops.contents
        self.packets = packets = []  # its own name below: without a cycle it ends, and the link with it, at once
        self._take = _take(lambda _, data, length: packets.append(bytes(data[:length])))

    def submit(self, packet: bytes) -> int:
        return self.ops.submit(self.address, packet, len(packet))

    def service(self) -> int:
        return self.ops.service(self.address, self._take, None)

    def control(self, kind: int, request: int, value: int = 0, index: int = 0, length: int = 0) -> bytes:
        """One EP0 transfer; OSError if it fails."""
        setup = bytes([kind, request]) + b"".join(n.to_bytes(2, "little") for n in (value, index, length))
        data = c.create_string_buffer(max(length, 1))
        result = self.ops.control(self.address, setup, data, length)
        if result < 0:
            raise OSError(-result, "control")
        return data.raw[:result]

    def wait(self, count: int = 1, seconds: float = 5.0) -> list[bytes]:
        """Service until `count` packets have arrived, the board is gone, or the time is over; what arrived since."""
        first, end = len(self.packets), time.monotonic() + seconds
        while len(self.packets) - first < count and time.monotonic() < end:
            result = self.service()
            if result == -errno.ENODEV:
                break
            if result or len(self.packets) - first >= count:
                continue
            due = self.ops.deadline(self.address) / 1e9 - time.monotonic()
            files = [self.transport.fd] if self.transport.fd >= 0 else []
            select.select(files, [], [], max(0.0, min(due, end - time.monotonic())))
        return self.packets[first:]

    def ask(self, packet: bytes, seconds: float = 5.0) -> bytes:
        """One packet and its answer."""
        assert self.submit(packet) == 0
        return self.wait(1, seconds)[0]

    def status(self) -> dict[str, Any]:
        """The board's own counters."""
        data = self.control(0xC0, PROTOCOL["requests"]["STATUS"], length=PROTOCOL["status"]["size"])
        return {"bus_resets": data[0], "refused": data[1], "packets": int.from_bytes(data[4:8], "little")}
