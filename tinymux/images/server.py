"""The server's images: its program with a page in the rest of the flash.

The page goes into the built program, without an assembler: it stands at the end, escaped for SLIP, and its length and
checksum are the operands of four LDI instructions that have labels of their own (avr/lib/tcp.inc).
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from tinymux.errors import ImageError
from tinymux.images.files import ATTINY10, Image, load

FIRMWARE = Path(__file__).resolve().parent.parent / "firmware"
HEADERS = 40  # bytes of IP and TCP header before the page
END, ESC = b"\xc0", b"\xdb"  # RFC 1055
PAGE = """\
HTTP/1.0 200 OK\r
Content-Type: text/html\r
\r
<!doctype html><meta name=viewport content="width=device-width"><title>tiny {number}</title>\
<style>body{{font:2em system-ui;margin:20vh auto;width:16em}}</style>\
<h1>tiny {number}</h1><p>This page, TCP and all, comes out of an ATtiny10: 1 KB of flash, 32 bytes of RAM.
"""


def firmware(name: str) -> Path:
    """Where the build has put that firmware file."""
    path = FIRMWARE / name
    if not path.exists():
        raise ImageError(f"{path} is not built: './run build' in the folder of tinymux")
    return path


def server_images(count: int) -> tuple[Image, ...]:
    """The server for so many nodes, each with a page that names its own."""
    return tuple(server_image(PAGE.format(number=number).encode(), f"server {number}") for number in range(count))


def server_image(page: bytes, name: str = "server") -> Image:
    """The server with that page: all that goes over TCP, HTTP header included.

    Raises ImageError, with the bytes over, where the page does not fit into what the program leaves.
    """
    program, labels = _program()
    stored = page.replace(ESC, ESC + b"\xdd").replace(END, ESC + b"\xdc") + END
    over = len(program) + len(stored) - ATTINY10.flash
    if over > 0:
        raise ImageError(f"{name}: the page is too large: {over} bytes over the {ATTINY10.flash} of an ATtiny10")
    image = bytearray(program + stored)
    length = HEADERS + len(page)
    checksum = _add(_operands(program, labels, "page_sum"), _sum(page))
    _patch(image, labels, "page_length", length)
    _patch(image, labels, "page_sum", checksum)
    return Image(name, bytes(image))


def server_code_bytes() -> int:
    """Flash, in bytes, that the server's program takes without a page."""
    return len(_program()[0])


@cache
def _program() -> tuple[bytes, dict[str, int]]:
    """The server's code without a page, and its labels as byte addresses."""
    from elftools.elf.elffile import ELFFile

    path = firmware("server.elf")
    with path.open("rb") as file:
        table: Any = ELFFile(file).get_section_by_name(".symtab")
        if not table:
            raise ImageError(f"{path} has no symbols: './run build' makes it anew")
        labels = {symbol.name: int(symbol["st_value"]) for symbol in table.iter_symbols()}
    return load(path).data[: labels["page"]], labels


def _operands(image: bytes, labels: dict[str, int], name: str) -> int:
    """The 16-bit constant that the two LDIs NAME_low and NAME_high load. LDI is 1110 KKKK dddd KKKK."""
    low, high = (labels[f"{name}_{half}"] for half in ("low", "high"))
    parts = [(image[at + 1] & 0x0F) << 4 | image[at] & 0x0F for at in (low, high)]
    return parts[0] | parts[1] << 8


def _patch(image: bytearray, labels: dict[str, int], name: str, value: int) -> None:
    for half, byte in (("low", value & 0xFF), ("high", value >> 8)):
        at = labels[f"{name}_{half}"]
        image[at] = image[at] & 0xF0 | byte & 0x0F
        image[at + 1] = image[at + 1] & 0xF0 | byte >> 4


def _sum(data: bytes) -> int:
    """The ones' complement sum of big-endian 16-bit words (RFC 1071), an odd last byte padded with 0."""
    total = 0
    for index, byte in enumerate(data):
        total = _add(total, byte if index % 2 else byte << 8)
    return total


def _add(left: int, right: int) -> int:
    """Add two sums with the end-around carry."""
    total = left + right
    return (total & 0xFFFF) + (total >> 16)
