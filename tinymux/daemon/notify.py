"""The service manager's side of things: sd_notify(3), and its store of file descriptors (sd_pid_notify_with_fds(3))."""

from __future__ import annotations

import array
import contextlib
import os
import socket
from collections.abc import Collection, Mapping

FIRST_FD = 3  # SD_LISTEN_FDS_START


class Manager:
    """systemd, or nobody: then nothing is told and tuns are kept only as long as this process lives.

    It is the tuns' Keeper (tuns.py): their files are handed to the manager, so that the interfaces outlive a restart.
    """

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        given = os.environ if environment is None else environment
        self._socket = given.get("NOTIFY_SOCKET", "")
        mine = given.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        #: seconds within which the manager wants to hear that all is well; None: it does not.
        self.watchdog = int(given["WATCHDOG_USEC"]) / 1e6 if mine and given.get("WATCHDOG_USEC") else None
        self._tuns: dict[str, int] = {}
        if given.get("LISTEN_PID") == str(os.getpid()):
            names = given.get("LISTEN_FDNAMES", "").split(":")
            for number, name in zip(range(int(given.get("LISTEN_FDS", "0"))), names, strict=False):
                os.set_inheritable(FIRST_FD + number, False)
                self._tuns[name] = FIRST_FD + number

    def tell(self, *fields: str, fd: int | None = None) -> None:
        """Send "NAME=value" fields. A manager that does not listen is none of our trouble."""
        if not self._socket:
            return
        address = "\0" + self._socket[1:] if self._socket[0] == "@" else self._socket
        passed = [] if fd is None else [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]))]
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.sendmsg(["\n".join(fields).encode()], passed, 0, address)

    def kept(self, name: str) -> int | None:
        """See tuns.Keeper."""
        return os.dup(self._tuns[name]) if name in self._tuns else None

    def keep(self, name: str, fd: int) -> None:
        """See tuns.Keeper."""
        if name not in self._tuns:
            self._tuns[name] = os.dup(fd)
            self.tell("FDSTORE=1", f"FDNAME={name}", fd=fd)

    def keep_only(self, names: Collection[str]) -> None:
        """Let the others go, and their interfaces with them."""
        for name in [name for name in self._tuns if name not in names]:
            os.close(self._tuns.pop(name))
            self.tell("FDSTOREREMOVE=1", f"FDNAME={name}")
