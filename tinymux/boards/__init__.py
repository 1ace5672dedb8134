"""Where lanes come from: what a Bridge asks of a board, and boards by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from tinymux.boards import usb
from tinymux.boards.simulated import SimulatedBoard
from tinymux.boards.tty import SCHEME, TtyBoard
from tinymux.boards.usb import UsbBoard, boards
from tinymux.errors import BoardError
from tinymux.images import Image

__all__ = ["Board", "Comeback", "OpenBoard", "SimulatedBoard", "TtyBoard", "UsbBoard", "boards", "find"]

GoOn = Callable[[Any, Any], None]  # takes a capsule and its owner
Comeback = Callable[[GoOn], None]
LaneComeback = Callable[[int, Callable[[int], None]], None]


@dataclass(frozen=True)
class OpenBoard:
    """A board that is in use: the link's capsule for the engine, the object that owns it, and how to let it go.

    options: the engine's, as this kind of link wants them.
    comeback: for a board that may go and come back: called when the engine has told that it is gone, with a function
        that takes a new capsule and its owner when it is back. Without one, a board that is gone is gone.
    lane_comeback: the same for a lane that is a file of its own: takes the lane, and a function that takes a new file
        descriptor.
    """

    transport: Any  # PyCapsule "tinymux.transport", ext/engine/transport.h; or a tinymux._engine.Link
    owner: Any
    close: Callable[[], None]
    options: Mapping[str, int] = field(default_factory=dict)
    comeback: Comeback | None = None
    lane_comeback: LaneComeback | None = None


class Board(Protocol):
    """A board that a Bridge can open. It says what runs on it before it is opened."""

    @property
    def label(self) -> str:
        """How a person tells it from others."""

    @property
    def images(self) -> tuple[Image | None, ...]:
        """What each lane's tiny runs, or None where that is not known or nothing; one per lane, at most sixteen."""

    def open(self) -> OpenBoard:
        """Take the board into use."""


def find(name: str, **options: Any) -> Board:
    """The board of that name: "simulated", with options of its own, serial ports as tty:PORT,PORT...@BAUD,rtscts, or a
    USB board by serial, path or label.

    Of a USB board only `image` may be said: what its tinies run.
    """
    if name == "simulated":
        return SimulatedBoard(**options)
    images = SimulatedBoard(image=options.pop("image")).images if options.get("image") else None
    if options:
        raise BoardError(f"{', '.join(sorted(options))}: only for the simulated board")
    if name.startswith(SCHEME):
        if images:
            raise BoardError("image: what hangs on a serial port is not ours to say")
        return TtyBoard.parse(name)
    return usb.find(name, images)
