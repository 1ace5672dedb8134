"""Clients that do what they should not, to nginx and straight to tinies: all is bounded, and the next one is served."""

from __future__ import annotations

import contextlib
import socket
import time
from pathlib import Path

import brotli
import pytest
from blog_site import published

SETTINGS = 'microblog = true\ncredentials = "who"\nindex_replicas = 1\n'
POST = "---\ntitle: A\ndate: 2026-01-02\n---\nSome text.\n"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = Path(tmp_path_factory.mktemp("blog"))
    (folder / "posts").mkdir()
    (folder / "posts" / "a.md").write_text(POST)
    (folder / "blog.toml").write_text(SETTINGS)
    (folder / "who").write_text("ann:s3cret\n")
    (folder / "who").chmod(0o600)
    with published(folder, network="10.22.0.0/24", prefix="rud") as site:
        yield site


@pytest.fixture(params=["/", "/now"], ids=["pages alone", "with the microblog"])
def tiny(request, site):
    """The address of a tiny, what it is asked for a page, and that page's beginning."""
    node, held = next((node, held) for node, held in site.publisher.held.items() if request.param in held.asks)
    page = next(page for page in site.publisher.plan.blog.pages if page.path == request.param)
    return str(site.bridge.nodes[node].address), held.asks[request.param], page.text


def answer(address, *parts, pause=0.0, seconds=20):
    """What a server sends until it ends, to a request in these parts, each a segment of its own."""
    host, _, port = address.partition(":")
    with socket.create_connection((host, int(port or 80)), timeout=seconds) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with contextlib.suppress(ConnectionError):
            for part in parts:
                client.sendall(part)
                time.sleep(pause)
            return b"".join(iter(lambda: client.recv(4096), b""))
    return b""


def served(tiny):
    """Whether the tiny gives its page, as it should."""
    address, ask, text = tiny
    header, _, body = answer(address, f"GET {ask} HTTP/1.0\r\n\r\n".encode()).partition(b"\r\n\r\n")
    return header.startswith(b"HTTP/1.0 200") and brotli.decompress(body).startswith(text)


def test_a_request_in_many_segments_is_answered(tiny):
    address, ask, text = tiny
    question = f"GET {ask} HTTP/1.0\r\n\r\n".encode()
    got = answer(address, *(question[at : at + 1] for at in range(len(question))), pause=0.01)
    assert brotli.decompress(got.partition(b"\r\n\r\n")[2]).startswith(text)
    assert served(tiny)


def test_connections_that_never_go_on_cost_a_tiny_nothing(tiny):
    """A hundred of them; a storm of SYNs alone is in tests/firmware/test_blog.py."""
    address, _, _ = tiny
    with contextlib.ExitStack() as stack:
        for _ in range(100):
            client = stack.enter_context(socket.socket())
            client.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                client.connect((address, 80))
        assert served(tiny)


@pytest.mark.parametrize(
    "question",
    [
        b"GET /" + b"y" * 450 + b" HTTP/1.0\r\n\r\n",
        b"HEAD /" + b"%00" * 100 + b" HTTP/1.0\r\n\r\n",
        bytes(range(256)) * 2,
        b"\xc0\xdb" * 200,
        b"POST / HTTP/1.0\r\n\r\nt=" + b"z" * 400,
        b"GET",
        b"",
    ],
    ids=["long path", "strange path", "binary", "END and ESC", "long entry", "cut off", "nothing"],
)
def test_the_next_request_is_served(tiny, question):
    address, _, _ = tiny
    with contextlib.suppress(TimeoutError):
        assert len(answer(address, question, seconds=1)) <= 1024
    assert served(tiny)


def test_nginx_keeps_the_worst_away(site):
    def status(*parts, **how):
        return answer(site.address, *parts, **how).partition(b"\r\n")[0]

    assert b"400 Bad Request" in answer(site.address, b"\0\xff\x16\x03\r\n\r\n")
    assert b" 404 " in status(b"GET /" + b"y" * 4000 + b" HTTP/1.0\r\n\r\n")
    far_too_long = status(b"GET /" + b"y" * 40_000 + b" HTTP/1.0\r\n\r\n")
    assert not far_too_long or b" 414 " in far_too_long, "it may reset the connection before all of that has come"
    assert b" 413 " in status(b"POST /now HTTP/1.0\r\nContent-Length: 100\r\n\r\n" + b"z" * 100)
    assert b" 405 " in status(b"POST / HTTP/1.0\r\nContent-Length: 3\r\n\r\nt=z")
    assert b" 200 " in status(*(bytes([byte]) for byte in b"GET / HTTP/1.0\r\n\r\n"), pause=0.005)
    with contextlib.ExitStack() as stack:
        for _ in range(200):
            stack.enter_context(socket.create_connection(site.address.split(":"), timeout=5)).sendall(b"GET / HT")
        assert site.get("/a")[0] == 200
