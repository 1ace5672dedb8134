"""A blog that was published before, served as its tinies have it: nothing is flashed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tinymux.blog.placement import Placement, serving
from tinymux.blog.plain import Plain
from tinymux.blog.publisher import PLAIN_SOCKET, routes
from tinymux.blog.record import read_record
from tinymux.blog.settings import read_settings
from tinymux.bridge import Bridge
from tinymux.errors import BlogError
from tinymux.web import Listener, Nginx, Routes


@contextmanager
def serve(folder: Path, bridge: Bridge, listener: Listener) -> Iterator[Nginx]:
    """nginx in front of a running Bridge's tinies, with the routes of the blog in that folder, and the decoder beside
    it. BlogError and WebError as `published` and Nginx raise them."""
    with (
        Nginx(listener, published(folder, bridge), bridge.namespace) as nginx,
        Plain(nginx.folder / PLAIN_SOCKET, listener.address),
    ):
        yield nginx


def published(folder: Path, bridge: Bridge) -> Routes:
    """The routes of what was published last, by published.json: neither posts nor tinies are looked at. BlogError where
    nothing was published, or not on tinies of this Bridge."""
    settings, held = read_settings(folder), read_record(folder)
    if not held:
        raise BlogError(f"{folder}: nothing was published yet: 'tinymux blog publish --once {folder}' does")
    addresses = {node.index: node.address for node in bridge.nodes}
    if max(held) not in addresses:
        raise BlogError(f"{folder}: was published on {max(held) + 1} tinies or more, and here are {len(addresses)}")
    return routes(settings, serving(Placement({}, held), set(), set()), addresses)
