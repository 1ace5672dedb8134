"""The blog on localhost without any tiny: the very bytes that would be flashed."""

from __future__ import annotations

import re
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tinymux.blog.pages import NOT_FOUND, Blog, Page
from tinymux.errors import WebError


class Preview:
    """A server of a blog's pages; port 0 chooses a free one."""

    def __init__(self, blog: Blog, host: str = "127.0.0.1", port: int = 8080) -> None:
        self.pages = {page.path: page for page in blog.pages}
        preview = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                preview.answer(self)

            do_HEAD = do_GET

            def log_message(self, format: str, *arguments: Any) -> None:
                pass

        try:
            self.server = ThreadingHTTPServer((host, port), Handler)
        except OSError as error:
            raise WebError(f"cannot listen on {host}:{port}: {error.strerror}") from error
        self.server.daemon_threads = True
        self.url = f"http://{host}:{self.server.server_address[1]}/"

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        """One request."""
        path = handler.path.partition("?")[0]
        page: Page | None = self.pages.get(path) if path != NOT_FOUND else None
        status = 200 if page else 404
        page = page or self.pages[NOT_FOUND]
        coded = re.search(r"\bbr\b", handler.headers.get("Accept-Encoding", ""))
        body = page.body if coded else page.plain
        handler.send_response(status)
        handler.send_header("Content-Type", page.kind)
        handler.send_header("Vary", "Accept-Encoding")
        if coded:
            handler.send_header("Content-Encoding", "br")
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        if handler.command != "HEAD":
            handler.wfile.write(body)
