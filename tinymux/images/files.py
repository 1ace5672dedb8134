"""Read a flash image from ELF, Intel HEX or raw bytes, and refuse what does not fit the chip."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tinymux.errors import ImageError

# avr-gcc puts other memories above flash: 0x800000 RAM, 0x810000 EEPROM, 0x820000 fuses (GNU ld, avr.sc).
ELF_FLASH_END = 0x800000
# Lowest seven bits of e_flags: the architecture (binutils, include/elf/avr.h).
ELF_ARCHITECTURE_MASK = 0x7F
# An image file of these chips is a few KB; anything beyond this is no image and is not read whole.
LARGEST_FILE = 4 << 20


@dataclass(frozen=True)
class Part:
    """A chip as far as an image must know it: flash in bytes and its architecture's number in an ELF header."""

    name: str
    flash: int
    elf_architecture: int


ATTINY10 = Part("ATtiny10", 1024, 100)
ATMEGA32U4 = Part("ATmega32U4", 32 * 1024, 5)


@dataclass(frozen=True)
class Image:
    """Flash contents from address 0, as they would be programmed; an erased byte is 0xFF.

    `mtu` is the largest packet, in bytes, that its program takes and gives: the MTU of the node's interface.
    576 is what every IPv4 host must take (RFC 791) and more than one reply from 1 KB of flash can fill, while
    a packet of that size still holds its lane for no longer than some 25 ms.
    `stateless` programs keep no TCP state: a bare ACK tells them nothing, and need not cross the lane.
    """

    name: str
    data: bytes
    mtu: int = 576
    stateless: bool = False

    def __post_init__(self) -> None:
        if not 68 <= self.mtu <= 65535:
            raise ImageError(f"{self.name}: an MTU of {self.mtu} bytes is not possible in IPv4 (68 to 65535)")


def load(source: str | Path | bytes, part: Part = ATTINY10) -> Image:
    """Read an image from a file (ELF, Intel HEX or raw, told apart by content) or from raw bytes.

    Raises ImageError with the file's name where it cannot be read, is damaged, is for another chip or too large.
    """
    name, content = ("image", source) if isinstance(source, bytes) else _read(Path(source))
    if content.startswith(b"\x7fELF"):
        data = _flatten(name, _elf_segments(name, content, part), part)
    elif content.startswith(b":") and content.isascii():
        # Raw code may begin with 0x3A too (the low byte of an RJMP), but its high bytes are not ASCII.
        data = _flatten(name, _hex_segments(name, content), part)
    else:
        data = _flatten(name, [(0, content)], part)
    if not data:
        raise ImageError(f"{name}: nothing in it for the flash of an {part.name}")
    return Image(name, data)


def _read(path: Path) -> tuple[str, bytes]:
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_FILE + 1)
    except OSError as error:
        raise ImageError(f"{path}: cannot be read: {error.strerror}") from error
    if len(content) > LARGEST_FILE:
        raise ImageError(f"{path}: too large to be an image")
    return str(path), content


def _elf_segments(name: str, content: bytes, part: Part) -> Iterator[tuple[int, bytes]]:
    """Load address and bytes of each segment that lies in flash."""
    from elftools.common.exceptions import ELFError
    from elftools.elf.elffile import ELFFile

    try:
        elf = ELFFile(io.BytesIO(content))
        if elf["e_machine"] != "EM_AVR":
            raise ImageError(f"{name}: an ELF file, but not for an AVR")
        architecture = elf["e_flags"] & ELF_ARCHITECTURE_MASK
        if architecture != part.elf_architecture:
            raise ImageError(f"{name}: built for another chip than the {part.name} (AVR architecture {architecture})")
        for segment in elf.iter_segments("PT_LOAD"):
            if segment["p_filesz"] and segment["p_paddr"] < ELF_FLASH_END:
                data = segment.data()
                if len(data) != segment["p_filesz"]:
                    raise ImageError(f"{name}: the ELF file is cut short")
                yield segment["p_paddr"], data
    except (ELFError, ValueError, KeyError, OverflowError, AttributeError) as error:
        # pyelftools meets damaged headers with any of these.
        raise ImageError(f"{name}: a damaged ELF file: {error}") from error


def _hex_segments(name: str, content: bytes) -> Iterator[tuple[int, bytes]]:
    from intelhex import IntelHex, IntelHexError

    try:
        records = IntelHex()
        records.loadhex(io.StringIO(content.decode("ascii")))
        for start, end in records.segments():
            yield start, records.tobinstr(start, end - 1)
    except (IntelHexError, UnicodeDecodeError, ValueError) as error:
        raise ImageError(f"{name}: a damaged Intel HEX file: {error}") from error
    if b":00000001" not in content:
        raise ImageError(f"{name}: the Intel HEX file is cut short: no end record")


def _flatten(name: str, segments: Iterable[tuple[int, bytes]], part: Part) -> bytes:
    """One run of bytes from address 0. Checked before it is laid out, so that a wild address costs no memory."""
    pieces = list(segments)
    end = max((start + len(data) for start, data in pieces), default=0)
    if end > part.flash:
        over = end - part.flash
        raise ImageError(f"{name}: too large: {end} bytes, {over} more than the {part.flash} of an {part.name}")
    flash = bytearray(b"\xff" * end)
    for start, data in pieces:
        flash[start : start + len(data)] = data
    return bytes(flash)
