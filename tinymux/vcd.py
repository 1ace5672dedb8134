"""A simulated board's wires as a value change dump (IEEE 1364 section 18), for GTKWave."""

from __future__ import annotations

from typing import TextIO

# Signals of board_trace (ext/sim/board.h), sixteen of each of the first four.
GROUPS = ("pump", "pb0", "user", "reset")
CLOCK, LED = 64, 65
LEVELS = {0: "0", 1: "1", 2: "z"}


class Dump:
    """Writes the changes of some lanes' wires and of the clock, in ns."""

    def __init__(self, out: TextIO, lanes: list[int]) -> None:
        self._out, self._now = out, -1
        self._levels: dict[int, int] = {}
        self._names = {16 * group + lane: f"{name}{lane}" for lane in lanes for group, name in enumerate(GROUPS)}
        self._names |= {CLOCK: "clock"}
        out.write("$timescale 1ns $end\n$scope module board $end\n")
        for signal, name in self._names.items():
            out.write(f"$var wire 1 {chr(33 + signal)} {name} $end\n")
        out.write("$upscope $end\n$enddefinitions $end\n")

    def __call__(self, signal: int, level: int, ps: int) -> None:
        """One change, as board_trace tells it."""
        if signal not in self._names or self._levels.get(signal) == level:
            return
        self._levels[signal] = level
        now = max(ps // 1000, self._now)  # parts of the board may run a few ns behind each other
        if now != self._now:
            self._now = now
            self._out.write(f"#{now}\n")
        self._out.write(f"{LEVELS[level]}{chr(33 + signal)}\n")
