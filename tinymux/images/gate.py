"""The admission gate: what an image must be before it is flashed, whoever made it.

Nothing that an image does can harm the board or other tinies: its lane is its own. The gate finds what would make it
useless: code that the core does not have, a stack that eats its own data, a program that is too slow for the planes of
its lane, a lane that is not spoken as lanes are. What analysis cannot know is left to a run in the simulator.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tinymux._tables import WIRING
from tinymux.errors import ImageError
from tinymux.images.analysis import Analysis, analyse
from tinymux.images.avrrc import RAM, RAM_END
from tinymux.images.files import ATTINY10, Image, load
from tinymux.images.trial import CLOCK_HZ, RC_ERRORS, Trial, trials

RAM_BYTES = RAM_END - RAM + 1
FUSES = 0x820000  # in an ELF file: GNU ld, avr.sc
RSTDISBL = 0x01
# What the host leaves a tiny, cycles of the pump chip, by default: the shortest plane, of runs that only drive or only
# sample; and from the last bit of a byte to the start bit of the next, a gap of two planes of 49 (ext/engine/options.h,
# atmega/pump.S).
PLANE, PAUSE = 30, 3 * 49
SLOWEST_HZ = CLOCK_HZ * (1 + min(RC_ERRORS) / 1e6)
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
    findings = [*_size(image), *_code(found), *_ram(found), *_timing(found)]
    if run and not found.undefined:
        for trial in trials(image):
            findings += [*_citizen(trial), *_measured_ram(trial), *_measured_timing(trial, found)]
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
    yield Finding(f"stack: at most {found.stack} bytes of {RAM_BYTES}", bad=found.stack > RAM_BYTES)
    if found.overlap:
        yield Finding(f"the stack may reach data at 0x{found.overlap[0]:02x}: look whether it is read again")


def _timing(found: Analysis) -> Iterator[Finding]:
    timing, plane = found.timing, _cycles(PLANE)
    doubts = f"({'; '.join(timing.doubts)}): look at what was measured"
    if timing.bit is None:
        yield Finding(f"from bit to bit: cannot be counted {doubts}")
    elif timing.bit:
        where = f" at 0x{timing.bit_at:03x}" if timing.bit > plane else ""
        told = f"from bit to bit: at most {timing.bit} cycles{where}; the shortest plane has {plane:.1f} at 7.2 MHz"
        caveat = f"; but {' and '.join(timing.caveats)}: look at what was measured" if timing.caveats else ""
        yield Finding(told + caveat, bad=timing.bit > plane)
    if timing.away is None:
        yield Finding(f"between bytes and frames: cannot be counted {doubts}")
    elif timing.away:
        yield Finding(f"between bytes and frames: away from its lane for at most {timing.away} cycles")


def _citizen(trial: Trial) -> Iterator[Finding]:
    """What comes back, and how."""
    where = _where(trial)
    yield Finding(f"{where} it answers {trial.answered} of {trial.asked} packets of all kinds")
    yield from (Finding(f"{where} it {text}", bad=True) for name, text in CITIZEN.items() if trial.counters[name])
    if trial.illegal:
        yield Finding(f"{where} it runs into what is no instruction", bad=True)


def _measured_ram(trial: Trial) -> Iterator[Finding]:
    where, seen = _where(trial), trial.metered
    told = f"{where} its stack takes {seen.stack} bytes, its data {len(seen.stored)} bytes of {RAM_BYTES}"
    over = seen.stack > RAM_BYTES
    yield Finding(f"{told}: no RAM is left at 0x{seen.stack_at:03x}" if over else told, bad=over)
    if seen.underflow:
        yield Finding(f"{where} it takes more off its stack than there is", bad=True)
    if seen.eaten:
        yield Finding(f"{where} it reads data at 0x{min(seen.eaten):02x} that its stack has written over", bad=True)


def _measured_timing(trial: Trial, found: Analysis) -> Iterator[Finding]:
    where, seen = _where(trial), trial.metered
    if not seen.bytes:
        return
    if seen.missed == seen.bytes:
        if found.timing.bit is None and found.timing.loops:
            yield Finding(f"{where} it sees no byte whole of {seen.bytes}: it is too slow for its lane", bad=True)
        else:
            yield Finding(f"{where} it does not listen to its lane")
        return
    told = f"{seen.in_byte} cycles from look to look in a byte, {seen.between} of {_cycles(PAUSE):.0f} between two"
    if seen.missed:
        slow = seen.between_at if seen.between > _cycles(PAUSE) else seen.in_byte_at
        missed = f"it misses bits in {seen.missed} of {seen.bytes} bytes"
        yield Finding(f"{where} {missed}: {told} (the look at 0x{slow:03x})", bad=True)
    else:
        yield Finding(f"{where} it sees each bit of {seen.bytes} bytes: {told}")


def _where(trial: Trial) -> str:
    return f"at {trial.hz / 1e6:.1f} MHz"


def _cycles(pump: int) -> float:
    """So many cycles of the pump chip, in cycles of the slowest tiny."""
    return pump * SLOWEST_HZ / int(WIRING["pump"]["clock_hz"])
