"""What the daemon keeps up: a Bridge and the nginx in front of it, and the loop that looks after them."""

from __future__ import annotations

import logging
import os
import select
import signal
import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from tinymux.blog import service as blog
from tinymux.bridge import Bridge
from tinymux.daemon.configuration import Configuration
from tinymux.daemon.notify import Manager
from tinymux.errors import TinymuxError
from tinymux.namespace import Namespace
from tinymux.web import Listener, Nginx

log = logging.getLogger("tinymuxd")

AGAIN = 2.0  # s between attempts to bring up what is not there yet
LOOK = 1.0  # s between looks at what is up


class Service:
    """One configuration, up. What fails while it comes up leaves nothing behind."""

    def __init__(self, configuration: Configuration, manager: Manager) -> None:
        self.configuration = configuration
        self._web = ExitStack()
        self._nginx: Nginx | None = None
        self.bridge: Bridge = configuration.bridge(keeper=manager)
        manager.keep_only([node.interface for node in self.bridge.nodes])
        try:
            self.bridge.start()
            self.start_web()
        except BaseException:
            self.stop()
            raise

    def start_web(self) -> None:
        """nginx, where it is wanted, with the blog that was published on these tinies, where there is one."""
        with ExitStack() as stack:
            if self.configuration.listen:
                listener = stack.enter_context(Listener(self.configuration.listen))
                if listener.loopback:
                    Namespace().loopback()
                if self.configuration.blog:
                    self._nginx = stack.enter_context(blog.serve(self.configuration.blog, self.bridge, listener))
                else:
                    addresses = [node.address for node in self.bridge.nodes]
                    self._nginx = stack.enter_context(Nginx(listener, addresses, self.bridge.namespace))
            self._web = stack.pop_all()

    def change(self, configuration: Configuration) -> bool:
        """Follow a new configuration without touching the Bridge; False: it needs another one."""
        if replace(self.configuration, listen=configuration.listen, blog=configuration.blog) != configuration:
            return False
        if configuration != self.configuration or configuration.blog:  # which may have been published anew
            before, self.configuration = self.configuration, configuration
            try:
                self._restart_web()
            except TinymuxError:
                self.configuration = before
                self._restart_web()
                raise
        return True

    def _restart_web(self) -> None:
        self._web.close()
        self._nginx = None
        self.start_web()

    def check(self) -> None:
        """Raise if something has ended that should run; hang if the engine does."""
        self.bridge.probe()
        self.bridge.check()
        if self._nginx:
            self._nginx.check()

    def stop(self) -> None:
        """Down, in reverse order; the interfaces stay with the keeper."""
        self._web.close()
        self.bridge.stop()


class Daemon:
    """Keeps a Service up until a signal ends it."""

    def __init__(self, file: Path, manager: Manager) -> None:
        self.file, self.manager = file, manager
        self.configuration = Configuration.load(file)
        self.service: Service | None = None
        self._told = ""
        self._reader, self._writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)

    def run(self) -> None:
        """Until SIGTERM or SIGINT; SIGHUP reads the file again."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._note)
        ready = False
        again = 0.0
        try:
            while True:
                if self.service is None and time.monotonic() >= again:
                    self._start()
                    again = time.monotonic() + AGAIN
                self._look()
                if not ready:
                    ready = True
                    self.manager.tell("READY=1")
                self.manager.tell("WATCHDOG=1")
                wait = min(LOOK, self.manager.watchdog / 3) if self.manager.watchdog else LOOK
                if select.select([self._reader], [], [], wait)[0]:
                    numbers = os.read(self._reader, 64)
                    if set(numbers) - {signal.SIGHUP}:
                        return
                    self._reload()
                    again = 0.0
        finally:
            self.manager.tell("STOPPING=1")
            self._stop()

    def _note(self, number: int, frame: Any) -> None:
        os.write(self._writer, bytes([number]))

    def _start(self) -> None:
        try:
            self.service = Service(self.configuration, self.manager)
        except TinymuxError as error:
            self._say(f"waiting: {error}")
        else:
            nodes = len(self.service.bridge.nodes)
            self._say(f"{nodes} nodes up in {self.configuration.network}")

    def _look(self) -> None:
        try:
            if self.service:
                self.service.check()
        except TinymuxError as error:
            self._say(f"starting again: {error}")
            self._stop()

    def _reload(self) -> None:
        self.manager.tell("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")
        try:
            self.configuration = Configuration.load(self.file)
            if self.service and not self.service.change(self.configuration):
                self._stop()
        except TinymuxError as error:
            self._say(f"not reloaded: {error}")
            if self.service:
                self.configuration = self.service.configuration
        else:
            self._say("reloaded")
        self.manager.tell("READY=1")

    def _stop(self) -> None:
        service, self.service = self.service, None
        if service:
            service.stop()

    def _say(self, text: str) -> None:
        """Once to the log, and to the manager for `systemctl status`."""
        if text != self._told:
            log.info("%s", text)
        self._told = text
        self.manager.tell(f"STATUS={text}")
