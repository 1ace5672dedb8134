"""The engine (ext/engine): boards' lanes on tuns, on a thread of its own; and a wire to try a board by hand.

A transport is a PyCapsule named "tinymux.transport" (ext/engine/transport.h), as boards hand it out; `owner` is what
must live as long as it is used. Options are those of ext/engine/options.h, by name. Boards and lanes are numbered
from 0; what has the wrong number, and what a board refuses, raises tinymux.errors.BoardError.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from typing_extensions import Buffer

class Event(NamedTuple):
    """Something for a policy to decide about; see `Engine.events`."""

    kind: str
    board: int
    lane: int
    error: int

class Report(NamedTuple):
    """How a lane's programming job stands.

    outcome: "none", "running", "done", or why it failed, as ext/engine/tpi.h lists it. step: the step that it is at,
    from 0. done: bytes of that step that are known to be good. recoveries: line errors that were got over.
    """

    outcome: str
    step: int
    done: int
    recoveries: int

class Programming:
    """Lanes of one board out of service for TPI, while the others go on. Of an Engine: for any thread."""

    def begin(self, lanes: Iterable[int]) -> None:
        """Take lanes: their tinies go into reset. BoardError ("busy") where one of them is taken already."""

    def program(self, lane: int, mtu: int, stateless: bool) -> None:
        """Tell what program a lane's tiny has now: its MTU, and whether it is spared bare ACKs."""

    def run(self, lane: int, steps: Sequence[tuple[str, int, Any]], sure: bool = False) -> None:
        """Start a job on a lane that was taken, and return at once.

        steps: at most 8 of ("read", address, length), ("write", address, bytes) or ("erase", address, NVM command).
        sure: write no word before the last one is known to be written (ext/engine/tpi.h).
        BoardError ("not permitted") for a job that would program RSTDISBL.
        """

    def reports(self) -> list[Report]:
        """How the last job of each of the sixteen lanes stands."""

    def data(self, lane: int) -> bytes:
        """The bytes of all steps of the lane's last job, one after the other: what was read, what was to be written."""

    def hold(self, lanes: Iterable[int]) -> None:
        """Let `end` not start the tinies of these lanes."""

    def end(self, lanes: Iterable[int]) -> None:
        """Give lanes back, whatever their jobs are at; those that were in service start again."""

class Link:
    """Lanes that do not come from a board: `Engine.add_board` takes it, once."""

class Ttys(Link):
    """Up to sixteen serial ports as lanes, SLIP on each.

    The fds are ports that are set as they are to be (tinymux.boards.tty); they are duplicated, so the caller may close
    its own, and become non-blocking for all who share them. A port that hangs up is told as "lane_gone".
    """

    def __init__(self, fds: Sequence[int]) -> None: ...

class Loopback(Link):
    """Sixteen synthetic nodes, for load: each sends every IPv4 packet back to its sender, and answers echo requests."""

    def __init__(self) -> None: ...

class SyntheticBoard:
    """A board without its chips, for load (ext/engine/synthetic.h): pump, and sixteen tinies that answer every IPv4
    packet. Its time passes as fast as it is asked to.
    """

    def __init__(self) -> None: ...
    @property
    def transport(self) -> object:
        """For an Engine or a Wire, with this as the owner."""

    @property
    def seconds(self) -> float:
        """Board time; to be read while nobody uses the board, or as an indication."""

class Engine:
    """Many boards, their lanes on tuns, served without the GIL. Any thread may call it.

    threads: how many serve the boards, which go to them in turn, each for good: 1 to 10. pinned: each of them stays on
    a CPU of its own. spin_us: after anything happened they look for more for so long before they sleep, which costs
    that CPU time and saves a wake-up.
    """

    def __init__(self, *, threads: int = 1, pinned: bool = False, spin_us: int = 0) -> None: ...
    def add_board(
        self, transport: object, owner: object = None, faults: Mapping[str, float] | None = None, /, **options: int
    ) -> int:
        """Add a board, with all its tinies in reset, or a Link; its number, from 0. A Link knows the option `mtu` only.

        faults: what befalls its packets, both ways: probabilities `drop`, `corrupt` (one bit), `byte_loss`,
        `duplicate`, `reorder` and `delay`, which is for
        `delay_ms` (10); the same `seed` (0) and packets give the same faults.

        Raises BoardError where its firmware speaks another protocol, TinymuxError for an option that is unknown or out
        of bounds.
        """

    def fault_counters(self, board: int) -> dict[str, int]:
        """How often each fault befell a board that was added with faults, and packets lost for want of room to hold
        them ("overrun")."""

    def replace_board(self, board: int, transport: object, owner: object = None) -> None:
        """Go on with another transport, for a board that went and is back: tuns, counters and options stay, the tinies
        of its lanes are started anew. The transport before it may be closed after this."""

    def attach(self, board: int, lane: int, fd: int) -> None:
        """Put a lane on a tun and let its tiny run.

        `fd` is a tun without packet information (IFF_NO_PI), or a SEQPACKET socket. It is duplicated, so the caller
        may close its own; it becomes non-blocking for all who share it. Where the lane has a tun already, that one is
        closed and the tiny runs on.
        """

    def detach(self, board: int, lane: int) -> None:
        """Close the lane's tun and hold its tiny in reset."""

    def reset(self, board: int, lane: int) -> None:
        """Reset a tiny; packets for it wait until it has started again."""

    def replace_lane(self, board: int, lane: int, fd: int) -> None:
        """Go on with another port for a lane of Ttys, whose own one hung up or not; it is duplicated. Tun and counters
        stay, what was half sent or half received is lost."""

    def control(
        self, board: int, request_type: int, request: int, value: int, index: int, data_or_length: Buffer | int = 0
    ) -> bytes:
        """One control transfer to the board's endpoint 0, between packets: the data read, or b"".

        `data_or_length`: the bytes to send, or how many to read where bit 7 of `request_type` says so.
        """

    def programming(self, board: int) -> Programming:
        """A board's lanes as a programmer sees them."""

    def start(self) -> None:
        """Start the thread. Boards, tuns and commands may come before and after."""

    def stop(self) -> None:
        """End the thread, close the duplicated tuns, hold all tinies in reset. Again is harmless; counters stay."""

    def counters(self, board: int, lane: int) -> dict[str, int]:
        """A lane's counters since the board was added, by the names of ext/engine/counters.h."""

    def board_counters(self, board: int) -> dict[str, int]:
        """A board's counters since it was added."""

    @property
    def events_fd(self) -> int:
        """A file descriptor that is readable while there are events."""

    @property
    def events_lost(self) -> int:
        """Events that nobody fetched in time: 256 wait at most."""

    def events(self) -> list[Event]:
        """All events since the last call, the oldest first; each trouble is told once, until it has passed.

        kind: "board_gone" (lane is -1), "suspect" (option `suspect` packets in a row that call for an answer got none),
        "stuck" (the lane is held low or talks without end), "lane_gone" (the serial port that it is hung up),
        "tun_error". error: an errno, or 0.
        """

class Capture:
    """Packets of an engine's lanes into a pcapng file, as the tuns see them, from now until `close`; one at a time.

    fd: a file or pipe, which is duplicated. lanes: (board, lane) -> the name of its interface in the file. The engine
    never waits for the file: what comes too fast for it is dropped and counted.
    """

    def __init__(self, owner: Engine, fd: int, lanes: Mapping[tuple[int, int], str]) -> None: ...
    def close(self) -> None:
        """Write what waits, and the statistics; a pipe that nobody reads is waited for 2 s. Again is harmless.

        Raises TinymuxError if not all could be written. What was counted stays readable.
        """

    @property
    def written(self) -> int:
        """Packets that are in the file so far."""

    @property
    def dropped(self) -> int:
        """Packets that found no room in the queue, or that an error kept out of the file."""

    @property
    def error(self) -> int:
        """The errno that ended the writing, or 0."""

class Wire:
    """One board without tuns and without a thread: board time passes only in `run`, and the same calls give the same
    planes. For one thread at a time.

    lanes: those whose tinies are started, the others stay in reset. on_packet: called with lane and packet for each
    packet that comes, from `run`, instead of keeping it for `receive`; it may call `send`, as fast as a kernel that
    takes no time.
    """

    def __init__(
        self,
        transport: object,
        owner: object = None,
        *,
        lanes: Iterable[int] = ...,
        on_packet: Callable[[int, bytes], object] | None = None,
        **options: int,
    ) -> None: ...
    def send(self, lane: int, packet: Buffer) -> None:
        """Queue one IP packet, at most 1,500 bytes, for a lane."""

    def run(self, planes: int | None = None, *, seconds: float | None = None, until_packet: bool = False) -> int:
        """Let the board run until that many planes have come back, that many seconds of board time have passed,
        nothing is left to do, or, with `until_packet`, a packet waits in `receive`. How many planes came back."""

    def receive(self) -> list[tuple[int, bytes]]:
        """The packets that have come since the last call, each with its lane."""

    def programming(self) -> Programming:
        """The board's lanes as a programmer sees them. Not beyond the wire's life."""

    @property
    def planes(self) -> int:
        """Planes that have come back so far; of an idle run only the last one counts."""

    @property
    def seconds(self) -> float:
        """Board time."""

    def counters(self, lane: int) -> dict[str, int]:
        """A lane's counters, by the names of ext/engine/counters.h."""

    def board_counters(self) -> dict[str, int]:
        """The board's counters."""
