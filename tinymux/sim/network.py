"""A network of this process's own, with one tun in it behind which the tiny is; both go with the process."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path

from tinymux.errors import NotPermittedError

CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000  # linux/sched.h
NETWORK, INTERFACE = "10.16.0.0/24", "tmx0"  # as a board's first node has it


@dataclass(frozen=True)
class Tun:
    """The tiny's interface: packets are read from and written to the descriptor, which does not block."""

    fd: int
    address: IPv4Address  # the tiny's

    def packets(self, most: int) -> Iterator[bytes]:
        """What the kernel has for the tiny now."""
        for _ in range(most):
            try:
                yield os.read(self.fd, 65535)
            except BlockingIOError:
                return

    def give(self, packet: bytes) -> bool:
        """Hand the kernel a packet; False: it does not take it."""
        try:
            os.write(self.fd, packet)
        except OSError:
            return False
        return True


@contextmanager
def own_network(mtu: int) -> Iterator[Tun]:
    """Leave the network that this process is in, for good, and be in one with the tiny's interface alone."""
    enter_own_network()
    from tinymux.namespace import Namespace
    from tinymux.network import Plan
    from tinymux.tuns import Interfaces

    with Namespace() as namespace:
        namespace.loopback()
        namespace.plain_tcp()
        interfaces = Interfaces(namespace, Plan.parse(NETWORK, 1), [INTERFACE], [mtu])
        try:
            (interface,) = interfaces
            yield Tun(interface.fd, interface.address)
        finally:
            interfaces.close()


def others() -> list[int]:
    """Processes in this process's network, besides itself."""
    here, found = os.stat("/proc/self/ns/net").st_ino, []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if int(folder.name) != os.getpid() and (folder / "ns/net").stat().st_ino == here:
                found.append(int(folder.name))
        except OSError:
            continue  # gone, or not ours to see
    return found


def enter_own_network() -> None:
    """A new network namespace for this process; where it is not root, in a user namespace in which it is."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNET) == 0:
        return
    uid, gid = os.getuid(), os.getgid()
    try:
        if libc.unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "")
        for name, line in (("setgroups", "deny"), ("uid_map", f"0 {uid} 1"), ("gid_map", f"0 {gid} 1")):
            Path("/proc/self", name).write_text(line)
    except OSError as error:
        reason = os.strerror(error.errno or 0)
        raise NotPermittedError(f"cannot make a network for the command: {reason}; run it as root") from error
