"""The blog on localhost without any tiny: the very bytes that would be flashed."""

from __future__ import annotations

import re
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tinymux.blog.compress import ENCODINGS
from tinymux.blog.pages import NOT_FOUND, Blog, Page
from tinymux.errors import WebError


class Preview:
    """A server of a blog's pages; port 0 chooses a free one."""

    def __init__(self, blog: Blog, host: str = "127.0.0.1", port: int = 8080) -> None:
        self.pages: dict[str, dict[str, Page]] = {}
        for page in blog.pages:
            self.pages.setdefault(page.path, {})[page.encoding] = page
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
        found = self.pages.get(path) if path != NOT_FOUND else None
        status = 200 if found else 404
        pages = found or self.pages[NOT_FOUND]
        accepted = handler.headers.get("Accept-Encoding", "")
        coding = next((one for one in ENCODINGS if one in pages and re.search(rf"\b{one}\b", accepted)), "plain")
        page = pages.get(coding) or next(iter(pages.values()))
        body = page.plain if coding == "plain" else page.body
        handler.send_response(status)
        handler.send_header("Content-Type", page.kind)
        handler.send_header("Vary", "Accept-Encoding")
        if coding != "plain":
            handler.send_header("Content-Encoding", coding)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        if handler.command != "HEAD":
            handler.wfile.write(body)
