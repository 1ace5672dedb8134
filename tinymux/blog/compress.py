"""Text in as few bytes as they go: brotli or gzip, with every setting that ever wins, or as it is."""

from __future__ import annotations

import zlib
from functools import lru_cache
from itertools import product

import brotli

# Which of them is shortest depends on the text by some 5 %. "Font" differs by how it writes distances (RFC 7932
# section 4, NPOSTFIX), and wins with texts as short as these more often than "text" does. A window of 1 << 16 and one
# of less than that differ in the stream's first bits (RFC 7932 section 9.1). Quality 10 is sometimes luckier than 11.
MODES = (brotli.MODE_GENERIC, brotli.MODE_TEXT, brotli.MODE_FONT)
QUALITIES = (10, 11)
WINDOWS = (10, 16)


# Content codings (RFC 9110 section 8.4.1) that a page can be flashed in, the smallest first.
ENCODINGS = ("br", "gzip", "plain")


def encode(data: bytes, encoding: str) -> bytes:
    """The text in one of ENCODINGS."""
    return compress(data) if encoding == "br" else compress_gzip(data) if encoding == "gzip" else data


@lru_cache(maxsize=4096)
def compress(data: bytes) -> bytes:
    """The shortest brotli stream (RFC 7932) that the encoder can be brought to."""
    streams = (
        bytes(brotli.compress(data, mode=mode, quality=quality, lgwin=window))
        for mode, quality, window in product(MODES, QUALITIES, WINDOWS)
    )
    return min(streams, key=len)


@lru_cache(maxsize=4096)
def compress_gzip(data: bytes) -> bytes:
    """The shortest gzip member (RFC 1952) that zlib can be brought to; its header has neither name nor time."""

    def stream(strategy: int, memory: int) -> bytes:
        encoder = zlib.compressobj(9, zlib.DEFLATED, 31, memory, strategy)
        return encoder.compress(data) + encoder.flush()

    return min((stream(*settings) for settings in product((0, zlib.Z_FILTERED), (8, 9))), key=len)


def decompress(data: bytes) -> bytes:
    """The text again; ValueError where it is no brotli stream."""
    try:
        return bytes(brotli.decompress(data))
    except brotli.error as error:
        raise ValueError("not a brotli stream") from error
