"""A simulated board whose memories are fast, and a Programmer on it that lets board time pass by itself."""

from __future__ import annotations

import random

from tinymux import _simulator
from tinymux._engine import Wire
from tinymux.images import ATMEGA32U4, Image, firmware, load
from tinymux.programmer import Programmer

WORD_S, ERASE_S = 100e-6, 300e-6  # instead of 4.5 and 10 ms: long enough to be polled
PLANES = 124


class Bench:
    """The board, a wire over it without any tinies in service, and the Programmer."""

    def __init__(self, word_s: float = WORD_S, erase_s: float = ERASE_S, lanes=(), on_packet=None, **board) -> None:
        self.board = _simulator.Board(load(firmware("pump.elf"), ATMEGA32U4).data, **board)
        for lane in range(16):
            self.board.tune(lane, word_s=word_s, erase_s=erase_s)
        self.connect(lanes, on_packet)

    def connect(self, lanes=(), on_packet=None) -> Programmer:
        """As a new process would: nothing is known of what was before."""
        self.wire = Wire(self.board.transport, self.board, lanes=lanes, on_packet=on_packet)
        self.programming = self.wire.programming()
        self.programmer = Programmer(self.programming, "sim", wait=lambda: self.wire.run(PLANES))
        return self.programmer

    def flashes(self) -> list[bytes]:
        return [self.board.tiny(lane).flash for lane in range(16)]

    def run(self, lane: int, *steps) -> str:
        """One job; its outcome."""
        self.programming.run(lane, steps)
        for _ in range(100_000):
            report = self.programming.reports()[lane]
            if report.outcome != "running":
                return report.outcome
            self.wire.run(PLANES)
        raise AssertionError("the job does not end")


def random_image(seed: int, size: int = 1024) -> Image:
    return Image(f"random {seed}", random.Random(seed).randbytes(size))
