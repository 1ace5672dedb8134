"""The blog's images: its program with the pages of one tiny behind it.

A tiny tells its pages apart by one character, the one behind the "/" of the request: nginx maps each permalink to such
a short path. Whatever no page has is answered by the page of status 404. Pages stand in flash as HTTP sends them,
most often as `Content-Encoding: br`, which needs no decoder on the tiny.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tinymux.images.files import Image

# What a live page shows of the tiny's RAM, in this order: the microblog entry, padded with spaces, then a space and the
# count of visits as decimal digits.
TEXT_BYTES = 16
COUNT_BYTES = 4
LIVE_BYTES = TEXT_BYTES + COUNT_BYTES


@dataclass(frozen=True)
class Page:
    """One page as the tiny sends it.

    `path` is "/" or "/" and one character of A-Z, a-z, 0-9, "-", "_", "." or "~"; the page of status 404 has none.
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


def blog_image(pages: Sequence[Page], name: str = "blog") -> Image:
    """The blog with these pages; a short page of status 404 is added where none is given.

    Where no page is live, the program is built without the microblog and is smaller. Raises ImageError where two pages
    have one path, a path is not possible, or, with the bytes over, where the pages do not fit.
    """
    raise NotImplementedError


def blog_room(pages: Sequence[Page]) -> int:
    """Flash, in bytes, that these pages leave free; negative: bytes over. Raises ImageError as `blog_image` does."""
    raise NotImplementedError


def blog_code_bytes(live: bool = True) -> int:
    """Flash, in bytes, that the program takes without any page, with the microblog or without."""
    raise NotImplementedError


def live_brotli(before: bytes, after: bytes) -> tuple[bytes, bytes]:
    """Body and tail of a live page: one valid brotli stream (RFC 7932) of before + LIVE_BYTES bytes of RAM + after.

    The RAM's bytes are an uncompressed meta-block of that stream.
    """
    raise NotImplementedError
