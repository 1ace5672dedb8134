"""The server's images: its program with a page in the rest of the flash.

The page goes into the built program, without an assembler: it stands at the end, escaped for SLIP, and its length and
checksum are the operands of four LDI instructions that have labels of their own (avr/server/server.S).
"""

from __future__ import annotations

from tinymux.errors import ImageError
from tinymux.images.files import ATTINY10, Image
from tinymux.images.program import HEADERS, add, firmware, ones_sum, patch, program, stored

__all__ = ["PAGE", "firmware", "server_code_bytes", "server_image", "server_images"]
PAGE = """\
HTTP/1.0 200 OK\r
Content-Type: text/html\r
\r
<!doctype html><meta name=viewport content="width=device-width"><title>tiny {number}</title>\
<style>body{{font:2em system-ui;margin:20vh auto;width:16em}}</style>\
<h1>tiny {number}</h1><p>This page, TCP and all, comes out of an ATtiny10: 1 KB of flash, 32 bytes of RAM.
"""


def server_images(count: int) -> tuple[Image, ...]:
    """The server for so many nodes, each with a page that names its own."""
    return tuple(server_image(PAGE.format(number=number).encode(), f"server {number}") for number in range(count))


def server_image(page: bytes, name: str = "server") -> Image:
    """The server with that page: all that goes over TCP, HTTP header included.

    Raises ImageError, with the bytes over, where the page does not fit into what the program leaves.
    """
    code, labels = _program()
    kept = stored(page)
    over = len(code) + len(kept) - ATTINY10.flash
    if over > 0:
        raise ImageError(f"{name}: the page is too large: {over} bytes over the {ATTINY10.flash} of an ATtiny10")
    image = bytearray(code + kept)
    length = HEADERS + len(page)
    checksum = add(_operands(code, labels, "page_sum"), ones_sum(page))
    _patch(image, labels, "page_length", length)
    _patch(image, labels, "page_sum", checksum)
    return Image(name, bytes(image), stateless=True)


def server_code_bytes() -> int:
    """Flash, in bytes, that the server's program takes without a page."""
    return len(_program()[0])


def _program() -> tuple[bytes, dict[str, int]]:
    return program(firmware("server.elf"), "page")


def _operands(image: bytes, labels: dict[str, int], name: str) -> int:
    """The 16-bit constant that the two LDIs NAME_low and NAME_high load. LDI is 1110 KKKK dddd KKKK."""
    low, high = (labels[f"{name}_{half}"] for half in ("low", "high"))
    parts = [(image[at + 1] & 0x0F) << 4 | image[at] & 0x0F for at in (low, high)]
    return parts[0] | parts[1] << 8


def _patch(image: bytearray, labels: dict[str, int], name: str, value: int) -> None:
    for half, byte in (("low", value & 0xFF), ("high", value >> 8)):
        patch(image, labels[f"{name}_{half}"], byte)
