"""A stub for avr-gdb: one debugger at a time, on this host only, holds the tiny while board time stands."""

from __future__ import annotations

import re
import select
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Self

from tinymux._simulator import Halt
from tinymux.errors import TinymuxError
from tinymux.sim.bench import Bench
from tinymux.sim.rsp import INTERRUPT, PACKET_SIZE, Closed, Connection
from tinymux.sim.target import Target, WrongRequest

SLICE = 0.005  # s of board time between two looks for Ctrl-C
SEND_PATIENCE = 5.0  # s for a debugger to take what it is sent
OK, UNKNOWN, WRONG, ENDED = b"OK", b"", b"E01", b"W00"
TRAP, SIGINT = b"T05", b"T02"  # stop replies
ANSWERS = {
    b"vMustReplyEmpty": UNKNOWN,
    b"qAttached": b"1",  # so a debugger that quits lets the tiny go on
    b"qSymbol::": OK,
}
HELP = "cycles: the tiny's clock since power-on\ntime: board time since its start-up, s\n"


class Killed(Exception):
    """The debugger wants the run to end."""


class Stub:
    """Listens on 127.0.0.1, and takes hold of a bench's tiny before its first instruction.

    port: 0 chooses a free one. say: told what a person wants to know.
    A debugger whose connection breaks leaves the tiny standing, for the next one, or running, without its halts.
    """

    def __init__(self, port: int, say: Callable[[str], object]) -> None:
        self._say = say
        self._connection: Connection | None = None
        self._expected = False  # the debugger has let the tiny go on, and wants to know when it stands
        try:
            self._listener = socket.create_server(("127.0.0.1", port), backlog=1)
        except OSError as error:
            raise TinymuxError(f"cannot listen on 127.0.0.1:{port}: {error.strerror}") from error
        self._listener.setblocking(False)
        self.port: int = self._listener.getsockname()[1]

    def hold(self, bench: Bench) -> None:
        """Halt the tiny before its next instruction; it waits there for a debugger."""
        self._bench, self._target = bench, Target(bench)
        bench.debug.on_halt = self._halted
        bench.debug.step()

    @property
    def attached(self) -> bool:
        """Whether a debugger is there."""
        return self._connection is not None

    def close(self) -> None:
        """Tell the debugger that the run has ended. Again is harmless."""
        if self._connection:
            with suppress(Closed):
                self._connection.send(ENDED)
        self._drop()
        self._listener.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- while it runs ---

    def _halted(self, halt: Halt) -> None:
        self._bench.pause, self._bench.slice = self._poll, SLICE  # not before its first instruction
        self._stand(TRAP + self._target.reason(halt))

    def _poll(self) -> None:
        """Between two slices of board time."""
        connection = self._connection
        try:
            if connection and self._readable(connection.link):
                connection.fill()
                if connection.interrupted():
                    self._stand(SIGINT)
        except Closed:
            self._lost("runs on")
        if self._readable(self._listener) and self._accept():
            self._stand(TRAP)

    @staticmethod
    def _readable(link: socket.socket) -> bool:
        return bool(select.select([link], [], [], 0)[0])

    # --- connections ---

    def _accept(self) -> bool:
        """Take a debugger in; a second one is sent away."""
        try:
            link, _ = self._listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return False  # gone again
        if self._connection:
            link.close()
            return False
        link.settimeout(SEND_PATIENCE)
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._connection = Connection(link)
        return True

    def _drop(self) -> None:
        if self._connection:
            self._connection.close()
        self._connection, self._expected = None, False

    def _lost(self, then: str) -> None:
        self._drop()
        self._target.clear()
        self._say(f"gdb: the connection is lost; the tiny {then}")

    # --- while it stands ---

    def _stand(self, why: bytes) -> None:
        """Serve debuggers until one lets the tiny go on."""
        self._why = why + self._target.expedited()
        goes_on = False
        while not goes_on:
            try:
                if not self._connection:
                    self._wait()
                    continue
                if self._expected:
                    self._expected = False
                    self._connection.send(self._why)
                goes_on = self._obey(self._connection, self._connection.packet(self._wait))
            except Closed:
                self._lost("stands, for the next debugger")

    def _wait(self) -> None:
        """Until something comes, from the debugger or from another."""
        sources = [self._listener, *([self._connection.link] if self._connection else [])]
        ready = select.select(sources, [], [])[0]
        if self._connection and self._connection.link in ready:
            self._connection.fill()  # first: who has gone makes room for the next one
        elif self._listener in ready:
            self._accept()

    def _obey(self, connection: Connection, data: bytes) -> bool:
        """Do what a packet asks for. True: the tiny goes on."""
        if data == INTERRUPT:
            return False  # it stands already
        if data[:1] in (b"k", b"D") or data.startswith(b"vKill"):
            return self._end(connection, data)
        try:
            if data[:1] in (b"c", b"C", b"s", b"S"):
                self._go_on(data)
                return True
            connection.send(self._answer(connection, data))
        except WrongRequest:
            connection.send(WRONG)
        return False

    def _go_on(self, data: bytes) -> None:
        """c, s: from an address, where one is given; C, S: with a signal, which a tiny does not know."""
        found = re.fullmatch(rb"(?:[cs]|[CS][0-9a-fA-F]{2};?)([0-9a-fA-F]*)", data)
        if not found:
            raise WrongRequest
        if found[1]:
            self._target.jump(int(found[1], 16))
        if data[:1] in b"sS":
            self._bench.debug.step()
        self._expected = True

    def _end(self, connection: Connection, data: bytes) -> bool:
        self._target.clear()
        if data[:1] != b"k":
            with suppress(Closed):
                connection.send(OK)
        if data[:1] != b"D":
            raise Killed
        self._drop()
        return True

    def _answer(self, connection: Connection, data: bytes) -> bytes:
        if data == b"?":
            return self._why
        if data.startswith(b"qSupported"):
            return b"PacketSize=%x;QStartNoAckMode+" % PACKET_SIZE
        if data == b"QStartNoAckMode":
            connection.acknowledges = False
            return OK
        if data.startswith(b"qRcmd,"):
            return self._monitor(data.removeprefix(b"qRcmd,"))
        if data[:1] in (b"H", b"T"):
            return OK  # there is one thread
        return ANSWERS[data] if data in ANSWERS else self._target.answer(data)

    def _monitor(self, text: bytes) -> bytes:
        try:
            asked = bytes.fromhex(text.decode("ascii")).decode().strip()
        except ValueError as error:
            raise WrongRequest from error
        answers = {"cycles": f"{self._bench.tiny.cycles}\n", "time": f"{self._bench.time:.9f}\n"}
        return answers.get(asked, HELP).encode().hex().encode()
