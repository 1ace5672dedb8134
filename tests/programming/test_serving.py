"""Programming beside serving: neighbours go on, and a tiny in service changes its program."""

from __future__ import annotations

import os
import socket
import time

import pytest

from tinymux import SimulatedBoard, _simulator
from tinymux._engine import Engine, Wire
from tinymux.errors import BoardError
from tinymux.images import ATMEGA32U4, Image, firmware, load
from tinymux.images.probes import ping
from tinymux.programmer import Programmer


def test_neighbours_keep_serving():
    """Three lanes ping without a pause while thirteen are programmed: no ping is lost, and little time."""
    answered = [0] * 16
    images = [load(firmware("hello.elf")).data] * 3
    board = _simulator.Board(load(firmware("pump.elf"), ATMEGA32U4).data, images, seed=2)

    def came(lane: int, packet: bytes) -> None:
        answered[lane] += 1
        wire.send(lane, ping(b"again"))

    wire = Wire(board.transport, board, lanes=range(3), on_packet=came)
    for lane in range(3):
        wire.send(lane, ping(b"first"))
    wire.run(seconds=0.2)

    def rate(work) -> float:
        before, start = sum(answered), board.time
        work()
        return (sum(answered) - before) / (board.time - start)

    def flash() -> None:
        outcomes = programmer.flash({lane: Image("noise", os.urandom(200)) for lane in range(3, 16)})
        assert all(outcome.action == "written" for outcome in outcomes)

    programmer = Programmer(wire.programming(), "sim", wait=lambda: wire.run(1000))
    alone = rate(lambda: wire.run(seconds=0.3))
    assert rate(flash) >= 0.85 * alone
    for lane in range(3):
        counters = wire.counters(lane)
        assert counters["silences"] == counters["collisions"] == counters["resets"] == 0


@pytest.fixture
def served():
    """An engine with a hello on lanes 3 and 4, on sockets instead of tuns."""
    image = firmware("hello.elf")
    opened = SimulatedBoard(image=image).open()
    for lane in range(16):
        opened.owner.tune(lane, word_s=100e-6, erase_s=300e-6)
    engine = Engine()
    engine.add_board(opened.transport, opened.owner)
    hosts = {}
    for lane in (3, 4):
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.settimeout(5)
        engine.attach(0, lane, theirs.fileno())
        theirs.close()
        hosts[lane] = ours
    engine.start()
    yield engine, hosts, opened.owner
    engine.stop()
    for host in hosts.values():
        host.close()


def answers(host: socket.socket) -> bool:
    host.send(ping(b"hello"))
    try:
        return host.recv(2000)[28:] == b"hello"
    except TimeoutError:
        return False


def programmer(engine: Engine) -> Programmer:
    return Programmer(engine.programming(0), "b0", start=lambda lane: engine.reset(0, lane))


def test_a_tiny_in_service_is_flashed_and_serves_again(served):
    engine, hosts, board = served
    assert answers(hosts[3]) and answers(hosts[4])
    echo = load(firmware("echo.elf"))
    [outcome] = programmer(engine).flash({3: echo})
    assert outcome.action == "written"
    assert board.tiny(3).flash == echo.data.ljust(1024, b"\xff")
    assert answers(hosts[3]) and answers(hosts[4])


def test_a_tiny_that_fails_stays_in_reset_until_it_is_flashed(served):
    engine, hosts, board = served
    board.tune(3, supply_mv=3300)
    [outcome] = programmer(engine).flash({3: load(firmware("echo.elf"))})
    assert outcome.action == "failed"
    time.sleep(0.1)
    assert board.tiny(3).in_reset
    assert answers(hosts[4])
    board.tune(3, supply_mv=5000)
    assert programmer(engine).flash({3: load(firmware("echo.elf"))})[0].action == "written"
    assert answers(hosts[3])


def test_reading_a_tiny_in_service_lets_it_serve_again(served):
    engine, hosts, _ = served
    [outcome] = programmer(engine).read([3])
    assert outcome.data == load(firmware("hello.elf")).data.ljust(1024, b"\xff")
    assert answers(hosts[3])


def test_a_reset_asked_for_meanwhile_waits(served):
    engine, hosts, board = served
    programming = engine.programming(0)
    programming.begin([3])
    engine.reset(0, 3)
    time.sleep(0.05)
    assert board.tiny(3).in_reset
    with pytest.raises(BoardError, match="busy"):
        programmer(engine).read([3])
    programming.end([3])
    assert answers(hosts[3])
