"""A built program whose pages are still to come: its code, its labels, and how pages are stored behind it."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from tinymux.errors import ImageError
from tinymux.images.files import load

FIRMWARE = Path(__file__).resolve().parent.parent / "firmware"
HEADERS = 40  # bytes of IP and TCP header before the page
END, ESC = b"\xc0", b"\xdb"  # RFC 1055


def firmware(name: str) -> Path:
    """Where the build has put that firmware file."""
    path = FIRMWARE / name
    if not path.exists():
        raise ImageError(f"{path} is not built: './run build' in the folder of tinymux")
    return path


@cache
def program(path: Path, end: str) -> tuple[bytes, dict[str, int]]:
    """The code of a built program up to the label `end`, and all its labels as byte addresses."""
    from elftools.elf.elffile import ELFFile

    with path.open("rb") as file:
        table: Any = ELFFile(file).get_section_by_name(".symtab")
        if not table:
            raise ImageError(f"{path} has no symbols: './run build' makes it anew")
        labels = {symbol.name: int(symbol["st_value"]) for symbol in table.iter_symbols()}
    return load(path).data[: labels[end]], labels


def stored(page: bytes) -> bytes:
    """Bytes as they stand in flash: escaped for SLIP, with END behind them."""
    return page.replace(ESC, ESC + b"\xdd").replace(END, ESC + b"\xdc") + END


def ones_sum(data: bytes) -> int:
    """The ones' complement sum of big-endian 16-bit words (RFC 1071), an odd last byte padded with 0."""
    total = 0
    for index, byte in enumerate(data):
        total = add(total, byte if index % 2 else byte << 8)
    return total


def add(left: int, right: int) -> int:
    """Add two sums with the end-around carry."""
    total = left + right
    return (total & 0xFFFF) + (total >> 16)


def patch(image: bytearray, at: int, value: int) -> None:
    """Change the operand of the LDI or CPI at that address: xxxx KKKK dddd KKKK."""
    image[at] = image[at] & 0xF0 | value & 0x0F
    image[at + 1] = image[at + 1] & 0xF0 | value >> 4
