"""The preview: the bytes of the tinies on localhost, without tinies."""

from __future__ import annotations

import gzip
import threading
from datetime import date
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from tinymux.blog.compress import decompress
from tinymux.blog.pages import Blog
from tinymux.blog.posts import Post
from tinymux.blog.preview import Preview
from tinymux.blog.settings import Settings
from tinymux.errors import WebError


@pytest.fixture
def preview():
    settings = Settings(microblog=True, encodings=("br", "gzip"))
    blog = Blog.made(settings, [Post("A", date(2026, 1, 1), "a", "Text.")], lambda page: 0)
    shown = Preview(blog, port=0)
    thread = threading.Thread(target=shown.server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield shown
    shown.server.shutdown()
    thread.join()
    shown.server.server_close()


def get(preview, path, accept="br"):
    return urlopen(Request(preview.url + path, headers={"Accept-Encoding": accept}), timeout=5)


def test_a_page_comes_as_it_is_flashed(preview):
    with get(preview, "a") as answer:
        assert answer.headers["Content-Encoding"] == "br"
        assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
        assert answer.read() == preview.pages["/a"]["br"].body


def test_a_client_without_brotli_gets_the_text(preview):
    with get(preview, "?x", "gzip") as answer:
        assert answer.headers["Content-Encoding"] == "gzip"
        assert gzip.decompress(answer.read()) == preview.pages["/"]["br"].text
    with get(preview, "?x", "identity") as answer:
        assert answer.headers["Content-Encoding"] is None
        assert answer.read() == preview.pages["/"]["br"].text
    for accepted in ("br", "gzip"):
        with get(preview, "now", accepted) as answer:
            text = answer.read()
            assert (decompress(text) if accepted == "br" else text) == preview.pages["/now"]["br"].plain


@pytest.mark.parametrize("path", ["nothing", "404"])
def test_what_is_not_there_is_the_404_page(preview, path):
    with pytest.raises(HTTPError) as error:
        get(preview, path)
    assert error.value.code == 404
    assert error.value.read() == preview.pages["/404"]["br"].body


def test_a_taken_port_is_said(preview):
    port = preview.server.server_address[1]
    with pytest.raises(WebError, match="cannot listen on"):
        Preview(Blog(Settings(), (), ()), port=port)
