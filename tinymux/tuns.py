"""Tun devices with addresses and routes: one point-to-point interface per node."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import socket
import struct
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv4Network
from typing import Protocol

import pytun
from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from tinymux.errors import NetworkError, NotPermittedError
from tinymux.namespace import Namespace
from tinymux.network import Plan

# A tun keeps this many packets and drops the rest. A lane passes some 25 kB/s: 128 requests wait about 0.3 s.
QUEUE_LENGTH = 128
# Shorter prefixes are default routes, whole or in halves (as VPNs have them), and say nothing about one network.
SHORTEST_ROUTE = 8
IFF_UP, IFF_MULTICAST = 0x1, 0x1000  # linux/if.h
GROUP = 0x746D0000  # "tm": interface groups of ours, told apart by the first interface's index
TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 1, 0x1000  # linux/if_tun.h
ADDR_GEN_MODE_NONE = 1  # linux/if_link.h, IN6_ADDR_GEN_MODE_NONE


class Device(Protocol):
    """An open tun."""

    def fileno(self) -> int:
        """Its file descriptor."""

    def close(self) -> None:
        """Close it here; the interface goes with the last who has it open."""


class Keeper(Protocol):
    """Where tuns are kept open beyond a Bridge's end, so that the next one finds their interfaces as they are."""

    def kept(self, name: str) -> int | None:
        """A file descriptor, for the caller to own, of the tun of that name; None: it is not kept."""

    def keep(self, name: str, fd: int) -> None:
        """Keep this tun, too."""


@dataclass(frozen=True)
class Kept:
    """A tun that a Keeper had."""

    fd: int

    def fileno(self) -> int:
        """Its file descriptor."""
        return self.fd

    def close(self) -> None:
        """Close it here."""
        os.close(self.fd)


@dataclass(frozen=True)
class Interface:
    """One tun: its name, its index in the kernel, the node's address behind it, and the open device."""

    name: str
    index: int
    address: IPv4Address
    device: Device

    @property
    def fd(self) -> int:
        """The tun's file descriptor, non-blocking."""
        return int(self.device.fileno())


class Interfaces:
    """The interfaces of a Bridge, made together in one namespace and gone together.

    They live exactly as long as their devices are open, so even a killed process leaves none behind. With a keeper they
    outlive this object.
    """

    def __init__(
        self, namespace: Namespace, plan: Plan, names: Sequence[str], mtus: Sequence[int], keeper: Keeper | None = None
    ) -> None:
        self._open: list[Interface] = []
        self._group = GROUP
        self._namespace, self._plan, self._keeper = namespace, plan, keeper
        kept = {name: Kept(fd) for name in names if keeper and (fd := keeper.kept(name)) is not None}
        with namespace.inside(), IPRoute() as route:
            try:
                _refuse_taken(route, plan.network, names, kept)
                for number, (name, mtu) in enumerate(zip(names, mtus, strict=True)):
                    device = kept.pop(name, None) or _tun(name)
                    if keeper:
                        keeper.keep(name, device.fileno())
                    (index,) = route.link_lookup(ifname=name)
                    self._open.append(Interface(name, index, plan.node(number), device))
                    self._group = GROUP + (self._open[0].index & 0xFFFF)
                    _configure(route, self._open[-1], plan.host, mtu, self._group)
            except BaseException as error:
                for left in kept.values():
                    left.close()
                self.close()
                if isinstance(error, NetlinkError):
                    raise _refused(error, "set up the interfaces") from error
                raise

    def __iter__(self) -> Iterator[Interface]:
        return iter(self._open)

    def resize(self, number: int, mtu: int) -> None:
        """Another MTU for one of them."""
        try:
            with self._namespace.inside(), IPRoute() as route:
                route.link("set", index=self._open[number].index, mtu=mtu)
        except NetlinkError as error:
            raise _refused(error, f"change the MTU of {self._open[number].name}") from error

    def remake(self, number: int, mtu: int) -> None:
        """One that somebody has deleted, on the same file: whoever has that open goes on with it."""
        gone = self._open[number]
        request = struct.pack("16sH22x", gone.name.encode(), IFF_TUN | IFF_NO_PI)
        try:
            with self._namespace.inside(), IPRoute() as route:
                fcntl.ioctl(gone.fd, TUNSETIFF, request)
                (index,) = route.link_lookup(ifname=gone.name)
                self._open[number] = replace(gone, index=index)
                _configure(route, self._open[number], self._plan.host, mtu, self._group)
        except (OSError, NetlinkError) as error:
            raise _refused(error, f"make the interface {gone.name} anew") from error

    def close(self) -> None:
        """Take all of them away, with their addresses and routes."""
        if self._open and not self._keeper:
            # As one group in 20 ms; closing the devices would do as well, but takes that long for each.
            with contextlib.suppress(OSError, NetlinkError, NetworkError), self._namespace.inside(), IPRoute() as route:
                route.link("del", group=self._group)
        while self._open:
            self._open.pop().device.close()


def _tun(name: str) -> pytun.TunTapDevice:
    try:
        device = pytun.TunTapDevice(name=name, flags=pytun.IFF_TUN | pytun.IFF_NO_PI)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENODEV, errno.ENXIO):
            message = "no /dev/net/tun: run 'modprobe tun' as root; give a container '--device /dev/net/tun'"
            raise NetworkError(message) from error
        raise _refused(error, f"make the interface {name}") from error
    try:
        os.set_inheritable(device.fileno(), False)
        os.set_blocking(device.fileno(), False)
    except BaseException:
        device.close()
        raise
    return device


def _configure(route: IPRoute, interface: Interface, host: IPv4Address, mtu: int, group: int) -> None:
    """Addresses (the kernel adds the node's route with them) and up; nothing may speak on it unasked."""
    index = interface.index
    # No link-local address, hence no router solicitations and no MLD. A kernel without IPv6 needs no telling.
    quiet = {"attrs": [["AF_INET6", {"attrs": [["IFLA_INET6_ADDR_GEN_MODE", ADDR_GEN_MODE_NONE]]}]]}
    try:
        route.link("set", index=index, IFLA_AF_SPEC=quiet)
    except NetlinkError as error:
        if error.code not in (errno.EAFNOSUPPORT, errno.EOPNOTSUPP):
            raise
    route.link("set", index=index, mtu=mtu, txqlen=QUEUE_LENGTH, group=group)
    if isinstance(interface.device, Kept):
        for address in route.get_addr(index=index, family=socket.AF_INET):
            if (address.get_attr("IFA_LOCAL"), address.get_attr("IFA_ADDRESS")) != (str(host), str(interface.address)):
                route.flush_addr(index=index, family=socket.AF_INET)
                break
    route.addr("replace", index=index, local=str(host), address=str(interface.address), prefixlen=32)
    route.link("set", index=index, flags=IFF_UP, change=IFF_UP | IFF_MULTICAST)


def _refuse_taken(route: IPRoute, network: IPv4Network, names: Sequence[str], kept: Container[str]) -> None:
    """Refuse a network that this host routes already, and names that it has; what is kept is ours."""
    present = {link["index"]: link.get("ifname") for link in route.get_links()}
    for name in names:
        if name in present.values() and name not in kept:
            raise NetworkError(f"an interface {name} is there already: stop what made it, or choose another --prefix")
    for entry in route.get_routes(family=socket.AF_INET):
        length = entry["dst_len"]
        if length < SHORTEST_ROUTE or present.get(entry.get("oif")) in kept:
            continue
        routed = IPv4Network((entry.get("dst"), length))
        if routed.overlaps(network):
            device = present.get(entry.get("oif"))
            way = f" through {device}" if device else ""
            raise NetworkError(f"{network} is in use: this host routes {routed}{way} already; choose another --network")


def _refused(error: OSError, doing: str) -> NetworkError:
    code = error.code if isinstance(error, NetlinkError) else error.errno
    if code in (errno.EPERM, errno.EACCES):
        return NotPermittedError(
            f"no permission to {doing}: run as root or with CAP_NET_ADMIN, or try 'unshare -Urn' before the command"
        )
    if code == errno.EBUSY:
        return NetworkError(f"cannot {doing}: it is in use; stop what uses it, or choose another --prefix")
    return NetworkError(f"cannot {doing}: {os.strerror(code or 0)}")
