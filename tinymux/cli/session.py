"""A Bridge with nginx in front of it, from its start to a signal that ends it."""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, Self

from tinymux.bridge import Bridge
from tinymux.namespace import Namespace
from tinymux.web import Listener, Nginx, Site

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Signals:
    """Turns the signals that end a program into something to wait for.

    They are only noted: what is being made is made whole, what is being taken down is taken down whole.
    """

    def __enter__(self) -> Self:
        self._reader, self._writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._before = {number: signal.signal(number, self._note) for number in ENDING}
        return self

    def _note(self, number: int, frame: Any) -> None:
        if not self.seen(0):
            os.write(self._writer, b".")

    def seen(self, seconds: float | None) -> bool:
        """Whether one has come; waits so long for it, or without end."""
        return bool(select.select([self._reader], [], [], seconds)[0])

    def __exit__(self, *_: Any) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        os.close(self._reader)
        os.close(self._writer)


def _all(bridge: Bridge) -> Site:
    return [node.address for node in bridge.nodes]


class Session:
    """Everything that `up` brings up, as one context: the listener, the Bridge, nginx; gone in reverse order."""

    def __init__(self, bridge: Bridge, listen: str | None, site: Callable[[Bridge], Site] = _all) -> None:
        """site: what nginx shall serve, asked for once the Bridge runs; by default all tinies, as if alike."""
        self.bridge, self.listen, self.site = bridge, listen, site
        self.signals = Signals()
        self.nginx: Nginx | None = None
        self.listener: Listener | None = None
        self.url: str | None = None

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.enter_context(self.signals)
            # The port first: it is what is most often wrong, and costs nothing to try.
            listener = self.listener = stack.enter_context(Listener(self.listen)) if self.listen else None
            stack.enter_context(self.bridge)
            site = self.site(self.bridge)
            if listener:
                if listener.loopback:
                    Namespace().loopback()
                self.nginx = stack.enter_context(Nginx(listener, site, self.bridge.namespace))
                self.url = listener.url
            self._stack = stack.pop_all()
        return self

    def check(self) -> None:
        """Raise if something has ended that should run."""
        self.bridge.check()
        if self.nginx:
            self.nginx.check()

    def pages(self) -> dict[int, int]:
        """Pages that nginx has given out, by node."""
        if not self.nginx:
            return {}
        requests = self.nginx.requests()
        return {node.index: requests[f"{node.address} 200"] for node in self.bridge.nodes}

    def __exit__(self, *_: Any) -> None:
        self._stack.close()
