"""The server's images: its program with a page in the rest of the flash."""

from __future__ import annotations

from pathlib import Path

from tinymux.errors import ImageError
from tinymux.images.files import Image, load

FIRMWARE = Path(__file__).resolve().parent.parent / "firmware"


def firmware(name: str) -> Path:
    """Where the build has put that firmware file."""
    path = FIRMWARE / name
    if not path.exists():
        raise ImageError(f"{path} is not built: './run build' in the folder of tinymux")
    return path


def server_images(count: int) -> tuple[Image, ...]:
    """The server for so many nodes, each with a page that names its own."""
    return (load(firmware("server.elf")),) * count
