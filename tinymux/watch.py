"""Looks after a running Bridge: tinies that fall silent are reset, and a board that is gone is remembered."""

from __future__ import annotations

import errno
import logging
import os
import select
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from tinymux.errors import BoardError, TinymuxError

if TYPE_CHECKING:
    from tinymux._engine import Engine, Event
    from tinymux.boards import Comeback, OpenBoard

log = logging.getLogger(__name__)

# Pause after a reset that did not help, doubled each time: a chip with nothing to run is not reset for ever.
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 300.0


class Watch:
    """A thread that acts on the engine's events.

    "suspect" (a tiny answers nothing) and "stuck" (its lane is held low, or it talks without end) reset that tiny;
    "board_gone" calls the board's comeback, and becomes `failure` where it has none; "lane_gone" (a serial port has
    hung up) calls the lane's; "tun_error" of an interface that somebody has deleted calls `remake` with board and lane;
    all are logged. The engine tells each trouble once, until it has passed.
    """

    def __init__(
        self, engine: Engine, opened: Sequence[OpenBoard] = (), remake: Callable[[int, int], None] | None = None
    ) -> None:
        self._engine, self._opened, self._remake = engine, opened, remake
        self.failure: TinymuxError | None = None
        self._pauses: dict[tuple[int, int], tuple[float, float]] = {}  # lane -> end of its pause, length of the next
        self._due: dict[tuple[int, int], float] = {}  # lane -> when it is to be reset
        self._reader, self._writer = os.pipe2(os.O_CLOEXEC)
        self._thread = threading.Thread(target=self._run, name="tinymux-watch", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while True:
            left = max(0.0, min(self._due.values()) - time.monotonic()) if self._due else None
            if self._reader in select.select([self._engine.events_fd, self._reader], [], [], left)[0]:
                return
            for event in self._engine.events():
                self._note(event)
            self._reset_due()

    def _note(self, event: Event) -> None:
        opened = self._opened[event.board] if event.board < len(self._opened) else None
        if event.kind == "board_gone" and opened and opened.comeback:
            try:
                opened.comeback(partial(self._engine.replace_board, event.board))
            except TinymuxError as error:
                self.failure = error
            return
        if event.kind == "lane_gone" and opened and opened.lane_comeback:
            opened.lane_comeback(event.lane, partial(self._engine.replace_lane, event.board, event.lane))
            return
        reason = f": {os.strerror(event.error)}" if event.error else ""
        log.warning("board %d lane %d: %s%s", event.board, event.lane, event.kind, reason)
        if event.kind == "tun_error" and event.error == errno.EBADFD and self._remake:
            try:
                self._remake(event.board, event.lane)
            except TinymuxError as error:
                log.warning("%s", error)
        elif event.kind == "board_gone":
            self.failure = BoardError(f"board {event.board} is gone{reason}")
        elif event.kind in ("suspect", "stuck"):
            lane = event.board, event.lane
            self._due[lane] = max(time.monotonic(), self._pauses.get(lane, (0.0, 0.0))[0])

    def _reset_due(self) -> None:
        now = time.monotonic()
        for lane in [lane for lane, due in self._due.items() if due <= now]:
            del self._due[lane]
            until, pause = self._pauses.get(lane, (0.0, FIRST_PAUSE))
            if now > until + LONGEST_PAUSE:  # the last reset helped
                pause = FIRST_PAUSE
            self._pauses[lane] = now + pause, min(2 * pause, LONGEST_PAUSE)
            try:
                self._engine.reset(*lane)
            except TinymuxError as error:
                if not self._comeback(lane[0]):  # else it is gone for a while
                    self.failure = self.failure or error

    def _comeback(self, board: int) -> Comeback | None:
        return self._opened[board].comeback if board < len(self._opened) else None

    def close(self) -> None:
        """End the thread. Again is harmless."""
        if self._thread.is_alive():
            os.write(self._writer, b".")
            self._thread.join()
            os.close(self._reader)
            os.close(self._writer)
