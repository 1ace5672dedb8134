"""One tiny on a simulated board of its own: packets to it, packets from it, and board time that passes when told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tinymux._engine import Wire
from tinymux._simulator import Board, Debug, TinyState
from tinymux.errors import TinymuxError
from tinymux.images import ATMEGA32U4, Image, firmware, load
from tinymux.sim.labels import Labels
from tinymux.vcd import Dump

LANE = 0
START_UP = 0.07  # s from its release to its first frame: 64 ms (datasheet 8127H section 8.2.1), and the program's start
MICROSECOND = 1e-6


class Bench:
    """A tiny that runs an image, metered label by label. Times are seconds of board time since its start-up.

    pause: called after each slice of board time, if set, of at most `slice` seconds.
    """

    def __init__(self, image: Image, labels: Labels, *, rc_error: int = 0, seed: int = 0) -> None:
        self.image, self.labels = image, labels
        self.board = Board(load(firmware("pump.elf"), ATMEGA32U4).data, [image.data], rc_error=rc_error, seed=seed)
        self.debug = Debug(self.board, LANE, labels.by_word())
        self.wire = Wire(
            self.board.transport, self.board, lanes=[LANE], mtu=image.mtu, offload_acks=image.stateless << LANE
        )
        self.came: list[tuple[float, bytes]] = []
        self.sent = 0
        self.refused = 0  # of those that came: by the kernel
        self.pause: Callable[[], object] | None = None
        self.slice = 1.0
        self._start = self.board.time + START_UP

    @property
    def time(self) -> float:
        """Board time; below 0 while the tiny starts up."""
        return self.board.time - self._start

    @property
    def tiny(self) -> TinyState:
        """The tiny as it is now."""
        return self.board.tiny(LANE)

    @property
    def counters(self) -> dict[str, int]:
        """What happened on its lane, by the names of ext/engine/counters.h."""
        return self.wire.counters(LANE)

    @property
    def waiting(self) -> int:
        """Packets that have not gone yet."""
        gone = self.counters
        return self.sent - gone["packets_out"] - gone["drop_collision"] - gone["acks_offloaded"]

    def send(self, packet: bytes) -> None:
        """Queue one packet for the tiny."""
        self.wire.send(LANE, packet)
        self.sent += 1

    def run(self, until: float) -> list[bytes]:
        """Run to that time: the packets that came on the way, which are in `came` too, with their times."""
        first = len(self.came)
        while (left := until - self.time) > MICROSECOND:
            left = min(left, self.slice)
            if not self.wire.run(seconds=left, until_packet=True):
                self.board.run(left)  # nobody has anything to say
            self.came.extend((self.time, packet) for _, packet in self.wire.receive())
            self.debug.check()
            if self.pause:
                self.pause()
        return [packet for _, packet in self.came[first:]]

    @contextmanager
    def trace(self, file: Path | None) -> Iterator[None]:
        """Write the wires' levels while the context lasts, as a VCD file."""
        if not file:
            yield
            return
        try:
            with file.open("w") as out:
                self.board.trace(Dump(out, [LANE]))
                try:
                    yield
                finally:
                    self.board.trace(None)
        except OSError as error:
            raise TinymuxError(f"{file}: cannot be written: {error.strerror}") from error
