"""What can go wrong, as one family of exceptions whose messages say what to do, and the way from C's errors to it."""

from __future__ import annotations

import os


class TinymuxError(Exception):
    """Anything tinymux refuses or cannot do. The message is one line and fit for a person."""


class BoardError(TinymuxError):
    """A board that is unknown, gone, or does not do what was asked of it."""


class ImageError(TinymuxError):
    """A file or bytes that cannot be a flash image of the chip it is meant for."""


class NetworkError(TinymuxError):
    """Interfaces, addresses, routes or namespaces that cannot be made as asked."""


class NotPermittedError(NetworkError):
    """The process lacks the right to make network interfaces or namespaces."""


class BlogError(TinymuxError):
    """A post, its blog's settings or its place that cannot be as asked; the message begins with file and line."""


class WebError(TinymuxError):
    """nginx is missing, refuses its configuration, or cannot listen."""


def check(result: int, doing: str, kind: type[TinymuxError] = TinymuxError) -> int:
    """Pass on what a C function returned, or raise `kind` if it is a negative errno.

    `doing` completes the sentence "cannot ...", for example "open board b0".
    """
    if result < 0:
        raise kind(f"cannot {doing}: {os.strerror(-result)}")
    return result
