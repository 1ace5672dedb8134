"""Simulated boards that go wrong: transports (ext/engine/transport.h) in Python, packet by packet.

`CutBoard` is unplugged at a chosen clock. Of `Garbled`, a tiny's answers are heard wrong. `FarBoard` is in another
process than the one that programs it, so that it lives on when that one is killed: it is what the programming process
sees, behind a socket. `serve` is the other end, which hands packets to the board's USB port as they come and does what
a kernel does for who opens it.
"""

from __future__ import annotations

import contextlib
import ctypes as c
import errno
import socket
from collections.abc import Callable
from typing import Any

from tinymux import _simulator
from tinymux._tables import PROTOCOL
from tinymux.boards import OpenBoard

EP_OUT, EP_IN = PROTOCOL["usb"]["ep_out"], PROTOCOL["usb"]["ep_in"]
SET_INTERFACE = 0x01, 0x0B  # USB 2.0 section 9.4.10: it empties the endpoints' banks
DEPTH = 4
NEVER = 2**64 - 1
CLOCK = 64  # signal of a trace, ext/sim/board.h
OUT, CONTROL = b"O", b"C"  # to the board
IN, DONE = b"I", b"D"  # from it, with its time in ns

_Self = c.c_void_p
_Took = c.CFUNCTYPE(None, c.c_void_p, c.c_char_p, c.c_uint)
_Submit = c.CFUNCTYPE(c.c_int, _Self, c.POINTER(c.c_uint8), c.c_uint)
_Service = c.CFUNCTYPE(c.c_int, _Self, _Took, c.c_void_p)
_Deadline = c.CFUNCTYPE(c.c_uint64, _Self)
_Control = c.CFUNCTYPE(c.c_int, _Self, c.POINTER(c.c_uint8), c.POINTER(c.c_uint8), c.c_uint)
_new_capsule = c.pythonapi.PyCapsule_New
_new_capsule.restype, _new_capsule.argtypes = c.py_object, (c.c_void_p, c.c_char_p, c.c_void_p)
CAPSULE = c.c_char_p(b"tinymux.transport")


class _Ops(c.Structure):
    _fields_ = (("submit", _Submit), ("service", _Service), ("deadline", _Deadline), ("control", _Control))


class _Transport(c.Structure):
    _fields_ = (("ops", c.POINTER(_Ops)), ("fd", c.c_int), ("depth", c.c_uint), ("board_ns", c.c_uint64))


class HandTransport:
    """A transport whose operations are Python's. `received` packets are handed over when they are asked for."""

    def __init__(self, fd: int = -1) -> None:
        self.received: list[bytes] = []
        self.under_way = 0
        # Callbacks must outlive the engine, so they are kept here.
        self._ops = _Ops(
            _Submit(self._submit),
            _Service(self._service),
            _Deadline(lambda _: NEVER if fd >= 0 else 0),
            _Control(self._control),
        )
        self._struct = _Transport(c.pointer(self._ops), fd, DEPTH, 0)
        self.capsule = _new_capsule(c.addressof(self._struct), CAPSULE, None)

    # What a kind of transport does; OSError for what C is to get as a negative errno.
    def submit(self, packet: bytes) -> None:
        raise NotImplementedError

    def receive(self) -> None:
        """Put what has arrived into `received`."""
        raise NotImplementedError

    def control(self, setup: bytes, data: bytes) -> bytes:
        raise NotImplementedError

    def now(self, seconds: float) -> None:
        """Board time."""
        self._struct.board_ns = int(seconds * 1e9)

    def _submit(self, _: Any, packet: Any, length: int) -> int:
        if self.under_way == DEPTH:
            return -errno.EAGAIN
        self.under_way += 1
        return self._told(lambda: self.submit(bytes(packet[:length])))

    def _service(self, _: Any, took: Any, context: Any) -> int:
        failed = self._told(self.receive)
        packets, self.received = self.received, []
        self.under_way -= len(packets)
        for packet in packets:
            took(context, packet, len(packet))
        return failed or len(packets)

    def _control(self, _: Any, setup: Any, data: Any, length: int) -> int:
        sent = bytes(data[:length]) if length and not setup[0] & 0x80 else b""
        answer = b""

        def ask() -> None:
            nonlocal answer
            answer = self.control(bytes(setup[:8]), sent)

        failed = self._told(ask)
        for at, byte in enumerate(answer):
            data[at] = byte
        return failed or len(answer)

    @staticmethod
    def _told(work: Callable[[], None]) -> int:
        try:
            work()
        except OSError as error:
            return -(error.errno or errno.EIO)
        return 0


def control(board: _simulator.Board, setup: bytes, data: bytes) -> bytes:
    """A control transfer as eight bytes of setup say."""
    value, index, length = (int.from_bytes(setup[at : at + 2], "little") for at in (2, 4, 6))
    return board.control(setup[0], setup[1], value, index, data or length)


class CutBoard(HandTransport):
    """A board that is unplugged, or loses its power, at a clock of the tinies' that can be chosen."""

    STEP = 2e-6  # s: shorter than any plane

    def __init__(self, board: _simulator.Board, clocks: int, cut: Callable[[], object]) -> None:
        super().__init__()
        self.board, self.left, self.cut = board, clocks, cut
        self.queue: list[bytes] = []
        board.trace(self._edge)

    def _edge(self, signal: int, level: int, _: int) -> None:
        self.left -= signal == CLOCK and level == 0

    def submit(self, packet: bytes) -> None:
        self.queue.append(packet)

    def receive(self) -> None:
        if not self.queue:
            return
        packet = self.queue.pop(0)
        assert self.board.usb_out(EP_OUT, packet)
        self.board.usb_credit(EP_IN, 1)
        while (answer := self.board.usb_in(EP_IN)) is None:
            if self.left <= 0:
                self.board.trace(None)
                self.cut()
                raise OSError(errno.ENODEV, "cut")
            self.board.run(self.STEP)
            self.now(self.board.time)
        self.received.append(answer)

    def control(self, setup: bytes, data: bytes) -> bytes:
        return control(self.board, setup, data)


class Garbled(HandTransport):
    """A board of which one lane's tiny is heard wrong: `flips` tells, by the number of its answer, which of the twelve
    bits of that TPI frame arrive as their opposite. Of runs both ways only (duplex=0)."""

    def __init__(self, board: _simulator.Board, lane: int, flips: Callable[[int], set[int]]) -> None:
        super().__init__()
        self.board, self.lane, self.flips = board, lane, flips
        self.queue: list[bytes] = []
        self.before = 1  # what the host drove last: a sample is of the plane before
        self.answers, self.bit = -1, 12  # of the frame that is coming

    def submit(self, packet: bytes) -> None:
        self.queue.append(packet)

    def receive(self) -> None:
        if not self.queue:
            return
        packet = self.queue.pop(0)
        assert packet[0] == PROTOCOL["opcodes"]["BOTH"] and self.board.usb_out(EP_OUT, packet)
        self.board.usb_credit(EP_IN, 1)
        while (answer := self.board.usb_in(EP_IN)) is None:
            self.board.run(1e-3)
        self.now(self.board.time)
        heard = bytearray(answer)
        for at in range(2 + self.lane // 8, len(heard), 2):
            self._plane(heard, at)
            self.before = packet[at] >> self.lane % 8 & 1
        self.received.append(bytes(heard))

    def _plane(self, heard: bytearray, at: int) -> None:
        low = not heard[at] >> self.lane % 8 & 1
        if self.bit == 12 and low and self.before:  # a start bit, and not the host's
            self.bit, self.answers = 0, self.answers + 1
        if self.bit < 12:
            heard[at] ^= (self.bit in self.flips(self.answers)) << self.lane % 8
            self.bit += 1

    def control(self, setup: bytes, data: bytes) -> bytes:
        return control(self.board, setup, data)


class FarBoard(HandTransport):
    """The board behind a socket, for a Programmer."""

    label, images = "far", (None,) * 16

    def __init__(self, wire: socket.socket) -> None:
        super().__init__(wire.fileno())
        self.wire = wire

    def open(self) -> OpenBoard:
        return OpenBoard(self.capsule, self, lambda: None)

    def submit(self, packet: bytes) -> None:
        self.wire.send(OUT + packet)

    def receive(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while True:
                self._take(socket.MSG_DONTWAIT)

    def _take(self, flags: int = 0) -> bytes | None:
        """One message: a packet is kept, what a control transfer has brought is returned."""
        message = self.wire.recv(8192, flags)
        if not message:
            raise OSError(errno.ENODEV, "gone")
        self.now(int.from_bytes(message[1:9], "little") * 1e-9)
        if message[:1] == DONE:
            return message[9:]
        self.received.append(message[9:])
        return None

    def control(self, setup: bytes, data: bytes) -> bytes:
        self.wire.send(CONTROL + setup + data)
        while (answer := self._take()) is None:
            pass
        return answer


def serve(board: _simulator.Board, wire: socket.socket, before: Callable[[int], bool] = lambda packet: True) -> int:
    """Be the board's host until the other end is gone. Packets that it took.

    before: called with the number of each OUT packet before the board gets it; False ends it, and what is still under
    way is lost, as if the kernel had taken it back.
    """
    taken = 0
    board.control(*SET_INTERFACE)
    while board.usb_in(EP_IN) is not None:
        pass
    while message := _message(wire):
        kind, content = message[:1], message[1:]
        if kind == CONTROL:
            _answer(wire, board, DONE + control(board, content[:8], content[8:]))
            continue
        if not before(taken):
            break
        taken += 1
        assert board.usb_out(EP_OUT, content)
        board.usb_credit(EP_IN, 1)
        for _ in range(100):
            board.run(0.001)
            packet = board.usb_in(EP_IN)
            if packet is not None:
                _answer(wire, board, IN + packet)
                break
        else:
            raise AssertionError("the board does not answer")
    return taken


def _message(wire: socket.socket) -> bytes:
    try:
        return wire.recv(8192)
    except ConnectionResetError:
        return b""


def _answer(wire: socket.socket, board: _simulator.Board, message: bytes) -> None:
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # it was killed
        wire.send(message[:1] + int(board.time * 1e9).to_bytes(8, "little") + message[1:])
