"""The network namespace that a Bridge works in: the caller's, a named one, or one that is made for it."""

from __future__ import annotations

import contextlib
import errno
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tinymux.errors import NetworkError, NotPermittedError

FOLDER = Path("/run/netns")  # where iproute2 keeps them, too

# Without these a SYN is 44 bytes and an ACK 40: the tinies skip TCP options, but the lane carries each of their bytes.
PLAIN_TCP = ("tcp_timestamps", "tcp_sack", "tcp_window_scaling")


class Namespace:
    """A network namespace to work in. A named one that is not there is made, and removed again by `close`.

    Names are those of `ip netns`. Everything here moves only the calling thread, and only for a moment.
    """

    def __init__(self, name: str | None = None) -> None:
        self.name = name
        self.made = False
        self._restore: dict[Path, str] = {}
        if name is None:
            return
        if not re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,62}", name):
            raise NetworkError(f"{name!r} cannot be the name of a network namespace: use letters, digits, - and _")
        if not (FOLDER / name).exists():
            self._make(name)

    def _make(self, name: str) -> None:
        from pyroute2 import netns

        try:
            netns.create(name)
        except OSError as error:
            # It may have failed after the name was made: leave none behind.
            with contextlib.suppress(OSError):
                netns.remove(name)
            if error.errno in (errno.EPERM, errno.EACCES):
                raise NotPermittedError(
                    f"no permission to make the network namespace {name}: run as root, or without a namespace"
                ) from error
            raise NetworkError(f"cannot make the network namespace {name}: {os.strerror(error.errno or 0)}") from error
        self.made = True
        try:
            self.loopback()
        except BaseException:
            self.close()
            raise

    def loopback(self) -> None:
        """Bring the namespace's loopback up: a fresh one, such as `unshare -n` gives, has it down."""
        from pyroute2 import IPRoute

        with self.inside(), IPRoute() as route:
            if route.get_links(1)[0]["state"] != "up":
                route.link("set", index=1, state="up")

    @contextlib.contextmanager
    def inside(self) -> Iterator[None]:
        """Have the calling thread in this namespace for the length of a `with`."""
        if self.name is None:
            yield
            return
        from pyroute2 import netns

        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            self._enter()
            try:
                yield
            finally:
                netns.setns(home)
        finally:
            os.close(home)

    def _enter(self) -> None:
        from pyroute2 import netns

        try:
            there = os.open(FOLDER / str(self.name), os.O_RDONLY | os.O_CLOEXEC)
            try:
                netns.setns(there)
            finally:
                os.close(there)
        except OSError as error:
            if error.errno in (errno.EPERM, errno.EACCES):
                raise NotPermittedError(
                    f"no permission to enter the network namespace {self.name}: run as root (CAP_NET_ADMIN alone"
                    " cannot), or start this inside it with: ip netns exec"
                ) from error
            reason = "it is none" if error.errno == errno.EINVAL else os.strerror(error.errno or 0)
            raise NetworkError(f"cannot enter the network namespace {self.name}: {reason}") from error

    def plain_tcp(self) -> None:
        """Turn TCP timestamps, SACK and window scaling off for the whole namespace, until `close`."""
        with self.inside():
            for name in PLAIN_TCP:
                path = Path("/proc/sys/net/ipv4") / name
                try:
                    before = path.read_text()
                    path.write_text("0")
                except OSError as error:
                    raise NetworkError(f"cannot set {path} to 0: {error.strerror}; leave plain TCP off") from error
                self._restore[path] = before

    def close(self) -> None:
        """Remove the namespace if it was made here, else give its settings back. Again is harmless."""
        if self.made and self.name is not None:
            from pyroute2 import netns

            self.made = False
            netns.remove(self.name)
        elif self._restore:
            with contextlib.suppress(OSError, NetworkError), self.inside():
                for path, before in self._restore.items():
                    path.write_text(before)
        self._restore.clear()

    def __enter__(self) -> Namespace:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()
