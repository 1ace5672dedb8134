"""Programming: wire time, sixteen tinies against one, serving meanwhile, and whether verify finds what is wrong.

Board time on the simulated board, whose NVM takes the longest times known: 4.5 ms a word, 10 ms an erase. So the
figures are exact: the same on any machine, however busy it is.
"""

from __future__ import annotations

import random

from client import HttpClient

from tinymux import _simulator
from tinymux._engine import Wire
from tinymux.images import ATMEGA32U4, Image, firmware, load, server_images
from tinymux.programmer import Programmer

NVM_SECONDS = 512 * 4.5e-3 + 10e-3
HOST = bytes([10, 16, 0, 1])
REQUEST = b"GET / HTTP/1.0\r\n\r\n"


class Bench:
    """A board in which some tinies serve a closed loop of requests each, and a Programmer for the others.

    Lanes have the options that a Bridge gives them: the server is stateless, so bare ACKs do not cross its lane.
    """

    def __init__(self, serving: int = 0, seed: int = 1) -> None:
        images = server_images(16)[:serving]
        pump = load(firmware("pump.elf"), ATMEGA32U4).data
        self.board = _simulator.Board(pump, [image.data for image in images], seed=seed)
        spared = sum(1 << lane for lane, image in enumerate(images) if image.stateless)
        self.wire = Wire(
            self.board.transport, self.board, lanes=range(serving), on_packet=self.came, offload_acks=spared
        )
        self.programmer = Programmer(self.wire.programming(), "bench", wait=lambda: self.wire.run(1000))
        self.clients = [HttpClient(HOST, bytes([10, 16, 0, 16 + lane]), REQUEST) for lane in range(serving)]
        for lane, client in enumerate(self.clients):
            self.send(lane, client.start())

    def send(self, lane: int, packets: list[bytes]) -> None:
        for packet in packets:
            self.wire.send(lane, packet)

    def came(self, lane: int, packet: bytes) -> None:
        self.send(lane, self.clients[lane].react(packet))

    @property
    def served(self) -> int:
        return sum(len(client.pages) for client in self.clients)


def images(count: int) -> list[Image]:
    """Different ones, without a word that could be left out."""
    return [Image(f"random {n}", bytes(random.Random(n).choices(range(255), k=1024))) for n in range(count)]


def seconds_to_flash(count: int) -> float:
    """Board time from erase to the end of reading back."""
    bench = Bench()
    start = bench.board.time
    outcomes = bench.programmer.flash(dict(enumerate(images(count))), always=True)
    assert all(outcome.action == "written" for outcome in outcomes)
    assert [bench.board.tiny(n).flash for n in range(count)] == [image.data for image in images(count)]
    return bench.board.time - start


def test_time_to_flash(benchmark, figure):
    one = benchmark.pedantic(seconds_to_flash, args=(1,), rounds=1)
    sixteen = seconds_to_flash(16)
    figure("flash_wire_s", sixteen - NVM_SECONDS, "s beyond NVM time, write and read back", "<= 0.30")
    figure("flash_16_vs_1", sixteen / one, "x, sixteen images against one", "<= 1.1")


def test_serving_while_flashing(figure):
    def requests(flash: bool) -> tuple[int, float]:
        bench = Bench(serving=8)
        bench.wire.run(seconds=0.2)
        before, start = bench.served, bench.board.time
        if flash:
            outcomes = bench.programmer.flash({8 + n: image for n, image in enumerate(images(8))}, always=True)
            assert all(outcome.action == "written" for outcome in outcomes)
        else:
            bench.wire.run(seconds=2.5)
        return bench.served - before, bench.board.time - start

    (alone, seconds), (meanwhile, long) = requests(False), requests(True)
    assert alone > 100
    figure("serve_while_flashing_ratio", meanwhile / long / (alone / seconds), "of the requests/s without", ">= 0.9")


def test_verify_finds_every_wrong_bit(figure):
    """1,000 wrong bits, each in a word of its own, all over sixteen chips."""
    rng = random.Random(7)
    bench, wanted, found = Bench(), images(16), 0
    places = rng.sample([(lane, word) for lane in range(16) for word in range(512)], 1000)
    flashes = [bytearray(image.data) for image in wanted]
    injected = set()
    for lane, word in places:
        address, bit = 2 * word + rng.randrange(2), 1 << rng.randrange(8)
        flashes[lane][address] ^= bit
        injected.add((lane, address, bit))
    for lane, flash in enumerate(flashes):
        bench.board.load(lane, bytes(flash))
    for outcome in bench.programmer.verify(dict(enumerate(wanted))):
        found += sum((outcome.lane, d.address, d.wanted ^ d.found) in injected for d in outcome.differences)
        assert len(outcome.differences) == sum(lane == outcome.lane for lane, _, _ in injected)
    figure("verify_found", found, "wrong bits of 1,000", ">= 1000")
