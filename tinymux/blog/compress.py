"""Text in as few bytes as they go: brotli, with every setting that ever wins."""

from __future__ import annotations

from functools import lru_cache
from itertools import product

import brotli

# Which of them is shortest depends on the text by some 5 %. "Font" differs by how it writes distances (RFC 7932
# section 4, NPOSTFIX), and wins with texts as short as these more often than "text" does. A window of 1 << 16 and one
# of less than that differ in the stream's first bits (RFC 7932 section 9.1). Quality 10 is sometimes luckier than 11.
MODES = (brotli.MODE_GENERIC, brotli.MODE_TEXT, brotli.MODE_FONT)
QUALITIES = (10, 11)
WINDOWS = (10, 16)


@lru_cache(maxsize=4096)
def compress(data: bytes) -> bytes:
    """The shortest brotli stream (RFC 7932) that the encoder can be brought to."""
    streams = (
        bytes(brotli.compress(data, mode=mode, quality=quality, lgwin=window))
        for mode, quality, window in product(MODES, QUALITIES, WINDOWS)
    )
    return min(streams, key=len)


def decompress(data: bytes) -> bytes:
    """The text again; ValueError where it is no brotli stream."""
    try:
        return bytes(brotli.decompress(data))
    except brotli.error as error:
        raise ValueError("not a brotli stream") from error
