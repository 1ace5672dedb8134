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
from tinymux.images.program import END, HEADERS, add, firmware, ones_sum, patch, program, stored

# What a live page shows of the tiny's RAM, in this order: the last three digits of the count of visits, with spaces for
# zeros before them until there were 999; a space; and the microblog entry, padded with spaces.
COUNT_BYTES = 3
TEXT_BYTES = 16
LIVE_BYTES = COUNT_BYTES + 1 + TEXT_BYTES
BALANCE_BYTES = 2  # sent behind them, so that the page's sum is the same whatever they are; nobody sees them
RECORD = 7  # bytes before the body
KEYS = string.ascii_letters + string.digits + "-_.~"
# Section 9.2 of RFC 7932, from bit 0: ISLAST 0, MNIBBLES 0 (1, 1), reserved 0, MSKIPBYTES 1 (1, 0), MSKIPLEN - 1.
SKIP = (0b01_0_11_0 | BALANCE_BYTES - 1 << 6).to_bytes(2, "little")
HIDE = b"<style >"  # of even length, as SKIP is
# How many of the bytes behind the RAM's are not compressed either: a brotli encoder looks at two (section 7.1).
CONTEXT = 2
FLASH = 0x4000  # where the tiny's LD sees its flash


@dataclass(frozen=True)
class Page:
    """One page as the tiny sends it.

    `path` is "/" or "/" and one character of A-Z, a-z, 0-9, "-", "_", "." or "~"; the page for all others has none.
    `body` is already encoded as `content_encoding` says ("br", "gzip", or "" for plain). A page with a `tail` is live:
    LIVE_BYTES bytes of RAM go between body and tail, which `live_brotli` or `live_plain` makes; one page of a tiny can
    be. A `content_type` of "" is left out, to save flash: nginx can set it.
    """

    path: str
    body: bytes
    content_encoding: str = "br"
    content_type: str = ""
    status: int = 200
    tail: bytes | None = None


NOT_FOUND = Page("", b"Not here.", "", status=404)


def blog_image(pages: Sequence[Page], name: str = "blog") -> Image:
    """The blog with these pages; a short page of status 404 is added where none is for all others.

    Where no page is live, the program is built without the microblog and is smaller. Raises ImageError where two pages
    have one path, a path is not possible, or, with the bytes over, where the pages do not fit.
    """
    data = _laid_out(pages, name)
    over = len(data) - ATTINY10.flash
    if over > 0:
        raise ImageError(f"{name}: the pages are too large: {over} bytes over the {ATTINY10.flash} of an ATtiny10")
    return Image(name, data, stateless=True)


def blog_room(pages: Sequence[Page]) -> int:
    """Flash, in bytes, that these pages leave free; negative: bytes over. Raises ImageError as `blog_image` does."""
    return ATTINY10.flash - len(_laid_out(pages, "blog"))


def blog_code_bytes(live: bool = True) -> int:
    """Flash, in bytes, that the program takes without any page, with the microblog or without."""
    return len(_program(live)[0])


def bare_image() -> Image:
    """The program without any page, as far as an image with pages that are not live begins: to write those behind it,
    nothing must be erased. It is not to be run."""
    code = _program(live=False)[0]
    return Image("blog without pages", code[: len(code) & ~1], stateless=True)


def live_brotli(before: bytes, after: bytes) -> tuple[bytes, bytes]:
    """Body and tail of a live page: one valid brotli stream (RFC 7932) of before + LIVE_BYTES bytes of RAM + after.

    The RAM's bytes are an uncompressed meta-block of that stream, with the first of `after` behind them; then the
    balance is skipped as metadata. ImageError where `after` is shorter than that.
    """
    import brotli

    if len(after) < CONTEXT:
        raise ImageError("a live page does not end with what is live")
    stream = brotli.Compressor(mode=brotli.MODE_TEXT, quality=11, lgwin=16)
    body = stream.process(before) + stream.flush()
    # The encoder sees bytes that occur nowhere else in the RAM's place: what follows refers to nothing in them, but
    # counts its distances across them.
    stream.process(bytes(range(0xE0, 0xE0 + LIVE_BYTES)) + after[:CONTEXT])
    stream.flush()
    rest = stream.process(after[CONTEXT:]) + stream.finish()
    # Section 9.2, from bit 0: ISLAST 0, MNIBBLES 4 (0, 0), MLEN - 1 (16 bits), ISUNCOMPRESSED 1.
    length = LIVE_BYTES + CONTEXT - 1
    return body + (length << 3 | 1 << 19).to_bytes(3, "little"), after[:CONTEXT] + SKIP + rest


def live_plain(before: bytes, after: bytes) -> tuple[bytes, bytes]:
    """The same for a page of HTML that is not encoded: the balance hides in an empty element that styles nothing."""
    return before, HIDE + b"</style>" + after


def _program(live: bool) -> tuple[bytes, dict[str, int]]:
    return program(firmware("microblog.elf" if live else "blog.elf"), "pages")


def _laid_out(pages: Sequence[Page], name: str) -> bytes:
    """Program and records (avr/blog/pages.inc): one for each page, that without a path last, then each header's."""
    missing = [page for page in pages if not page.path] or [NOT_FOUND]
    ordered = [*(page for page in pages if page.path), *missing]
    keys = [_key(page, name) for page in ordered]
    if len(set(keys)) < len(keys):
        raise ImageError(f"{name}: two pages have one path")
    live = [page for page in ordered if page.tail is not None]
    if len(live) > 1 or any(not page.path or page.content_encoding not in ("br", "") for page in live):
        raise ImageError(f"{name}: one page of a tiny can be live, in brotli or plain, and not that without a path")
    code, labels = _program(bool(live))
    # The fields of a record may not hold END, and the balance stands at an even place: spaces in the header see to it.
    for spaces in range(64):
        records = _records(ordered, keys, len(code), labels, spaces)
        if records is not None:
            break
    else:
        raise ImageError(f"{name}: these pages cannot be told apart; a change of any byte will help")
    image = bytearray(code + records)
    if live:
        page = live[0]
        tail = page.tail or b""
        cut = _cut(page)
        first, rest = stored(tail[:cut]), stored(tail[cut:])
        at = FLASH + len(image)
        patch(image, labels["live_key"], _key(page, name)[0])
        patch(image, labels["live_tail_low"], at & 0xFF)
        patch(image, labels["live_tail_high"], at >> 8)
        patch(image, labels["live_rest_high"], at + len(first) >> 8)
        image += first + rest
    return bytes(image)


def _records(pages: Sequence[Page], keys: list[bytes], at: int, labels: dict[str, int], spaces: int) -> bytes | None:
    """All records, `at` bytes from the start of flash; None where so many spaces in the headers do not do."""
    headers = [_header(page, spaces) for page in pages]
    bodies = [stored(page.body) for page in pages]
    at += sum(RECORD + len(body) for body in bodies)
    places, tails = {}, b""
    for header in dict.fromkeys(headers):
        places[header] = (FLASH + at + len(tails)).to_bytes(2, "little")
        tails += _numbers(header, labels) + stored(header)
    records = b""
    for key, page, header, body in zip(keys, pages, headers, bodies, strict=True):
        response = header + page.body
        if page.tail is not None:
            if (len(response) + LIVE_BYTES) % 2:
                return None
            # RAM's bytes and their balance come to 0xFFFF, which changes no sum.
            cut = _cut(page)
            response += bytes(LIVE_BYTES) + page.tail[:cut] + bytes(BALANCE_BYTES) + page.tail[cut:]
        fields = places[header] + _numbers(response, labels)
        if END in fields and page is not pages[-1]:  # nothing is looked for behind the last one
            return None
        records += key + fields + body
    return records + tails


def _cut(page: Page) -> int:
    """Bytes of a live page's tail before the balance; an even number."""
    return CONTEXT + len(SKIP) if page.content_encoding else len(HIDE)


def _key(page: Page, name: str) -> bytes:
    """What the tiny finds behind the "/" of a request for this page."""
    if not page.path:
        return b"\0"
    if page.path == "/":
        return b" "
    if len(page.path) != 2 or page.path[0] != "/" or page.path[1] not in KEYS:
        raise ImageError(f"{name}: a tiny cannot have the path {page.path!r}: it is '/' and at most one character")
    return page.path[1].encode()


def _header(page: Page, spaces: int) -> bytes:
    lines = [f"HTTP/1.0 {page.status} {' ' * spaces}"]  # without a reason (RFC 9112 section 4), or with one of spaces
    if page.content_type:
        lines.append(f"Content-Type:{page.content_type}")
    if page.content_encoding:
        lines.append(f"Content-Encoding:{page.content_encoding}")
    return "".join(line + "\r\n" for line in [*lines, ""]).encode()


def _numbers(response: bytes, labels: dict[str, int]) -> bytes:
    """Length of the packet, and what its TCP checksum begins with."""
    checksum = add(labels["TCP_SUM"] & 0xFFFF, ones_sum(response))
    return (HEADERS + len(response)).to_bytes(2, "little") + checksum.to_bytes(2, "little")
