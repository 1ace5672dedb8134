"""How a second command reaches the one that serves a blog: lines of text over a Unix socket in the blog's folder."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tinymux.errors import BlogError

FILE = ".serving"
ANSWER_SECONDS = 600.0  # a publishing of many steps
DONE, FAILED = "done", "failed: "  # how an answer ends

Tell = Callable[[str], None]


@contextmanager
def _short(folder: Path) -> Iterator[str]:
    """A path to the socket that is short enough for sun_path, 108 bytes (unix(7)), whatever the folder's is."""
    fd = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{fd}/{FILE}"
    finally:
        os.close(fd)


class Control:
    """The serving side, for the length of a `with`. There is one for a folder."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE
        if ask(folder, "ping", lambda line: None):
            raise BlogError(f"{folder}: is served already: 'tinymux blog publish' without options publishes there")
        self._path.unlink(missing_ok=True)  # of one that was killed
        self._socket = socket.socket(socket.AF_UNIX)
        try:
            with _short(folder) as path:
                self._socket.bind(path)
            self._path.chmod(0o600)
            self._socket.listen(4)
        except OSError as error:
            self._socket.close()
            raise BlogError(f"{self._path}: cannot be made: {error.strerror}") from error

    def serve(self, seconds: float, do: Callable[[str, Tell], None]) -> None:
        """Wait so long for somebody, and do what is asked; what it tells, and how it ends, is the answer."""
        self._socket.settimeout(seconds)
        try:
            client, _ = self._socket.accept()
        except TimeoutError:
            return
        with client, suppress(OSError):
            client.settimeout(1)
            request = client.makefile(encoding="utf-8").readline(80).strip()
            out = client.makefile("w", encoding="utf-8")

            def tell(line: str) -> None:
                with suppress(OSError):  # whoever asked has gone; what was begun goes on
                    out.write(line + "\n")
                    out.flush()

            try:
                do(request, tell)
            except BlogError as error:
                tell(FAILED + " ".join(str(error).split()))
            else:
                tell(DONE)

    def __enter__(self) -> Control:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()
        self._path.unlink(missing_ok=True)


def ask(folder: Path, what: str, tell: Tell) -> bool:
    """Ask whoever serves the blog in this folder; False where nobody does. BlogError where it could not be done."""
    with socket.socket(socket.AF_UNIX) as client:
        try:
            with _short(folder) as path:
                client.connect(path)
        except OSError:
            return False
        client.settimeout(ANSWER_SECONDS)
        client.sendall(f"{what}\n".encode())
        for line in client.makefile(encoding="utf-8"):
            text = line.rstrip("\n")
            if text == DONE:
                return True
            if text.startswith(FAILED):
                raise BlogError(text.removeprefix(FAILED))
            tell(text)
    raise BlogError(f"{folder}: the command that serves it has ended")
