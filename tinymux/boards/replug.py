"""A board in use that may go and come back: unplugged, hung, or without power for a while."""

from __future__ import annotations

import errno
import logging
import math
import os
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tinymux.boards import hub, usb
from tinymux.errors import BoardError, TinymuxError

if TYPE_CHECKING:
    from tinymux._usb import Link

log = logging.getLogger(__name__)

GoOn = Callable[[Any, Any], None]  # a capsule and its owner, for Engine.replace_board

REASONS = {
    errno.ENODEV: "unplugged",
    errno.ETIMEDOUT: "does not answer",
    errno.EPIPE: "stalls its endpoints",
    errno.EOVERFLOW: "sends more than a packet holds",
    errno.EPROTO: "speaks another protocol",
}
AGAIN = 0.02, 1.0  # s: pause after the first attempt that failed, and the longest; it doubles
STEADY = 60.0  # s; a board that fails sooner than that after its return fails again
LONGEST = 60.0  # s, between resets of a board that fails again and again
RETURN = 10.0  # s; one that is not there so long after its reset goes without power for a moment


class Session:
    """One board from its opening to its end, through any number of links."""

    def __init__(self, board: usb.UsbBoard) -> None:
        self.board = board
        self.link: Link = board.link()
        self._path = board.path  # where it was last
        self._back = time.monotonic()
        self._failures = 0  # in a row, each soon after the last return
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def watch(self, go_on: GoOn) -> None:
        """The engine has told that the board is gone: get it back, and give the engine its new link."""
        if self._thread:
            self._thread.join()  # it has given the engine the link that is gone now
        self._thread = threading.Thread(target=self._return, args=(go_on,), name="tinymux-replug", daemon=True)
        self._thread.start()

    def _return(self, go_on: GoOn) -> None:
        fault, gone = self.link.fault, time.monotonic()
        failed = fault != errno.ENODEV
        self._failures = self._failures + 1 if failed and gone < self._back + STEADY else int(failed)
        level = logging.WARNING if self._failures <= 1 else logging.DEBUG
        reason = REASONS.get(fault, os.strerror(fault))
        log.log(level, "board %s %s; its interfaces stay", self.board.label, reason)
        if self._failures == 2:
            log.warning("board %s %s again: it is tried ever less often, and told of no more", self.board.label, reason)
        self.link.close()
        with usb.usb_context() as context:
            arrivals = Arrivals(context, self._stop)
            if failed:
                self._stop.wait(min(2.0 ** (self._failures - 1) - 1, LONGEST))
                self._wake()
            power = time.monotonic() + RETURN if failed else math.inf
            pause = AGAIN[0]
            told = ""
            while not self._stop.is_set():
                try:
                    if self._resume(go_on):
                        self._back = time.monotonic()
                        log.log(level, "board %s is back after %.2f s", self.board.label, self._back - gone)
                        return
                    pause = AGAIN[0]
                    arrivals.wait()
                    if time.monotonic() > power:
                        power = math.inf
                        log.warning("board %s does not come back: port %s is switched", self.board.label, self._path)
                        hub.power_cycle(self._path)
                except TinymuxError as error:
                    if str(error) != told:
                        told = str(error)
                        log.warning("%s", told)
                    self._stop.wait(pause)
                    pause = min(2 * pause, AGAIN[1])

    def _resume(self, go_on: GoOn) -> bool:
        """Whether the board is there, and in the engine's hands."""
        for present in usb.plugged():
            if self.board.same(present):
                link = present.link()
                try:
                    go_on(link.transport, link)
                except TinymuxError:
                    link.close()
                    raise
                self.link, self._path = link, present.path
                return True
        return False

    def _wake(self) -> None:
        """A board that is there and does not do its work: a bus reset, and where it does not take that, its power."""
        try:
            for present in usb.plugged():
                if self.board.same(present):
                    try:
                        hub.reset(present)
                    except BoardError as error:
                        log.warning("%s", error)
                        hub.power_cycle(present.path)
        except BoardError as error:
            log.warning("%s", error)

    def close(self) -> None:
        """Let the board go, whether it is there or not. The engine has stopped, or does not use it any more."""
        self._stop.set()
        if self._thread:
            self._thread.join()
        self.link.close()


class Arrivals:
    """Wakes its owner when a board of ours is plugged in: libusb's hot-plug events, or once a second without them."""

    PATIENCE = 1.0  # s; also for a node whose permissions come later than the event

    def __init__(self, context: Any, stop: threading.Event) -> None:
        import usb1

        self._context, self._stop = context, stop
        if context.hasCapability(usb1.CAP_HAS_HOTPLUG):
            context.hotplugRegisterCallback(
                self._arrived,
                events=usb1.HOTPLUG_EVENT_DEVICE_ARRIVED,
                flags=0,
                vendor_id=usb.OURS[0],
                product_id=usb.OURS[1],
            )
        self._new = False

    def _arrived(self, *_: Any) -> bool:
        self._new = True
        return False  # keep it registered

    def wait(self) -> None:
        """Until a board has come, the time is over, or the owner is to end."""
        waited = 0.0
        while not self._new and not self._stop.is_set() and waited < self.PATIENCE:
            self._context.handleEventsTimeout(0.05)
            waited += 0.05
        self._new = False
