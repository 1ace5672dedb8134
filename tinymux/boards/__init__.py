"""Where lanes come from: what a Bridge asks of a board, and boards by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from tinymux.boards.simulated import SimulatedBoard
from tinymux.errors import BoardError
from tinymux.images import Image

__all__ = ["Board", "OpenBoard", "SimulatedBoard", "find"]


@dataclass(frozen=True)
class OpenBoard:
    """A board that is in use: the link's capsule for the engine, the object that owns it, and how to let it go."""

    transport: Any  # PyCapsule "tinymux.transport", ext/engine/transport.h
    owner: Any
    close: Callable[[], None]


class Board(Protocol):
    """A board that a Bridge can open. It says what runs on it before it is opened."""

    @property
    def label(self) -> str:
        """How a person tells it from others."""

    @property
    def images(self) -> tuple[Image | None, ...]:
        """What each lane's tiny runs, or None where that is not known or nothing."""

    def open(self) -> OpenBoard:
        """Take the board into use."""


def find(name: str, **options: Any) -> Board:
    """The board of that name; only the simulated one has one yet. `options` are its own."""
    if name == "simulated":
        return SimulatedBoard(**options)
    raise BoardError(f"no board {name!r} here: the only one is 'simulated'")
