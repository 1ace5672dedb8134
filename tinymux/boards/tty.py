"""Serial ports as a board: one node on each, SLIP on the wire, as one runs a tunslip or slattach for."""

from __future__ import annotations

import fcntl
import logging
import os
import re
import termios
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from glob import glob
from typing import TYPE_CHECKING

from tinymux.errors import BoardError, TinymuxError
from tinymux.images import Image

if TYPE_CHECKING:
    from tinymux.boards import OpenBoard

log = logging.getLogger(__name__)

LANES = 16
SCHEME = "tty:"
BAUD = 115200
RTSCTS = "rtscts"
SPEEDS = {int(name[1:]): getattr(termios, name) for name in dir(termios) if name[0] == "B" and name[1:].isdecimal()}
IFLAG, OFLAG, CFLAG, LFLAG, ISPEED, OSPEED, CC = range(7)  # what tcgetattr returns
MTU = 1500  # bytes, the most that ext/engine has room for
AGAIN = 0.02, 0.5  # s: pause before the first attempt to get a port back, and the longest; it doubles
STEADY = 5.0  # s: a port that hangs up sooner than this has not been back for good, and its pause goes on doubling
LONGEST = 5.0  # s: up to this


@dataclass(frozen=True)
class TtyBoard:
    """Up to sixteen serial ports, lane 0 the first of them; what hangs there speaks SLIP (RFC 1055).

    baud: bits/s of all of them. flow: whether RTS/CTS hold each side back.

    A port that hangs up comes back by itself when its path does, on the same interface.
    """

    ports: Sequence[str]
    baud: int = BAUD
    flow: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "ports", tuple(self.ports))
        if not 1 <= len(self.ports) <= LANES:
            raise BoardError(f"{len(self.ports)} serial ports: one board holds 1 to {LANES}")
        if len({os.path.realpath(port) for port in self.ports}) < len(self.ports):
            raise BoardError("the same serial port twice: each port is one node")
        if self.baud not in SPEEDS or not self.baud:
            raise BoardError(f"{self.baud} bits/s: no speed that serial ports have")

    @classmethod
    def parse(cls, name: str) -> TtyBoard:
        """Read a name such as tty:/dev/ttyUSB0,/dev/ttyUSB1 or tty:/dev/ttyUSB*@57600,rtscts."""
        listed, _, settings = name.removeprefix(SCHEME).partition("@")
        given = settings.split(",") if settings else []
        flow = RTSCTS in given
        baud = [word for word in given if word != RTSCTS]
        if not all(listed.split(",")) or len(given) > flow + 1 or not all(word.isdecimal() for word in baud):
            raise BoardError(f"{name!r}: write it as tty:/dev/ttyUSB0,/dev/ttyUSB1 with @57600 or @57600,{RTSCTS}")
        ports = [port for word in listed.split(",") for port in _matching(word)]
        return cls(ports, int(baud[0]) if baud else BAUD, flow)

    @property
    def label(self) -> str:
        """How a person tells it from others."""
        return ",".join(self.ports)

    @property
    def images(self) -> tuple[Image | None, ...]:
        """Nobody knows what hangs there."""
        return (None,) * len(self.ports)

    def open(self) -> OpenBoard:
        """Take the ports into use: raw, at their speed, and for nobody else."""
        from tinymux._engine import Ttys
        from tinymux.boards import OpenBoard

        ports = Ports(self)
        try:
            link = Ttys(ports.fds)
        except TinymuxError:
            ports.close()
            raise
        return OpenBoard(link, None, ports.close, {"mtu": MTU}, lane_comeback=ports.watch)

    def open_port(self, port: str) -> int:
        """One port, set as it is to be: its file descriptor."""
        try:
            fd = os.open(port, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise BoardError(f"{port}: cannot be opened: {error.strerror}") from error
        try:
            self._set(fd)
        except (OSError, termios.error) as error:
            os.close(fd)
            if isinstance(error, BlockingIOError):
                raise BoardError(f"{port}: is in use by another process: end that one first") from error
            raise BoardError(f"{port}: is no serial port, or refuses {self.baud} bits/s: {error.args[-1]}") from error
        return fd

    def _set(self, fd: int) -> None:
        """Eight bits, no parity, one stop bit, nothing translated, as cfmakeraw(3) has it; and a lock."""
        mode = termios.tcgetattr(fd)
        mode[IFLAG] = termios.IGNBRK | termios.IGNPAR
        mode[OFLAG] = mode[LFLAG] = 0
        mode[CFLAG] = termios.CS8 | termios.CREAD | termios.CLOCAL | (termios.CRTSCTS if self.flow else 0)
        mode[ISPEED] = mode[OSPEED] = SPEEDS[self.baud]
        mode[CC] = list(mode[CC])
        mode[CC][termios.VMIN], mode[CC][termios.VTIME] = 1, 0
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)  # who keeps to locks, as picocom and minicom do
        termios.tcsetattr(fd, termios.TCSANOW, mode)
        termios.tcflush(fd, termios.TCIOFLUSH)


def _matching(word: str) -> list[str]:
    """The path itself, or the ports that a pattern such as /dev/ttyUSB* stands for, ttyUSB10 after ttyUSB9."""
    if not re.search(r"[*?[]", word):
        return [word]
    found = sorted(glob(word), key=lambda path: [(len(part), part) for part in re.split(r"(\d+)", path)])
    if not found:
        raise BoardError(f"{word}: no serial port is called so")
    return found


GoOn = Callable[[int], None]  # takes the file descriptor of the port that is back


class Ports:
    """The ports of one board in use, through any number of hang-ups.

    Ours and the engine's are two descriptors of one open file: ours holds the lock, and is closed as soon as the port
    has hung up, because a device that is plugged in again gets its old name only where nobody has that one open.
    """

    def __init__(self, board: TtyBoard) -> None:
        self._board = board
        self._fds: dict[int, int] = {}  # of lanes whose port is there
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._threads: dict[int, threading.Thread] = {}
        self._back: dict[int, tuple[float, float]] = {}  # of lanes: when the port came back, the pause before
        try:
            for lane, port in enumerate(board.ports):
                self._fds[lane] = board.open_port(port)
        except BoardError:
            self.close()
            raise

    @property
    def fds(self) -> list[int]:
        """Those of all lanes, in order."""
        return [self._fds[lane] for lane in range(len(self._board.ports))]

    def watch(self, lane: int, go_on: GoOn) -> None:
        """The engine has told that the lane's port has hung up: get it back, and hand the new one over."""
        if previous := self._threads.get(lane):
            previous.join()  # it has handed over the port that is gone now
        thread = threading.Thread(target=self._return, args=(lane, go_on), name="tinymux-port", daemon=True)
        self._threads[lane] = thread
        thread.start()

    def _return(self, lane: int, go_on: GoOn) -> None:
        port = self._board.ports[lane]
        log.warning("%s has hung up; its interface stays", port)
        self._let_go(lane)
        gone, told = time.monotonic(), ""
        back, before = self._back.get(lane, (0.0, 0.0))
        pause = first = AGAIN[0] if gone - back > STEADY else min(2 * before, LONGEST)
        while not self._stop.wait(pause):
            try:
                fd = self._board.open_port(port)
            except BoardError as error:
                if os.path.lexists(port) and str(error) != told:  # there, and yet of no use
                    told = str(error)
                    log.warning("%s", told)
                pause = min(2 * pause, max(first, AGAIN[1]))
                continue
            with self._lock:
                self._fds[lane] = fd
            self._back[lane] = time.monotonic(), first
            try:
                go_on(fd)
            except TinymuxError:  # the engine has ended
                return
            log.warning("%s is back after %.2f s", port, time.monotonic() - gone)
            return

    def _let_go(self, lane: int) -> None:
        with self._lock:
            fd = self._fds.pop(lane, None)
        if fd is not None:
            with suppress(OSError):
                fcntl.flock(fd, fcntl.LOCK_UN)  # the engine's duplicate may live a little longer
            os.close(fd)

    def close(self) -> None:
        """Let all of them go. The engine has stopped, or does not use them any more."""
        self._stop.set()
        for thread in self._threads.values():
            thread.join()
        for lane in list(self._fds):
            self._let_go(lane)
