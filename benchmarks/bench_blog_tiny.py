"""The blog's program on the tiny: its size, what an entry holds, and its page views against the plain server's."""

from __future__ import annotations

import wires
from client import HttpClient

from tinymux.images.blog import TEXT_BYTES, Page, blog_code_bytes, blog_image

REQUEST = b"GET / HTTP/1.0\r\n\r\n".ljust(46)  # as in bench_tinies.py
BODY = b"x" * 300


def fetch(lane: int) -> HttpClient:
    return HttpClient(wires.HOST, wires.address(lane), REQUEST)


def views(length: int) -> tuple[float, int]:
    """Page views per second of board time, all tinies at once, and the length of a page with its header."""
    run, clients = wires.drive(fetch, wires.LANES, 2.0, length)
    pages = [page for client in clients for page in client.pages]
    assert len(set(map(len, pages))) == 1
    return len(pages) / run.board, len(pages[0])


def test_page_views_per_second(benchmark, figure, monkeypatch):
    """A post's page, and the plain server's page of the same size."""
    with monkeypatch.context() as patch:
        patch.setattr(wires, "server_image", lambda page: blog_image([Page("/", BODY)]))
        blog, length = benchmark.pedantic(views, args=(0,), rounds=1)
    server, same = views(length)
    assert same == length
    figure("blog_rps_ratio", blog / server, "x plain server, same page", ">= 0.9")


def test_sizes(figure):
    figure("blog_code_bytes", blog_code_bytes(), "bytes of flash, with the microblog", "<= 700")
    figure("blog_pages_code_bytes", blog_code_bytes(live=False), "bytes of flash, pages alone")
    figure("microblog_characters", TEXT_BYTES, "characters", ">= 16")
