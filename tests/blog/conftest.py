"""Blogs to try things on, and a network of these tests' own."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from tinymux.errors import NetworkError
from tinymux.namespace import Namespace


@pytest.fixture(scope="module", autouse=True)
def own_network():
    """A network namespace for these tests alone, where one may be made; else the present one is our own."""
    try:
        namespace = Namespace(f"tinymux-blog-{os.getpid()}")
    except NetworkError:
        Namespace().loopback()
        yield
        return
    with namespace, namespace.inside():
        yield


@pytest.fixture
def blog(tmp_path):
    """Writes a blog into a folder: post texts by file name, and what blog.toml says."""

    def write(posts, settings=""):
        (tmp_path / "posts").mkdir(exist_ok=True)
        for name, text in posts.items():
            path = tmp_path / "posts" / name
            path.write_bytes(text) if isinstance(text, bytes) else path.write_text(text, encoding="utf-8")
        (tmp_path / "blog.toml").write_text(settings, encoding="utf-8")
        return tmp_path

    return write


@pytest.fixture
def post():
    """The text of a post's file."""

    def text(title="A post", body="Some text.", date="2026-01-02", **more):
        lines = [f"title: {title}", f"date: {date}", *(f"{key}: {value}" for key, value in more.items())]
        return "\n".join(["---", *lines, "---", body, ""])

    return text


@pytest.fixture
def folder(monkeypatch, tmp_path_factory):
    """A folder for temporary files that nginx's user can reach, seen to be empty afterwards."""
    tmp_path_factory.getbasetemp()  # pytest's own stay elsewhere
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o755)
        monkeypatch.setattr(tempfile, "tempdir", name)
        yield Path(name)
        assert os.listdir(name) == []


FLASH = 400


@pytest.fixture
def flat(monkeypatch):
    """Stands in for the tiny's program where only sizes matter: 400 bytes for bodies, 8 more for each page."""
    from tinymux.images import Image
    from tinymux.images import blog as images

    def room_of(pages):
        return FLASH - sum(len(page.body) + 8 for page in pages)

    def image(pages, name="blog"):
        return Image(name, b"".join(page.path.encode() + b" " + page.body for page in pages))

    monkeypatch.setattr(images, "blog_room", room_of)
    monkeypatch.setattr(images, "blog_image", image)
    monkeypatch.setattr(images, "live_brotli", lambda before, after: (before, after))
