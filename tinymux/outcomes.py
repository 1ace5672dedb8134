"""What a Programmer tells: the chip it found, how far a tiny is, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass, field

# Datasheet 8127H section 16.2.3, and those of the chip's relatives.
SIGNATURES = {
    b"\x1e\x8f\x0a": "ATtiny4",
    b"\x1e\x8f\x09": "ATtiny5",
    b"\x1e\x90\x08": "ATtiny9",
    b"\x1e\x90\x03": "ATtiny10",
}


@dataclass(frozen=True)
class Identity:
    """A chip's own bytes: 3 of signature, its configuration (0 is programmed), oscillator calibration and lock bits."""

    signature: bytes
    configuration: int
    calibration: int
    lock: int

    @property
    def part(self) -> str:
        """The chip's name, or its signature where that is not known."""
        return SIGNATURES.get(self.signature, f"unknown chip, signature {self.signature.hex(' ')}")


@dataclass(frozen=True)
class Difference:
    """A byte of flash that is not what it should be."""

    address: int
    wanted: int
    found: int

    def __str__(self) -> str:
        return f"0x{self.address:03x}: {self.found:02x} instead of {self.wanted:02x}"


@dataclass(frozen=True)
class Outcome:
    """What came of one tiny.

    action: "unchanged", "written", "verified", "different", "erased", "read", "identified" or "failed". step, reason:
    where and why it failed. attempts: how often it was tried. seconds: wall time.
    """

    board: str
    lane: int
    action: str
    step: str = ""
    reason: str = ""
    attempts: int = 1
    seconds: float = 0.0
    identity: Identity | None = None
    data: bytes = field(default=b"", repr=False)
    differences: tuple[Difference, ...] = field(default=(), repr=False)

    @property
    def ok(self) -> bool:
        """Whether the tiny is as was asked for."""
        return self.action not in ("failed", "different")

    def __str__(self) -> str:
        where = f"{self.board}/{self.lane}"
        return (
            f"{where}: {self.action}"
            + (f" while {self.step}" if self.step else "")
            + (f": {self.reason}" if self.reason else "")
        )


@dataclass(frozen=True)
class Progress:
    """How far one tiny is: what it does, and bytes done of all that this takes. At its end: the outcome's action."""

    lane: int
    doing: str
    done: int
    total: int
