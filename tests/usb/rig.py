"""The rig: the guest with simulated boards on its USB, from building the device's program to what came of a run."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import guest

from tinymux.errors import TinymuxError
from tinymux.images import ATMEGA32U4, firmware, load, server_images

ROOT, RIG, HERE = guest.ROOT, guest.RIG, guest.HERE
CFLAGS = ["-std=gnu11", "-O2", "-g", "-Wall", "-Wextra", "-Wno-unused-parameter"]
INCLUDES = ["build/include", "ext", "ext/engine", "ext/sim", "ext/usb", "tests/usb/device"]
# 10 bytes of each board's signature row; the USB serial number is their 20 hex digits.
SERIALS = (b"rig board0", b"rig board1")


def compiled(name: str, folders: Sequence[str], *flags: str) -> Path:
    """A program made of the C files of these folders, or of these files; kept while none of them changes."""
    sources = [
        path for folder in folders for path in (sorted((ROOT / folder).glob("*.c")) or [ROOT / folder]) if path.exists()
    ]
    headers = [path for folder in INCLUDES for path in sorted((ROOT / folder).glob("*.h"))]
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in [*sources, *headers]))
    target = RIG / f"{name}-{digest.hexdigest()[:12]}"
    if not target.exists():
        for old in RIG.glob(f"{name}-*"):
            old.unlink()
        includes = [f"-I{ROOT / folder}" for folder in INCLUDES]
        new = target.with_suffix(f".{os.getpid()}")
        guest.run("gcc", *CFLAGS, *includes, "-o", new, *sources, *flags)
        new.rename(target)
    return target


def device() -> Path:
    """The board's program."""
    return compiled("device", ["tests/usb/device", "ext/sim"], "-lusbredirparser", "-lm")


def drive() -> Path:
    """drive.c, for measure.py in the guest."""
    return compiled("drive.so", ["tests/usb/drive.c"], "-shared", "-fPIC")


def images(folder: Path) -> list[Path]:
    """What runs on a board: the pump firmware, and for each tiny the server with a page of its own."""
    try:
        made = [load(firmware("pump.elf"), ATMEGA32U4), *server_images(16)]
    except TinymuxError as error:
        raise guest.Unavailable(str(error)) from error
    files = [folder / f"flash{number}" for number in range(len(made))]
    for file, image in zip(files, made, strict=True):
        file.write_bytes(image.data)
    return files


@contextmanager
def boards(folder: Path, count: int) -> Iterator[list[Path]]:
    """Folders for the sockets of `count` boards, and a device for each that waits for QEMU and ends with it."""
    program, flashes = device(), images(folder)
    folders, running = [folder / f"board{number}" for number in range(count)], []
    try:
        for path, serial in zip(folders, SERIALS, strict=False):
            path.mkdir()
            log = (path / "log").open("w")
            words = [program, path / "usb", path / "control", serial, *flashes]
            running.append(subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log))
        yield folders
    finally:
        for process in running:
            process.kill()
            process.wait()


class Run:
    """One command in the guest, with boards; what it left behind is in `out` until the with statement ends."""

    def __init__(self, command: str, *, count: int = 2, timeout: float = 150, systemd: bool = False) -> None:
        self.command, self.count, self.timeout, self.systemd = command, count, timeout, systemd
        self.status, self.seconds = 124, 0.0
        self._folder = tempfile.TemporaryDirectory(prefix="usb-rig-")
        self.out = Path(self._folder.name) / "out"

    def __enter__(self) -> Run:
        kernel = guest.build()
        self.out.mkdir()
        started = time.monotonic()
        with boards(self.out.parent, self.count) as plugged:
            self.status = guest.boot(
                self.command, self.out, plugged, timeout=self.timeout, rig=kernel, systemd=self.systemd
            )
        self.seconds = time.monotonic() - started
        return self

    def __exit__(self, *_: object) -> None:
        self._folder.cleanup()

    def text(self, name: str, last: int = 6000) -> str:
        """The end of a file in `out`: log, console or qemu."""
        path = self.out / name
        return path.read_text(errors="replace")[-last:] if path.exists() else ""

    def account(self) -> str:
        """What a person needs to see when the guest did not do what it should."""
        parts = [(name, self.text(name)) for name in ("console", "qemu", "log")]
        parts += [(f"{path.parent.name}", path.read_text()) for path in sorted(self.out.parent.glob("board*/log"))]
        told = "".join(f"--- {name} ---\n{text}\n" for name, text in parts if text.strip())
        return f"the guest ended with {self.status} after {self.seconds:.0f} s\n{told}"


def python() -> str:
    """The interpreter that runs this, by the name under which its packages are found."""
    return os.path.abspath(sys.executable)
