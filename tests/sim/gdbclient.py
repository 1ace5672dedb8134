"""A bench whose tiny a stub holds, on a thread, and the debugger's end of its protocol by hand."""

from __future__ import annotations

import contextlib
import socket
import threading

from tinymux.images import Image
from tinymux.sim.bench import Bench
from tinymux.sim.gdb import Killed, Stub
from tinymux.sim.labels import Labels
from tinymux.sim.rsp import frame

PATIENCE = 10


class Session:
    """Runs a bench until told to end; `news` is what the stub says, `killed` whether a debugger ended it.

    While the tiny stands its thread holds the board: ask the stub, not the bench.
    """

    def __init__(self, image: bytes, seconds: float = 3600):
        self.bench = Bench(Image("test", image), Labels())
        self.flash = image.ljust(1024, b"\xff")
        self.news: list[str] = []
        self.stub = Stub(0, self.news.append)
        self.stub.hold(self.bench)
        self.killed = False
        self._seconds, self._ending = seconds, threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        try:
            while not self._ending.is_set() and self.bench.time < self._seconds:
                self.bench.run(self.bench.time + 0.005)
        except Killed:
            self.killed = True
        self.stub.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def client(self) -> Client:
        return Client(self.stub.port)

    def ended(self) -> bool:
        self._thread.join(PATIENCE)
        return not self._thread.is_alive()

    def close(self):
        self._ending.set()
        while self._thread.is_alive():
            with contextlib.suppress(OSError, AssertionError), self.client() as client:  # a tiny that stands goes on
                client.ask(b"D")
            self._thread.join(0.1)


class Client:
    """Sends packets and takes answers apart."""

    def __init__(self, port: int):
        self.link = socket.create_connection(("127.0.0.1", port), PATIENCE)
        self.file = self.link.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.file.close()
        self.link.close()

    def raw(self, data: bytes):
        self.link.sendall(data)

    def sign(self) -> bytes:
        """A + or -."""
        return self.file.read(1)

    def take(self) -> bytes:
        """The next packet, acknowledged."""
        assert self.file.read(1) == b"$"
        data = b""
        while (byte := self.file.read(1)) != b"#":
            assert byte
            data += byte
        assert frame(data)[-2:] == self.file.read(2)
        self.raw(b"+")
        return data

    def tell(self, data: bytes):
        """A packet that gets no answer yet."""
        self.raw(frame(data))
        assert self.sign() == b"+"

    def ask(self, data: bytes) -> bytes:
        self.tell(data)
        return self.take()

    def gone(self) -> bool:
        """Whether the other side has closed."""
        try:
            return self.file.read(1) == b""
        except ConnectionResetError:
            return True
