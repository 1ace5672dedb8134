"""Addresses and names of the nodes' interfaces: what a network has room for, and who gets what."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv4Network, NetmaskValueError

from tinymux.errors import NetworkError

NODES_PER_BOARD = 16
NAME_LENGTH = 15  # IFNAMSIZ less its NUL, linux/if.h


@dataclass(frozen=True)
class Plan:
    """Who has which address: the host the first of the network, node n the one 16 + n after the network's own.

    The nodes of boards with sixteen lanes thus fill one aligned block each: with 10.16.0.0/24, 10.16.0.16 to .31 for
    the first.
    """

    network: IPv4Network

    @classmethod
    def parse(cls, text: str, nodes: int = NODES_PER_BOARD) -> Plan:
        """Read a network such as 10.16.0.0/24 that has room for so many nodes."""
        try:
            network = IPv4Network(text)
        except (AddressValueError, NetmaskValueError) as error:
            raise NetworkError(f"{text!r} is no IPv4 network: write it as 10.16.0.0/24") from error
        except ValueError as error:
            meant = IPv4Network(text, strict=False)
            raise NetworkError(f"{text} is an address within a network: write {meant}") from error
        if network.num_addresses < NODES_PER_BOARD + nodes:
            bits = 32 - (NODES_PER_BOARD + nodes - 1).bit_length()
            raise NetworkError(f"{network} has no room for {nodes} nodes: give a /{bits} or larger")
        if network.is_loopback or network.is_multicast or network.is_unspecified or network.is_link_local:
            raise NetworkError(f"{network} is reserved: choose a private network such as 10.16.0.0/24")
        return cls(network)

    @property
    def host(self) -> IPv4Address:
        """The host's own address, the same on each interface."""
        return self.network[1]

    def node(self, index: int) -> IPv4Address:
        """Address of node `index`, counted over all boards."""
        return self.network[NODES_PER_BOARD + index]


def interface_names(prefix: str, count: int) -> list[str]:
    """Names tmx0, tmx1 ... for so many nodes, all within the kernel's length."""
    longest = NAME_LENGTH - len(str(count - 1))
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]*", prefix) or len(prefix) > longest:
        raise NetworkError(f"{prefix!r} cannot begin interface names: use at most {longest} letters, digits, - and _")
    return [f"{prefix}{index}" for index in range(count)]
