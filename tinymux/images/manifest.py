"""What is said of an image, in a file beside it: NAME.elf has NAME.manifest.json."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from tinymux.errors import ImageError
from tinymux.images.analysis import analyse
from tinymux.images.files import ATTINY10, Image, load


@dataclass(frozen=True)
class Manifest:
    """program, version: as its author calls it. part, mtu: what it needs. size, code, stack: bytes. sha256: of the
    flash's bytes, not of the file, so that ELF, HEX and raw of one program are the same. inputs: file -> SHA-256 of
    what it was built from."""

    program: str
    version: str
    part: str
    mtu: int
    size: int
    code: int
    stack: int | None
    sha256: str
    inputs: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, image: Image, version: str = "", inputs: Iterable[Path] = (), root: Path | None = None) -> Manifest:
        """Describe an image, and the files that it was built from; these are named from `root`, if there is one."""
        found = analyse(image.data)
        return cls(
            program=Path(image.name).stem,
            version=version,
            part=ATTINY10.name,
            mtu=image.mtu,
            size=len(image.data),
            code=2 * len(found.code),
            stack=found.stack,
            sha256=digest(image.data),
            inputs={str(path.relative_to(root) if root else path): digest(_bytes(path)) for path in inputs},
        )

    @classmethod
    def read(cls, image: Path) -> Manifest | None:
        """The one beside the image's file, if there is one. ImageError for one that is damaged."""
        path = beside(image)
        if not path.exists():
            return None
        try:
            told = cls(**json.loads(_bytes(path)))
            right = isinstance(told.part, str) and isinstance(told.sha256, str) and isinstance(told.inputs, dict)
        except (ValueError, TypeError):
            right = False
        if not right or type(told.mtu) is not int:
            raise ImageError(f"{path}: a damaged manifest")
        return told

    def write(self, image: Path) -> Path:
        """Put it beside the image's file."""
        path = beside(image)
        try:
            path.write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")
        except OSError as error:
            raise ImageError(f"{path}: cannot be written: {error.strerror}") from error
        return path

    def changed(self, root: Path) -> list[str]:
        """Those of its inputs that are there, as seen from `root`, and are not what it was built from any more."""
        return [
            name
            for name, sha256 in self.inputs.items()
            if (root / name).is_file() and digest(_bytes(root / name)) != sha256
        ]


def digest(data: bytes) -> str:
    """SHA-256, in hex."""
    return hashlib.sha256(data).hexdigest()


def beside(image: Path) -> Path:
    """Where an image's manifest is, if it has one."""
    return image.with_suffix(".manifest.json")


def load_checked(file: Path) -> Image:
    """Load an image; where it has a manifest, ImageError unless it is the one that was described, for this part."""
    image = load(file)
    told = Manifest.read(file)
    if not told:
        return image
    if told.part != ATTINY10.name:
        raise ImageError(f"{file}: for another chip: its manifest says {told.part}, this is an {ATTINY10.name}")
    if told.sha256 != digest(image.data):
        raise ImageError(
            f"{file}: wrong checksum: it is not the image that {beside(file).name} describes; build it anew"
        )
    return replace(image, mtu=told.mtu)


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ImageError(f"{path}: cannot be read: {error.strerror}") from error
