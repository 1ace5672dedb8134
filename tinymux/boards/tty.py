"""Serial ports as a board: one node on each, SLIP on the wire, as one runs a tunslip6 or slattach for."""

from __future__ import annotations

import fcntl
import os
import termios
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tinymux.errors import BoardError
from tinymux.images import Image

if TYPE_CHECKING:
    from tinymux.boards import OpenBoard

LANES = 16
SCHEME = "tty:"
BAUD = 115200
SPEEDS = {int(name[1:]): getattr(termios, name) for name in dir(termios) if name[0] == "B" and name[1:].isdecimal()}
IFLAG, OFLAG, CFLAG, LFLAG, ISPEED, OSPEED, CC = range(7)  # what tcgetattr returns
MTU = 1500  # bytes, the most that ext/engine has room for


@dataclass(frozen=True)
class TtyBoard:
    """Up to sixteen serial ports, lane 0 the first of them; what hangs there speaks SLIP (RFC 1055).

    baud: bits/s of all of them. flow: whether RTS/CTS hold each side back.
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
        """Read a name such as tty:/dev/ttyUSB0,/dev/ttyUSB1@57600."""
        ports, _, baud = name.removeprefix(SCHEME).partition("@")
        if not ports or not all(ports.split(",")) or (baud and not baud.isdecimal()):
            raise BoardError(f"{name!r}: write it as tty:/dev/ttyUSB0,/dev/ttyUSB1 with @57600 for another speed")
        return cls(ports.split(","), int(baud) if baud else BAUD)

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

        with ExitStack() as stack:
            fds = []
            for port in self.ports:
                fds.append(self._open(port))
                stack.callback(os.close, fds[-1])
                stack.callback(fcntl.flock, fds[-1], fcntl.LOCK_UN)  # the engine's duplicate may live a little longer
            link = Ttys(fds)
            held = stack.pop_all()
        return OpenBoard(link, None, held.close, {"mtu": MTU})

    def _open(self, port: str) -> int:
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
