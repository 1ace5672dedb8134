"""The tiny's blog on one simulated ATtiny10: pages by path, GET and HEAD, and what it makes of bad requests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import brotli
import pytest
from blog_wire import request
from server_wire import Tiny

from tinymux.images.blog import Page, blog_image

POST = b"<!doctype html><title>Sixteen computers</title><p>" + b"Each of them has one kilobyte of flash. " * 3
STYLE = b"p{color:#333}" + bytes(range(0xB8, 0xE0))
PAGES = (
    Page("/", brotli.compress(POST)),
    Page("/s", STYLE, "", "text/css"),
    Page("/f", brotli.compress(b"<feed/>"), "br", "application/atom+xml"),
    Page("", b"No such page.", "", status=404),
)


@pytest.fixture(scope="session")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("image") / "blog.bin"
    path.write_bytes(blog_image(PAGES).data)
    return path


@pytest.fixture
def tiny(wire_program: Path, image: Path) -> Iterator[Tiny]:
    with Tiny(wire_program, image) as tiny:
        tiny.command("idle 100")
        yield tiny


def test_each_path_has_its_page(tiny: Tiny) -> None:
    assert request(tiny, "/") == (200, {"Content-Encoding": "br"}, POST)
    assert request(tiny, "/s") == (200, {"Content-Type": "text/css"}, STYLE)
    assert request(tiny, "/f") == (200, {"Content-Type": "application/atom+xml", "Content-Encoding": "br"}, b"<feed/>")


@pytest.mark.parametrize("path", ["/x", "/~", "/%00", "//", "/" + "y" * 400])
def test_what_no_page_has_is_not_found(tiny: Tiny, path: str) -> None:
    assert request(tiny, path) == (404, {}, b"No such page.")


@pytest.mark.parametrize("path", ["/", "/s", "/f", "/x"])
def test_head_is_get_without_the_body(tiny: Tiny, path: str) -> None:
    status, fields, _ = request(tiny, path)
    assert request(tiny, path, "HEAD") == (status, fields, b"")
