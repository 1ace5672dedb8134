"""The blog's images: its program with the pages of one tiny behind it.

A tiny tells its pages apart by one character, the one behind the "/" of the request: nginx maps each permalink to such
a short path. Whatever no page has is answered by the page without a path: that of status 404, or, to save its flash,
any other. Pages stand in flash as HTTP sends them, most often as `Content-Encoding: br`, which needs no decoder on the
tiny.
"""

from __future__ import annotations

import string
from collections.abc import Sequence
from dataclasses import dataclass

from tinymux.errors import ImageError
from tinymux.images.files import ATTINY10, Image
from tinymux.images.program import HEADERS, add, firmware, ones_sum, program, stored

# What a live page shows of the tiny's RAM, in this order: the microblog entry, padded with spaces, then a space and the
# count of visits as decimal digits.
TEXT_BYTES = 16
COUNT_BYTES = 4
LIVE_BYTES = TEXT_BYTES + COUNT_BYTES
KEYS = string.ascii_letters + string.digits + "-_.~"
FLASH = 0x4000  # where the tiny's LD sees its flash


@dataclass(frozen=True)
class Page:
    """One page as the tiny sends it.

    `path` is "/" or "/" and one character of A-Z, a-z, 0-9, "-", "_", "." or "~"; the page for all others has none.
    `body` is already encoded as `content_encoding` says ("br", "gzip", or "" for plain). A page with a `tail` is live:
    LIVE_BYTES bytes of RAM go between body and tail; see `live_brotli`. A `content_type` of "" is left out, to save
    flash: nginx can set it.
    """

    path: str
    body: bytes
    content_encoding: str = "br"
    content_type: str = ""
    status: int = 200
    tail: bytes | None = None


NOT_FOUND = Page("", b"Not here.", "", status=404)


def blog_image(pages: Sequence[Page], name: str = "blog") -> Image:
    """The blog with these pages; a short page of status 404 is added where none is for all other paths.

    Where no page is live, the program is built without the microblog and is smaller. Raises ImageError where two pages
    have one path, a path is not possible, or, with the bytes over, where the pages do not fit.
    """
    data = _laid_out(pages, name)
    over = len(data) - ATTINY10.flash
    if over > 0:
        raise ImageError(f"{name}: the pages are too large: {over} bytes over the {ATTINY10.flash} of an ATtiny10")
    return Image(name, data)


def blog_room(pages: Sequence[Page]) -> int:
    """Flash, in bytes, that these pages leave free; negative: bytes over. Raises ImageError as `blog_image` does."""
    return ATTINY10.flash - len(_laid_out(pages, "blog"))


def blog_code_bytes(live: bool = True) -> int:
    """Flash, in bytes, that the program takes without any page, with the microblog or without."""
    return len(_program(live)[0])


def live_brotli(before: bytes, after: bytes) -> tuple[bytes, bytes]:
    """Body and tail of a live page: one valid brotli stream (RFC 7932) of before + LIVE_BYTES bytes of RAM + after.

    The RAM's bytes are an uncompressed meta-block of that stream.
    """
    raise NotImplementedError


def _program(live: bool) -> tuple[bytes, dict[str, int]]:
    return program(firmware("blog.elf"), "pages")


def _laid_out(pages: Sequence[Page], name: str) -> bytes:
    """Program and records (avr/blog/pages.inc): one for each page, that without a path last, then each header's."""
    code, labels = _program(any(page.tail is not None for page in pages))
    missing = [page for page in pages if not page.path] or [NOT_FOUND]
    ordered = [*(page for page in pages if page.path), *missing]
    keys = [_key(page, name) for page in ordered]
    if len(set(keys)) < len(keys):
        raise ImageError(f"{name}: two pages have one path")
    headers = dict.fromkeys(_header(page) for page in ordered)
    bodies = [stored(page.body) for page in ordered]
    at = len(code) + sum(7 + len(body) for body in bodies)
    places, records = {}, b""
    for header in headers:
        places[header] = at
        record = _numbers(header, labels) + stored(header)
        records += record
        at += len(record)
    for key, page, body in reversed(list(zip(keys, ordered, bodies, strict=True))):
        header = _header(page)
        where = (FLASH + places[header]).to_bytes(2, "little")
        records = key + where + _numbers(header + page.body, labels) + body + records
    return code + records


def _key(page: Page, name: str) -> bytes:
    """What the tiny finds behind the "/" of a request for this page."""
    if not page.path:
        return b"\0"
    if page.path == "/":
        return b" "
    if len(page.path) != 2 or page.path[0] != "/" or page.path[1] not in KEYS:
        raise ImageError(f"{name}: a tiny cannot have the path {page.path!r}: it is '/' and at most one character")
    return page.path[1].encode()


def _header(page: Page) -> bytes:
    lines = [f"HTTP/1.0 {page.status} {'OK' if page.status == 200 else ''}"]
    if page.content_type:
        lines.append(f"Content-Type:{page.content_type}")
    if page.content_encoding:
        lines.append(f"Content-Encoding:{page.content_encoding}")
    return "".join(line + "\r\n" for line in [*lines, ""]).encode()


def _numbers(response: bytes, labels: dict[str, int]) -> bytes:
    """Length of the packet, and what its TCP checksum begins with."""
    checksum = add(labels["TCP_SUM"] & 0xFFFF, ones_sum(response))
    return (HEADERS + len(response)).to_bytes(2, "little") + checksum.to_bytes(2, "little")
