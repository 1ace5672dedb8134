"""nginx in front of tinies that hold different pages: what it asks them, whom it lets post, what it keeps."""

from __future__ import annotations

import base64
import contextlib
import gzip
import http.client
import socket
import threading
import time
from ipaddress import IPv4Address

import pytest

from tinymux.blog.compress import compress, compress_gzip, decompress
from tinymux.blog.plain import Plain
from tinymux.namespace import Namespace
from tinymux.web import Listener, Nginx, Route, Routes

TEXT = "A page with some text. " * 3
A, B, C = (IPv4Address(f"127.0.2.{number}") for number in (16, 17, 18))
CREDENTIALS = ("ann", "s3cret")


def answer(text=TEXT, status="200 OK"):
    return f"HTTP/1.0 {status}\r\nContent-Encoding: br\r\n\r\n".encode() + compress(text.encode())


@contextlib.contextmanager
def tiny(address, page):
    """Something on port 80 that answers as a tiny does; yields what it was sent."""
    seen = []
    with socket.create_server((str(address), 80), backlog=64) as server:

        def serve():
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    with connection:
                        request = connection.recv(4096)
                        while request.startswith(b"POST") and not request.partition(b"\r\n\r\n")[2]:
                            request += connection.recv(4096)
                        seen.append(request)
                        connection.sendall(page)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield seen
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()


@contextlib.contextmanager
def site(*routes, **settings):
    """nginx with these routes, and the decoder behind it."""
    with Listener("127.0.0.1:0") as listener:
        made = Routes(routes, plain="../plain.sock", **settings)
        with Nginx(listener, made, Namespace()) as nginx, Plain(nginx.folder / "plain.sock", listener.address):
            yield listener.address, nginx


def ask(address, path="/", method="GET", body=None, **headers):
    """Status, body, headers; as a browser that takes brotli, unless said otherwise."""
    host, port = address.rsplit(":", 1)
    given = {"Accept-Encoding": "gzip, deflate, br"}
    given |= {name.replace("_", "-"): value for name, value in headers.items()}
    given = {name: value for name, value in given.items() if value is not None}
    connection = http.client.HTTPConnection(host, int(port), timeout=20)
    with contextlib.closing(connection):
        if "Accept-Encoding" in given:
            connection.request(method, path, body, given)
        else:
            connection.putrequest(method, path, skip_accept_encoding=True)  # else it says "identity"
            connection.endheaders()
        got = connection.getresponse()
        return got.status, got.read(), got.headers


def html(path, asked, *tinies, **more):
    return Route(path, asked, tinies, "text/html; charset=utf-8", **more)


def test_each_path_goes_to_its_tinies_as_the_smallest_request(folder):
    with tiny(A, answer()) as first, tiny(B, answer()) as second:
        with site(html("/", "/", A), html("/fog", "/b", B)) as (address, _):
            status, body, headers = ask(address, "/fog?from=feed", Cookie="x" * 300)
            assert (status, body) == (200, compress(TEXT.encode()))
            assert headers["Content-Type"] == "text/html; charset=utf-8"
            assert headers["Content-Encoding"] == "br"
            assert headers["Vary"] == "Accept-Encoding"
            assert headers["X-Tiny"] == "127.0.2.17:80"
            assert ask(address, method="HEAD")[:2] == (200, b"")
        assert second == [b"GET /b HTTP/1.0\r\n\r\n"]
        assert first == [b"GET / HTTP/1.0\r\n\r\n"]


def test_replicas_share_the_work_and_stand_in_for_each_other(folder):
    with tiny(A, answer()) as first, tiny(B, answer()) as second, site(html("/", "/", A, B, C)) as (address, _):
        assert [ask(address)[0] for _ in range(12)] == [200] * 12
        assert len(first) >= 3
        assert len(second) >= 3


def test_what_is_not_found_is_asked_of_the_tinies_of_the_404_page(folder):
    with tiny(A, answer("gone", "404 Not Found")) as seen:
        with site(html("/fog", "/b", B), missing=(html("/404", "/~", A),)) as (address, _):
            status, body, _ = ask(address, "/nothing/like/that?x=1")
            assert (status, body) == (404, compress(b"gone"))
        assert seen == [b"GET /~ HTTP/1.0\r\n\r\n"]
    with site(html("/fog", "/b", B)) as (address, _):
        assert ask(address, "/nothing")[0] == 404


@pytest.mark.parametrize("accepted", ["gzip, deflate", "identity", ""])
def test_a_client_without_brotli_gets_plain_text(folder, accepted):
    with tiny(A, answer()), site(html("/", "/", A)) as (address, _):
        status, body, headers = ask(address, Accept_Encoding=accepted)
        assert (status, body) == (200, TEXT.encode())
        assert "Content-Encoding" not in headers
        assert headers.get_all("Content-Type") == ["text/html; charset=utf-8"]
        assert ask(address, method="HEAD", Accept_Encoding=accepted)[:2] == (200, b"")


def gzipped(text=TEXT):
    return b"HTTP/1.0 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + compress_gzip(text.encode())


def unpacked(body, headers):
    return {"br": decompress, "gzip": gzip.decompress, None: bytes}[headers["Content-Encoding"]](body).decode()


@pytest.mark.parametrize(
    ("accepted", "encoding", "tiny_asked"),
    [
        ("gzip, deflate, br, zstd", "br", A),
        ("gzip, br;q=0.5", "br", A),
        ("gzip, deflate", "gzip", B),
        ("gzip, br;q=0", "gzip", B),
        ("identity", None, B),
        ("", None, B),
        (None, None, B),
    ],
)
def test_a_page_that_is_there_twice_comes_as_the_client_takes_it(folder, accepted, encoding, tiny_asked):
    """From a tiny that has it so; nginx itself unpacks gzip for those that take nothing."""
    routes = (html("/fog", "/", A, version="1"), html("/fog", "/b", B, version="2", encoding="gzip"))
    with tiny(A, answer()) as first, tiny(B, gzipped()) as second:
        for settings in ({}, {"cache_seconds": 60}):
            with site(*routes, **settings) as (address, _):
                for _ in range(2):
                    status, body, headers = ask(address, "/fog?x=1", Accept_Encoding=accepted)
                    assert (status, unpacked(body, headers)) == (200, TEXT)
                    assert headers["Content-Encoding"] == encoding
                    assert headers["Vary"] == "Accept-Encoding"
                    assert headers["X-Tiny"] in (f"{tiny_asked}:80", None)
                assert ask(address, "/fog", method="HEAD", Accept_Encoding=accepted)[:2] == (200, b"")
        asked = {A: first, B: second}
        assert set(asked[tiny_asked]) == {b"GET / HTTP/1.0\r\n\r\n" if tiny_asked == A else b"GET /b HTTP/1.0\r\n\r\n"}
        assert len(first) + len(second) == len(asked[tiny_asked])


def test_beside_pages_in_gzip_those_in_brotli_alone_are_still_decoded(folder):
    """And the page for all that is not found may be there in both, too."""
    routes = (html("/", "/", A), html("/fog", "/b", B, encoding="gzip"))
    missing = (html("/404", "/~", A), html("/404", "/c", B, encoding="gzip"))
    with tiny(A, answer()) as first, tiny(B, gzipped()) as second, site(*routes, missing=missing) as (address, _):
        for path, asked in (("/", first), ("/fog", second), ("/nothing", second)):
            asked.clear()
            status, body, headers = ask(address, path, Accept_Encoding="identity")
            assert (status, body.decode(), headers["Content-Encoding"]) == (200, TEXT, None)
            assert len(asked) == 1
        # Who takes brotli gets gzip where there is nothing else.
        assert ask(address, "/fog")[2]["Content-Encoding"] == "gzip"


def test_pages_without_any_encoding_go_to_everyone(folder):
    plain = b"HTTP/1.0 200 OK\r\n\r\n" + TEXT.encode()
    with tiny(A, plain), site(html("/", "/", A, encoding="plain")) as (address, _):
        for accepted in ("br", "gzip", None):
            assert ask(address, Accept_Encoding=accepted)[:2] == (200, TEXT.encode())


def basic(user, password):
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def test_posting_needs_the_credentials_and_has_one_place(folder):
    routes = (html("/", "/", A), html("/now", "/c", B, live=True))
    with tiny(A, answer()) as others, tiny(B, answer()) as seen:
        with site(*routes, post="/now", credentials=CREDENTIALS) as (address, _):
            assert ask(address, "/now", "POST", "t=hi")[0] == 401
            assert ask(address, "/now", "POST", "t=hi", Authorization=basic("ann", "guess"))[0] == 401
            assert ask(address, "/", "POST", "t=hi", Authorization=basic(*CREDENTIALS))[0] == 405
            assert ask(address, "/now", "PUT", "t=hi", Authorization=basic(*CREDENTIALS))[0] == 405
            assert ask(address, "/now", "POST", "x" * 2000, Authorization=basic(*CREDENTIALS))[0] == 413
            assert seen == []
            assert ask(address, "/now", "POST", "t=hi", Authorization=basic(*CREDENTIALS))[0] == 200
            assert ask(address, "/now")[0] == 200
        assert seen == [b"POST /c HTTP/1.0\r\nContent-Length: 4\r\n\r\nt=hi", b"GET /c HTTP/1.0\r\n\r\n"]
        assert others == []


def test_without_credentials_nobody_may_post(folder):
    with tiny(B, answer()) as seen, site(html("/now", "/c", B, live=True), post="/now") as (address, _):
        assert ask(address, "/now", "POST", "t=hi", Authorization=basic(*CREDENTIALS))[0] == 405
        assert seen == []


def test_the_password_stands_nowhere_in_nginx_files(folder):
    with site(html("/now", "/c", B, live=True), post="/now", credentials=CREDENTIALS) as (_, nginx):
        texts = [path.read_text() for path in nginx.folder.iterdir() if path.is_file()]
        assert len(texts) == 2
        assert not any(CREDENTIALS[1] in text for text in texts)


def test_nothing_is_cached_unless_asked_for_and_never_a_live_page(folder):
    routes = (html("/", "/", A, version="1"), html("/now", "/c", A, live=True))
    with tiny(A, answer()) as seen:
        with site(*routes) as (address, _):
            assert [ask(address)[0] for _ in range(3)] == [200] * 3
        assert len(seen) == 3
        with site(*routes, cache_seconds=60) as (address, nginx):
            assert [ask(address)[1] for _ in range(3)] == [compress(TEXT.encode())] * 3
            assert len(seen) == 4
            assert [ask(address, "/now")[0] for _ in range(3)] == [200] * 3
            assert len(seen) == 7
            # Another version of the page is asked for at once.
            nginx.reload(Routes((html("/", "/", A, version="2"),), plain="../plain.sock", cache_seconds=60))
            assert nginx.settle()
            assert ask(address)[0] == 200
            assert len(seen) == 8


def test_once_a_reload_has_settled_a_tiny_taken_out_is_not_asked_any_more(folder):
    with tiny(A, answer()) as first, tiny(B, answer()), site(html("/", "/", A)) as (address, nginx):
        stop = threading.Event()
        statuses = []

        def load():
            while not stop.is_set():
                statuses.append(ask(address)[0])

        threads = [threading.Thread(target=load) for _ in range(4)]
        for thread in threads:
            thread.start()
        try:
            time.sleep(0.2)
            nginx.reload(Routes((html("/", "/", B),), plain="../plain.sock"))
            assert nginx.settle()
            count = len(first)
            time.sleep(0.3)
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        assert len(first) == count
        assert set(statuses) == {200}
