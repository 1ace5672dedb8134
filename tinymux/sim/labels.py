"""An image's labels, and which of them each word of flash belongs to."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from tinymux.errors import ImageError
from tinymux.images.files import ATTINY10
from tinymux.images.sizes import sizes

WORDS = ATTINY10.flash // 2
START = "(start)"


@dataclass(frozen=True)
class Label:
    """A name in flash; what is behind it up to the next one belongs to it."""

    name: str
    address: int  # bytes


@dataclass(frozen=True)
class Labels:
    """All labels of an image, by address; the first is at 0."""

    all: tuple[Label, ...] = (Label(START, 0),)

    @classmethod
    def of(cls, file: Path) -> Labels:
        """Those of an ELF file; one for everything where the file has none."""
        try:
            found = sizes(file)
        except ImageError:
            return cls()
        # What the linker put at 0 (__trampolines_start) says nothing about the code there.
        return cls(tuple(Label(START if name.startswith("__") and at == 0 else name, at) for name, at, _ in found))

    def by_word(self) -> list[int]:
        """For each word of flash, the index of its label."""
        ends = [*(label.address for label in self.all), ATTINY10.flash]
        return [
            number for number, (at, end) in enumerate(pairwise(ends)) for _ in range((end + 1) // 2 - (at + 1) // 2)
        ]

    def where(self, address: int) -> str:
        """An address in words that a person knows: `getn+4`."""
        label = max((label for label in self.all if label.address <= address), key=lambda label: label.address)
        return f"{label.name}+{address - label.address}" if address > label.address else label.name
