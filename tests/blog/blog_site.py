"""A blog published on the simulated board, with nginx in front of it, and readers without end."""

from __future__ import annotations

import contextlib
import gzip
import http.client
import threading
from dataclasses import dataclass, field

import tinymux
from tinymux.blog.compress import decompress
from tinymux.blog.plain import Plain
from tinymux.blog.publisher import PLAIN_SOCKET, Publisher
from tinymux.web import Listener, Nginx


@dataclass(frozen=True)
class TimedBoard(tinymux.SimulatedBoard):
    """The simulated board, which tells its own time, in seconds."""

    opened: list = field(default_factory=list, compare=False)

    def open(self):
        opened = super().open()
        self.opened.append(opened.owner)
        return opened

    @property
    def time(self):
        return self.opened[-1].time


def get(address, path="/", accept="br"):
    """Status, text, and how that was encoded."""
    host, port = address.rsplit(":", 1)
    connection = http.client.HTTPConnection(host, int(port), timeout=20)
    with contextlib.closing(connection):
        connection.request("GET", path, headers={"Accept-Encoding": accept})
        answer = connection.getresponse()
        encoding = answer.headers["Content-Encoding"]
        decode = {"br": decompress, "gzip": gzip.decompress, None: bytes}[encoding]
        return answer.status, decode(answer.read()).decode(), encoding


class Site:
    """A published blog: the folder, its publisher, and who serves it."""

    def __init__(self, folder, bridge, board, stack):
        self.folder, self.bridge, self.board = folder, bridge, board
        self.told = []
        self.publisher = Publisher(folder, self.told.append)
        listener = stack.enter_context(Listener("127.0.0.1:0"))
        self.nginx = stack.enter_context(Nginx(listener, self.publisher.start(bridge), bridge.namespace))
        stack.enter_context(Plain(self.nginx.folder / PLAIN_SOCKET, listener.address))
        self.address, self.url = listener.address, listener.url

    def get(self, path="/", accept="br"):
        """Status and text."""
        status, text, self.encoding = get(self.address, path, accept)
        return status, text

    def edit(self, name, before, after):
        path = self.folder / "posts" / f"{name}.md"
        text = path.read_text()
        assert before in text
        path.write_text(text.replace(before, after))

    def publish(self):
        self.told.clear()
        self.publisher.publish(self.bridge, self.nginx)

    def written(self):
        return [line for line in self.told if line.endswith(": written")]


@contextlib.contextmanager
def published(folder, boards=1, **bridge):
    board, *more = [TimedBoard() for _ in range(boards)]
    with contextlib.ExitStack() as stack:
        bridge = stack.enter_context(tinymux.Bridge(board, *more, **bridge))
        yield Site(folder, bridge, board, stack)


@contextlib.contextmanager
def load(site, paths, clients=4, accept="br"):
    """Clients that ask for these pages without end; yields each answer's status that was not 200, and a count."""
    stop, bad, count = threading.Event(), [], [0]

    def ask(number):
        while not stop.is_set():
            path = paths[(number + count[0]) % len(paths)]
            status, text = site.get(path, accept)
            count[0] += 1
            if status != 200 or "</title>" not in text:
                bad.append((path, status))

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    try:
        yield bad, count
    finally:
        stop.set()
        for thread in threads:
            thread.join()
