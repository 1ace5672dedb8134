from collections.abc import Callable, Sequence
from typing import NamedTuple

class TinyState(NamedTuple):
    pc: int
    registers: bytes
    sreg: int
    sp: int
    ram: bytes
    flash: bytes
    cycles: int
    illegal: int
    in_reset: bool
    lane: str
    user: str

class PumpState(NamedTuple):
    pc: int
    cycles: int
    illegal: int
    unknown: int
    misuse: int
    resets: int

class Board:
    def __init__(
        self,
        pump: bytes,
        tinies: Sequence[bytes | None] = (),
        *,
        seed: int = 0,
        rc_error: int | Sequence[int] = 0,
        lane_noise: float = 0.0,
        byte_loss: float = 0.0,
        serial: bytes = b"SIMULATED0",
        paced: bool = False,
        host_latency_us: int = 125,
        depth: int = 8,
        rise_ns: int = 500,
        connect: bool = True,
    ) -> None: ...
    @property
    def time(self) -> float: ...
    def run(self, seconds: float) -> bool: ...
    def trace(self, tracer: Callable[[int, int, int], object] | None) -> None: ...
    def power_cycle(self) -> None: ...
    def load(self, lane: int, image: bytes) -> None: ...
    def tune(
        self,
        lane: int,
        *,
        word_s: float | None = None,
        erase_s: float | None = None,
        config: int | None = None,
        lock: int | None = None,
        signature: bytes | None = None,
        supply_mv: int | None = None,
    ) -> None: ...
    @property
    def transport(self) -> object: ...
    @property
    def arrears(self) -> float: ...
    def enumerate(self) -> None: ...
    def usb(self, what: str) -> None: ...
    @property
    def attached(self) -> bool: ...
    def control(
        self, request_type: int, request: int, value: int = 0, index: int = 0, data: bytes | int = 0
    ) -> bytes: ...
    def usb_out(self, endpoint: int, packet: bytes) -> bool: ...
    def usb_out_waiting(self, endpoint: int) -> int: ...
    def usb_credit(self, endpoint: int, packets: int) -> None: ...
    def usb_in(self, endpoint: int) -> bytes | None: ...
    def tiny(self, lane: int) -> TinyState: ...
    @property
    def led(self) -> bool: ...
    @property
    def pump(self) -> PumpState: ...

class Metered(NamedTuple):
    stack: int
    stack_at: int
    underflow: bool
    stored: frozenset[int]
    pushed: frozenset[int]
    eaten: frozenset[int]
    looks: int
    bytes: int
    missed: int
    in_byte: int
    in_byte_at: int
    between: int
    between_at: int
    plane_ps: int

class Meter:
    def __init__(self, board: Board, lane: int) -> None: ...
    def read(self) -> Metered: ...

class Spent(NamedTuple):
    visits: int
    cycles: int
    waiting: int
    worst: int
    blind: int

class Stretch(NamedTuple):
    cycles: int
    start: int
    end: int
    path: tuple[tuple[int, int], ...]

class Halt(NamedTuple):
    why: str
    address: int

class Debug:
    on_halt: Callable[[Halt], object] | None
    def __init__(
        self, board: Board, lane: int, labels: Sequence[int] = (), on_halt: Callable[[Halt], object] | None = None
    ) -> None: ...
    def close(self) -> None: ...
    def check(self) -> None: ...
    def halt_at(self, address: int, on: bool) -> None: ...
    def halt_on(self, address: int, *, read: bool, write: bool) -> None: ...
    def step(self) -> None: ...
    def clear(self) -> None: ...
    def read(self, address: int, length: int) -> bytes: ...
    def write(self, address: int, data: bytes) -> None: ...
    def program(self, address: int, data: bytes) -> None: ...
    def set(self, name: str, value: int) -> None: ...
    def spent(self) -> list[Spent]: ...
    def longest(self) -> list[Stretch]: ...
