"""A second of an image's life on the simulated board, at the slowest and the fastest clock: what it answers, and what a
meter on its tiny sees."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tinymux.images.files import ATMEGA32U4, Image, load
from tinymux.images.probes import probes
from tinymux.images.program import firmware

if TYPE_CHECKING:
    from tinymux._simulator import Metered

# The slowest and the fastest oscillator that a tiny may have, ppm: datasheet 8127H section 16.4.
RC_ERRORS = (-100_000, 100_000)
CLOCK_HZ = 8_000_000
START_UP = 0.08  # s: 64 ms (datasheet section 8.2.1) and the program's own start
ROUNDS, SLICE = 50, 0.02  # packets, and s of board time for each


@dataclass(frozen=True)
class Trial:
    """How it went at one clock. counters: of its lane, by name (ext/engine/counters.h)."""

    hz: float
    asked: int
    answered: int
    counters: dict[str, int]
    illegal: int  # words executed that are no instruction
    metered: Metered


def trials(image: Image) -> list[Trial]:
    """Talk to the image on two tinies, one with each oscillator error."""
    from tinymux._engine import Wire
    from tinymux._simulator import Board, Meter

    errors = [*RC_ERRORS, *[0] * (16 - len(RC_ERRORS))]
    pump = load(firmware("pump.elf"), ATMEGA32U4).data
    board = Board(pump, [image.data] * len(RC_ERRORS), rc_error=errors, seed=1)
    lanes = range(len(RC_ERRORS))
    meters = [Meter(board, lane) for lane in lanes]
    wire = Wire(board.transport, board, lanes=lanes, mtu=image.mtu)
    packets = list(probes(image.mtu))
    wire.run(seconds=START_UP)
    for asked in range(ROUNDS):
        for lane in lanes:
            wire.send(lane, packets[asked % len(packets)])
        end = board.time + SLICE
        wire.run(seconds=SLICE)
        if board.time < end:  # nobody has anything more to say
            board.run(end - board.time)
    answers = [0] * len(RC_ERRORS)
    for lane, _ in wire.receive():
        answers[lane] += 1
    return [
        Trial(
            hz=CLOCK_HZ * (1 + error / 1e6),
            asked=ROUNDS,
            answered=answers[lane],
            counters=wire.counters(lane),
            illegal=board.tiny(lane).illegal,
            metered=meters[lane].read(),
        )
        for lane, error in zip(lanes, RC_ERRORS, strict=True)
    ]
