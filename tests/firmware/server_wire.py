"""One tiny with the server's image on tests/sim/tiny_wire.c: packets in, packets out, planes counted."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

LOWEST_RAM, STACK_START = 0x40, 0x5F


@dataclass
class Answer:
    """What came back for one command: packets, and the harness's account of it."""

    packets: list[bytes]
    frames: list[dict[str, Any]]
    done: dict[str, Any]


@dataclass
class Tiny:
    """A tiny on its wire; options are those of tiny_wire (plane, gap, quiet, ppm, seed)."""

    program: Path
    image: Path
    options: dict[str, float] = field(default_factory=dict)

    def __enter__(self) -> Self:
        words = [str(word) for pair in self.options.items() for word in pair]
        self.process = subprocess.Popen(
            [self.program, self.image, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        return self

    def __exit__(self, *_: object) -> None:
        self.process.stdin.close()
        assert self.process.wait(10) == 0
        self.process.stdout.close()

    def command(self, line: str) -> Answer:
        """Any command of the harness."""
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        frames: list[dict[str, Any]] = []
        while "done" not in (row := json.loads(self.process.stdout.readline())):
            frames.append(row)
        assert not row["illegal"] and not row["driven_high"] and not row["collisions"], row
        return Answer([bytes.fromhex(frame["frame"]) for frame in frames], frames, row)

    def send(self, packet: bytes) -> Answer:
        """One packet, in a frame with leading and trailing END."""
        return self.command(packet.hex())

    def raw(self, data: bytes) -> Answer:
        """Bytes as they are."""
        return self.command("raw " + data.hex())
