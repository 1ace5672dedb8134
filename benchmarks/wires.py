"""Sixteen clients on the wires of one simulated board: the loops that several benchmarks time."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Protocol

from tinymux import _engine, _simulator
from tinymux.images import ATMEGA32U4, firmware, load
from tinymux.images.server import server_image

HOST = IPv4Address("10.16.0.1").packed
LANES = 16


class Client(Protocol):
    """A closed loop: what to send at first, and on each packet that comes."""

    def start(self) -> list[bytes]: ...
    def clear(self) -> None: ...
    def react(self, packet: bytes) -> list[bytes]: ...


@dataclass(frozen=True)
class Run:
    """What a run took: seconds of board time, of wall time and of one core, and planes."""

    board: float
    wall: float
    cpu: float
    planes: int
    counters: Mapping[str, int]


def address(lane: int) -> bytes:
    """The address of a lane's tiny, as a Bridge gives it."""
    return IPv4Address("10.16.0.16").packed[:3] + bytes([16 + lane])


def page(length: int) -> bytes:
    """HTTP header and body, so many bytes together."""
    return b"HTTP/1.0 200 OK\r\n\r\n".ljust(length, b"x")


def drive(
    make: Callable[[int], Client], lanes: int, seconds: float, page_bytes: int = 400, **options: int
) -> tuple[Run, list[Client]]:
    """Let one client per lane run for so many seconds of board time, after a warm-up of a tenth of that."""
    image = server_image(page(page_bytes))
    board = _simulator.Board(load(firmware("pump.elf"), ATMEGA32U4).data, [image.data] * lanes)
    options = {"offload_acks": 0xFFFF * image.stateless, **options}  # as a Bridge does
    clients = [make(lane) for lane in range(lanes)]

    def on_packet(lane: int, packet: bytes) -> None:
        for answer in clients[lane].react(packet):
            wire.send(lane, answer)

    wire = _engine.Wire(board.transport, board, lanes=range(lanes), on_packet=on_packet, **options)
    for lane, client in enumerate(clients):
        for packet in client.start():
            wire.send(lane, packet)
    wire.run(seconds=0.1 + seconds / 10)  # the tinies' start-up is 64 ms
    for client in clients:
        client.clear()
    start, planes, wall, cpu = wire.seconds, wire.planes, time.perf_counter(), time.process_time()
    wire.run(seconds=seconds)
    run = Run(
        wire.seconds - start,
        time.perf_counter() - wall,
        time.process_time() - cpu,
        wire.planes - planes,
        wire.counters(0),
    )
    assert run.board >= seconds * 0.99
    return run, clients
