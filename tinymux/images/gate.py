"""The admission gate: what an image must be before it is flashed, whoever made it.

Nothing that an image does can harm the board or other tinies: its lane is its own. The gate finds what would make it
useless: code that the core does not have, a stack that eats its own data, a lane that is not spoken as lanes are.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tinymux.errors import ImageError
from tinymux.images.analysis import Analysis, analyse
from tinymux.images.avrrc import RAM, RAM_END
from tinymux.images.files import ATMEGA32U4, ATTINY10, Image, load
from tinymux.images.probes import probes as packets
from tinymux.images.server import firmware

RAM_BYTES = RAM_END - RAM + 1
FUSES = 0x820000  # in an ELF file: GNU ld, avr.sc
RSTDISBL = 0x01
# The slowest and the fastest oscillator that a tiny may have, ppm: datasheet 8127H section 16.4.
RC_ERRORS = (-100_000, 100_000)
ROUNDS, SLICE = 50, 0.02  # packets, and s of board time for each
# Counters of a lane (ext/engine/counters.h) that a good citizen does not move.
CITIZEN = {
    "collisions": "talks while it is spoken to",
    "drop_slip": "sends broken SLIP frames",
    "drop_stalled": "stops in the middle of a frame",
    "drop_version": "sends packets that are not IP",
    "drop_length": "sends packets of another length than they say",
    "drop_checksum": "sends packets with a wrong checksum",
    "drop_oversize": "talks without an end, or holds its lane low",
}


@dataclass(frozen=True)
class Finding:
    """Something about an image. `bad`: it keeps the image out."""

    text: str
    bad: bool = False


@dataclass(frozen=True)
class Verdict:
    """What the gate has found."""

    image: Image
    analysis: Analysis
    findings: tuple[Finding, ...]

    @property
    def admitted(self) -> bool:
        """Whether it may be flashed without --force."""
        return not any(finding.bad for finding in self.findings)

    @property
    def refused(self) -> tuple[Finding, ...]:
        """The reasons against it."""
        return tuple(finding for finding in self.findings if finding.bad)


def check(image: Image, run: bool = True) -> Verdict:
    """Look at an image, and run it for a second of board time at the slowest and the fastest clock."""
    found = analyse(image.data)
    findings = [*_size(image), *_code(found), *_ram(found)]
    if run and not found.undefined:
        findings += _citizen(image)
    return Verdict(image, found, tuple(findings))


def admit(image: Image, *, force: bool = False) -> None:
    """Raise ImageError, with all reasons, for an image that the gate keeps out, unless `force`."""
    verdict = check(image, run=not force)
    if not force and not verdict.admitted:
        reasons = "; ".join(finding.text for finding in verdict.refused)
        raise ImageError(f"{image.name}: not admitted: {reasons} (--force flashes it all the same)")


def check_fuses(source: Path) -> None:
    """Refuse an ELF file that asks for RSTDISBL: no board here could ever program that chip again."""
    content = source.read_bytes() if source.is_file() else b""
    if not content.startswith(b"\x7fELF"):
        return
    from elftools.elf.elffile import ELFFile

    load(source)  # a damaged file is refused there, with its reason
    elf = ELFFile(io.BytesIO(content))
    fuses = [part.data() for part in elf.iter_segments("PT_LOAD") if part["p_paddr"] == FUSES]
    fuses += [
        part.data() for part in elf.iter_sections() if part.name == ".fuse"
    ]  # avrtiny's linker script has no region
    if any(data and not data[0] & RSTDISBL for data in fuses):
        raise ImageError(f"{source}: its fuses would program RSTDISBL, after which the chip cannot be programmed")


def _size(image: Image) -> Iterator[Finding]:
    free = ATTINY10.flash - len(image.data)
    yield Finding(f"{len(image.data)} bytes of {ATTINY10.flash}, {free} free", bad=free < 0)


def _code(found: Analysis) -> Iterator[Finding]:
    if found.undefined:
        at = 2 * found.undefined[0]
        more = f" and {len(found.undefined) - 1} more" if len(found.undefined) > 1 else ""
        yield Finding(f"no instruction of this core at 0x{at:03x}{more}, where the program comes by", bad=True)
    yield Finding(f"{2 * len(found.code)} bytes of code can be reached")
    if found.blind:
        yield Finding("jumps to addresses that it computes: what lies there was not looked at")


def _ram(found: Analysis) -> Iterator[Finding]:
    if found.stack is None:
        yield Finding("the stack grows without end: a recursion, or a loop that pushes", bad=True)
        return
    used = RAM_BYTES if found.stack > RAM_BYTES else found.stack
    yield Finding(f"stack: at most {found.stack} bytes of {RAM_BYTES}", bad=found.stack > used)
    if found.overlap:
        yield Finding(f"the stack may reach data at 0x{found.overlap[0]:02x}", bad=True)


def _citizen(image: Image) -> Iterator[Finding]:
    """Talk to it on two tinies, one with each oscillator error, and see what comes back."""
    from tinymux._engine import Wire
    from tinymux._simulator import Board

    errors = [*RC_ERRORS, *[0] * (16 - len(RC_ERRORS))]
    pump = load(firmware("pump.elf"), ATMEGA32U4).data
    board = Board(pump, [image.data] * len(RC_ERRORS), rc_error=errors, seed=1)
    lanes = range(len(RC_ERRORS))
    wire = Wire(board.transport, board, lanes=lanes, mtu=image.mtu)
    probes = list(packets(image.mtu))
    wire.run(seconds=0.08)
    for asked in range(ROUNDS):
        for lane in lanes:
            wire.send(lane, probes[asked % len(probes)])
        end = board.time + SLICE
        wire.run(seconds=SLICE)
        if board.time < end:  # nobody has anything more to say
            board.run(end - board.time)
    answers = [0] * len(RC_ERRORS)
    for lane, _ in wire.receive():
        answers[lane] += 1
    for lane, error in zip(lanes, RC_ERRORS, strict=True):
        counters = wire.counters(lane)
        where = f"at {8 + 8 * error / 1e6:.1f} MHz it"
        yield Finding(f"{where} answers {answers[lane]} of {ROUNDS} packets of all kinds")
        yield from (Finding(f"{where} {text}", bad=True) for name, text in CITIZEN.items() if counters[name])
        if board.tiny(lane).illegal:
            yield Finding(f"{where} runs into what is no instruction", bad=True)
