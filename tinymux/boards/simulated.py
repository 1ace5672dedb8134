"""The simulated board: the very firmware and image files that would be flashed, run cycle for cycle."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tinymux.boards.state import State, kept
from tinymux.errors import BoardError
from tinymux.images import ATMEGA32U4, Image, firmware, load, server_images
from tinymux.images.manifest import load_checked

if TYPE_CHECKING:
    from tinymux.boards import GoOn, OpenBoard

log = logging.getLogger(__name__)

LANES = 16
RC_LIMIT = 100_000  # parts per million; datasheet 8127H section 16.4: +-10 % as delivered

ImageSource = Image | str | Path | bytes


@dataclass(frozen=True)
class SimulatedBoard:
    """One pump chip and sixteen tinies in a simulator. The same settings give the same trace in board time.

    image: what the tinies run: one image for all, or sixteen, each an Image, a file, bytes or None for an erased
        chip. The server with a page that names its node, where nothing is given.
    seed: decides RAM at power-on, noise and loss.
    rc_error: how far the tinies' oscillators are off, parts per million, for all or for each.
    lane_noise: probability that a lane's level is read wrong, per plane and lane.
    byte_loss: probability that a byte on a lane is lost, each way.
    serial: the pump chip's serial number, 20 hex digits.
    paced: keep board time no faster than real time; else it runs as fast as it can.
    state: folder that keeps the flashes between runs; what it has is what runs where no image is given.
    """

    image: ImageSource | Sequence[ImageSource | None] | None = None
    seed: int = 0
    rc_error: int | Sequence[int] = 0
    lane_noise: float = 0.0
    byte_loss: float = 0.0
    serial: str = "53494d00000000000000"  # "SIM"
    paced: bool = True
    state: Path | None = None
    images: tuple[Image | None, ...] = field(init=False, repr=False, compare=False)  # as loaded, one per lane

    def __post_init__(self) -> None:
        # Everything is checked and loaded here, before anything else of a Bridge is made.
        images = _images(self.image)
        if self.state and self.image is None:
            images = kept(self.state, images)
        object.__setattr__(self, "images", images)
        errors = (self.rc_error,) * LANES if isinstance(self.rc_error, int) else tuple(self.rc_error)
        object.__setattr__(self, "rc_error", errors)
        if len(errors) != LANES or any(abs(error) > RC_LIMIT for error in errors):
            raise BoardError(f"rc_error must be one or {LANES} numbers within {RC_LIMIT} parts per million")
        for name, value in (("lane_noise", self.lane_noise), ("byte_loss", self.byte_loss)):
            if not 0 <= value < 1:
                raise BoardError(f"{name} is a probability: {value} is not from 0 to below 1")
        if not 0 <= self.seed < 1 << 64:
            raise BoardError(f"the seed {self.seed} is not a number of 64 bits")
        try:
            number = bytes.fromhex(self.serial)
        except ValueError:
            number = b""
        if len(number) != 10:
            raise BoardError(f"the serial number {self.serial!r} is not 20 hex digits")

    @property
    def label(self) -> str:
        """How a person tells it from others."""
        return "simulated"

    def open(self) -> OpenBoard:
        """Power it on."""
        from tinymux._simulator import Board
        from tinymux.boards import OpenBoard

        state = State(self.state) if self.state else None
        board = Board(
            load(firmware("pump.elf"), ATMEGA32U4).data,
            [image.data if image else None for image in self.images],
            seed=self.seed,
            rc_error=self.rc_error,
            lane_noise=self.lane_noise,
            byte_loss=self.byte_loss,
            serial=bytes.fromhex(self.serial),
            paced=self.paced,
        )

        def close() -> None:
            if state:
                state.save([board.tiny(lane).flash for lane in range(LANES)])

        def comeback(go_on: GoOn) -> None:
            """Its pump chip has started anew, or was unplugged: an operating system would enumerate it."""
            log.warning("board %s has left the bus; its interfaces stay", self.label)
            board.enumerate()
            go_on(board.transport, board)

        return OpenBoard(board.transport, board, close, comeback=comeback)


def _images(given: ImageSource | Sequence[ImageSource | None] | None) -> tuple[Image | None, ...]:
    if given is None:
        return server_images(LANES)
    if isinstance(given, (Image, str, Path, bytes)):
        return (_image(given),) * LANES
    images = tuple(_image(source) for source in given)
    if len(images) != LANES:
        raise BoardError(f"a board has {LANES} tinies: give one image for all or {LANES}, not {len(images)}")
    return images


def _image(source: ImageSource | None) -> Image | None:
    if source is None or isinstance(source, Image):
        return source
    return load(source) if isinstance(source, bytes) else load_checked(Path(source))
