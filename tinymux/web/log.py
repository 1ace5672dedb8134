"""A log that another process writes and this one reads: in memory, without a name, and of bounded size."""

from __future__ import annotations

import fcntl
import os

LARGEST = 4 << 20  # bytes; emptied when it has grown to this


class Log:
    """Lines written by a process that has `fd` as its output. They are gone with the last process that has it."""

    def __init__(self, name: str) -> None:
        self.fd = os.memfd_create(name)
        fcntl.fcntl(self.fd, fcntl.F_SETFL, os.O_APPEND)
        self._read = 0

    def lines(self) -> list[str]:
        """Whole lines that have come since the last call."""
        new = os.pread(self.fd, os.fstat(self.fd).st_size - self._read, self._read)
        whole = new[: new.rfind(b"\n") + 1]
        self._read += len(whole)
        return whole.decode(errors="replace").splitlines()

    def shorten(self) -> None:
        """Empty a log that has grown large; what was not read of it is lost."""
        if os.fstat(self.fd).st_size > LARGEST:
            os.ftruncate(self.fd, 0)
            self._read = 0

    def close(self) -> None:
        """Let go of it. Again is harmless."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1
