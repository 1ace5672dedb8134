"""A folder that keeps a simulated board's flashes between runs: one raw file for each tiny."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Sequence
from pathlib import Path

from tinymux.errors import BoardError
from tinymux.images import Image, load


class State:
    """The folder, locked for as long as a board is open, so that two programs cannot both believe in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise BoardError(f"{folder}: cannot keep a board's flashes: {error.strerror}") from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._lock)
            raise BoardError(
                f"the simulated board in {folder} is in use by another process: end that one first"
            ) from error

    def save(self, flashes: Sequence[bytes]) -> None:
        """Keep the flashes, each file replaced as a whole, and unlock."""
        try:
            for lane, flash in enumerate(flashes):
                new = self.folder / f"{lane}.new"
                new.write_bytes(flash)
                new.replace(file_of(self.folder, lane))
        except OSError as error:
            raise BoardError(f"{error.filename}: cannot be written: {error.strerror}") from error
        finally:
            os.close(self._lock)


def file_of(folder: Path, lane: int) -> Path:
    """Where a tiny's flash is kept."""
    return folder / f"{lane}.bin"


def kept(folder: Path, otherwise: Sequence[Image | None]) -> tuple[Image | None, ...]:
    """The images in the folder, and others where it has none."""
    return tuple(
        load(file_of(folder, lane)) if file_of(folder, lane).exists() else image for lane, image in enumerate(otherwise)
    )
