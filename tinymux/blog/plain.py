"""Pages for clients that do not take brotli: fetched through nginx as one that does, and decoded."""

from __future__ import annotations

import http.client
import threading
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingMixIn, UnixStreamServer
from typing import Any

from tinymux.blog.compress import decompress

SECONDS = 15.0  # nginx tries three tinies in 12
PASSED_ON = ("Content-Type", "Vary", "X-Tiny")


class _Server(ThreadingMixIn, UnixStreamServer):
    daemon_threads = True
    request_queue_size = 128


class Plain:
    """A server on a Unix socket, for the length of a `with`. nginx sends it what it cannot answer itself, and gets the
    same path back from nginx at `address`, so that routing, retries and cache are those of everyone."""

    def __init__(self, path: Path, address: str) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                _answer(self, address)

            do_HEAD = do_GET

            def address_string(self) -> str:
                return "nginx"

            def log_message(self, format: str, *arguments: Any) -> None:
                pass

        self._path = path
        self._server = _Server(str(path), Handler)
        path.chmod(0o666)  # nginx is another user; the folder is closed to others
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
        self._thread.start()

    def __enter__(self) -> Plain:
        return self

    def __exit__(self, *_: Any) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self._path.unlink(missing_ok=True)


def _answer(handler: BaseHTTPRequestHandler, address: str) -> None:
    host, _, port = address.rpartition(":")
    connection = http.client.HTTPConnection(host.strip("[]"), int(port), timeout=SECONDS)
    try:
        connection.request("GET", handler.path, headers={"Accept-Encoding": "br"})
        got = connection.getresponse()
        body = got.read()
        if got.headers.get("Content-Encoding") == "br":
            body = decompress(body)
    except (OSError, http.client.HTTPException, ValueError):
        handler.send_error(502)
        return
    finally:
        connection.close()
    handler.send_response(got.status)
    for name in PASSED_ON:
        if name in got.headers:
            handler.send_header(name, got.headers[name])
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    if handler.command != "HEAD":
        handler.wfile.write(body)
