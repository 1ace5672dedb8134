"""A client of a tiny's web, as small as one can be."""

from __future__ import annotations

import contextlib
import http.client


def ask(where, method="GET", path="/", body=None, headers=None, seconds=20):
    """One request to "host:port": status, body, headers."""
    host, port = str(where).rsplit(":", 1)
    connection = http.client.HTTPConnection(host, int(port), timeout=seconds)
    with contextlib.closing(connection):
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        return answer.status, answer.read(), answer.headers
