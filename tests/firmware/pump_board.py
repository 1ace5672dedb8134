"""The simulated board as a firmware test sees it: ext/sim/board.h through ctypes, with a trace of every wire."""

from __future__ import annotations

import ctypes
import errno
import struct
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

ROOT = Path(__file__).resolve().parents[2]
PROTOCOL = tomllib.loads((ROOT / "atmega" / "protocol.toml").read_text())
PS_PER_MS = 1_000_000_000
PS_PER_CYCLE = 62_500
LANES, CLOCK, LED = range(16), 64, 65
RESETS = range(48, 64)
EP_OUT, EP_IN = PROTOCOL["usb"]["ep_out"], PROTOCOL["usb"]["ep_in"] & 15
OP = PROTOCOL["opcodes"]
REQUEST = PROTOCOL["requests"]
SERIAL = bytes.fromhex("0123456789abcdef5aa5")

Trace = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint, ctypes.c_uint64)


class Stall(Exception):
    """The device answered STALL."""


class Config(ctypes.Structure):
    """struct board_config."""

    _fields_: ClassVar = [
        ("seed", ctypes.c_uint64),
        ("rc_error", ctypes.c_int32 * 16),
        ("lane_noise", ctypes.c_double),
        ("byte_loss", ctypes.c_double),
        ("serial", ctypes.c_uint8 * 10),
        ("rise_ns", ctypes.c_uint32),
        ("host_latency_us", ctypes.c_uint32),
    ]


@dataclass(frozen=True)
class Edge:
    """One change of a wire."""

    signal: int
    level: int
    ps: int

    @property
    def cycle(self) -> int:
        """The pump chip's clock cycle."""
        return self.ps // PS_PER_CYCLE


class Board:
    """One powered board. Board time passes in `run`, and in `control` and `exchange` as needed."""

    def __init__(self, library: ctypes.CDLL, firmware: bytes, seed: int = 1) -> None:
        self.library = library
        library.board_new.restype = ctypes.c_void_p
        library.board_time.restype = ctypes.c_uint64
        library.board_running.restype = ctypes.c_uint16
        config = Config(seed=seed, serial=(ctypes.c_uint8 * 10)(*SERIAL), rise_ns=500, host_latency_us=125)
        self.handle = ctypes.c_void_p(library.board_new(ctypes.byref(config)))
        assert library.board_load_pump(self.handle, firmware, ctypes.c_size_t(len(firmware))) == 0
        self.edges: list[Edge] = []
        self.cut_short = (
            False  # the test takes the bus away in the middle of an access: that is no fault of the firmware
        )
        self._trace = Trace(lambda _, signal, level, ps: self.edges.append(Edge(signal, level, ps)))
        library.board_trace(self.handle, self._trace, None)

    def close(self) -> None:
        self.library.board_free(self.handle)

    def load_tiny(self, lane: int, image: bytes) -> None:
        assert self.library.board_load_tiny(self.handle, lane, image, ctypes.c_size_t(len(image))) == 0

    # --- time and wires ---

    @property
    def time(self) -> int:
        return self.library.board_time(self.handle)

    @property
    def running(self) -> int:
        """Tinies that are not held in reset."""
        return self.library.board_running(self.handle)

    def step(self, until: int) -> None:
        """Run to this time, or to the next IN packet."""
        self.library.board_run(self.handle, ctypes.c_uint64(until))

    def faults(self) -> int:
        """What the firmware did that the datasheet forbids."""
        self.library.pump_faults.restype = ctypes.c_uint64
        return self.library.pump_faults(self.handle)

    def run(self, ms: float) -> None:
        until = self.time + round(ms * PS_PER_MS)
        while self.time < until:
            self.step(until)

    def wire(self, *signals: int) -> list[Edge]:
        """The edges of these signals since the last `forget`."""
        return [edge for edge in self.edges if edge.signal in signals]

    def forget(self) -> None:
        self.edges.clear()

    def driven_low(self) -> int:
        """Lanes that the pump chip drives low at the end of the trace."""
        levels = {edge.signal: edge.level for edge in self.wire(*LANES)}
        return sum(1 << lane for lane, level in levels.items() if level == 0)

    # --- USB ---

    def call(self, name: str, *arguments: int | bytes) -> int:
        return getattr(self.library, f"board_usb_{name}")(self.handle, *arguments)

    def control(self, kind: int, request: int, value: int = 0, index: int = 0, length: int = 0) -> bytes:
        """A control transfer without OUT data."""
        setup = struct.pack("<BBHHH", kind, request, value, index, length)
        data = ctypes.create_string_buffer(length or 1)
        result = self.library.board_usb_control(self.handle, setup, data, length)
        if result == -errno.EPIPE:
            raise Stall
        assert result >= 0, errno.errorcode[-result]
        return data.raw[:result]

    def setup_alone(
        self, address: int, kind: int, request: int, value: int = 0, index: int = 0, length: int = 0
    ) -> None:
        """A SETUP packet on the wire, after which the host forgets the transfer."""
        setup = struct.pack("<BBHHH", kind, request, value, index, length)
        self.library.board_pump.restype = ctypes.c_void_p
        pump = ctypes.c_void_p(self.library.board_pump(self.handle))
        assert self.library.mega_usb_setup(pump, address, setup) == 0, "acknowledged"

    def vendor_in(self, request: str, length: int, index: int = 0) -> bytes:
        return self.control(0xC0, REQUEST[request], 0, index, length)

    def vendor_out(self, request: str, value: int, index: int = 0) -> None:
        assert self.control(0x40, REQUEST[request], value, index) == b""

    def status(self) -> tuple[int, int, int, int]:
        """bus_resets, refused, resets, packets."""
        bus_resets, refused, resets, packets = struct.unpack("<BBHI", self.vendor_in("STATUS", 8))
        return bus_resets, refused, resets, packets

    def plug_in(self) -> None:
        assert self.call("enumerate") == 0

    def out(self, packet: bytes) -> bool:
        """Queue it; False: the host's queue is full."""
        return self.call("out", EP_OUT, packet, len(packet)) == 0

    def credit(self, packets: int) -> None:
        self.call("in_credit", EP_IN, packets)

    def received(self) -> list[bytes]:
        """The IN packets that have come."""
        packets, buffer = [], ctypes.create_string_buffer(64)
        while (length := self.call("in", EP_IN, buffer)) >= 0:
            packets.append(buffer.raw[:length])
        return packets

    def exchange(self, *packets: bytes, ms: float = 400) -> list[bytes]:
        """Send packets, and take as many answers as come within this time, at most one each."""
        self.credit(len(packets))
        answers: list[bytes] = []
        until, waiting = self.time + round(ms * PS_PER_MS), list(packets)
        while len(answers) < len(packets) and self.time < until:
            while waiting and self.out(waiting[0]):
                waiting.pop(0)
            self.step(until)
            answers += self.received()
        return answers


def run_of(opcode: str, planes: int | list[int]) -> bytes:
    """An OUT packet: planes to drive, or how many to run."""
    if isinstance(planes, int):
        return bytes([OP[opcode], planes])
    return bytes([OP[opcode], len(planes)]) + struct.pack(f"<{len(planes)}H", *planes)


def planes_of(answer: bytes) -> list[int]:
    """The planes in an IN packet whose header says how many there are."""
    assert len(answer) == 2 + 2 * answer[1], answer
    return list(struct.unpack(f"<{answer[1]}H", answer[2:]))
