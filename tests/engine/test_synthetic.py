"""The synthetic board: answers as tinies would, at a board's own pace; and the half blocks of planes that it shares."""

from __future__ import annotations

import ctypes
import random

import pytest
from conftest import ENGINE, built
from model import ipv4, ping, tcp

from tinymux._engine import SyntheticBoard, Wire

HOST, NODE = b"\x0a\0\0\1", b"\x0a\0\0\2"


def answered(packet: bytes) -> bytes:
    """A UDP packet's answer: addresses change places."""
    return packet[:12] + packet[16:20] + packet[12:16] + packet[20:]


@pytest.fixture
def board():
    return SyntheticBoard()


def wire_on(board: SyntheticBoard, **options) -> Wire:
    return Wire(board.transport, board, startup_ms=1, **options)


@pytest.mark.parametrize("duplex", [0, 1])
@pytest.mark.parametrize("content", [b"", bytes(range(256)), b"\xc0\xdb" * 300, b"\x01\x80\xff\0" * 360])
def test_every_lane_answers_what_it_got(board, duplex, content):
    wire = wire_on(board, duplex=duplex)
    packet = ipv4(content, protocol=17)
    for lane in range(16):
        wire.send(lane, packet)
    wire.run()
    assert sorted(wire.receive()) == [(lane, answered(packet)) for lane in range(16)]
    counters = [wire.counters(lane) for lane in range(16)]
    assert not any(value for each in counters for name, value in each.items() if name.startswith(("drop", "coll")))


def test_a_ping_gets_its_reply(board):
    wire = wire_on(board)
    wire.send(3, ping())
    wire.run()
    ((lane, answer),) = wire.receive()
    assert (lane, answer[20], answer[24:]) == (3, 0, ping()[24:])


def test_what_is_no_good_packet_is_dropped_in_silence(board):
    wire = wire_on(board)
    damaged = bytearray(tcp(2))
    damaged[10] ^= 1
    wire.send(0, damaged)
    wire.send(0, ping())
    wire.run()
    assert len(wire.receive()) == 1


@pytest.mark.parametrize("duplex", [0, 1])
def test_it_takes_the_time_that_a_board_with_tinies_takes(board, duplex):
    """One way and the other: the server's echo of 40 bytes on the simulated board is 814 to 848 packets/s."""
    wire = wire_on(board, duplex=duplex, on_packet=lambda lane, packet: wire.send(lane, ping()))
    for lane in range(16):
        wire.send(lane, ping())
    wire.run(seconds=0.1)
    before, start, planes = wire.counters(0)["packets_in"], wire.seconds, wire.planes
    wire.run(seconds=0.5)
    passed = wire.seconds - start
    packets = 2 * (wire.counters(0)["packets_in"] - before) / passed
    assert 550 < packets < 650 if not duplex else 780 < packets < 900
    if not duplex:
        assert (wire.planes - planes) / passed == pytest.approx(294_377, rel=0.001)


@pytest.mark.parametrize("size", [12, 80, 420])
def test_lanes_fall_into_step_however_long_their_frames_are(board, size):
    packet = ipv4(bytes(size), protocol=17)
    wire = wire_on(board, on_packet=lambda lane, _: wire.send(lane, packet))
    for lane in range(16):
        wire.send(lane, packet)
        wire.run(700)
    wire.run(seconds=0.5)
    before = wire.board_counters()
    wire.run(seconds=0.5)
    after = wire.board_counters()
    planes = {name: after[f"planes_{name}"] - before[f"planes_{name}"] for name in ("both", "tx", "rx")}
    assert planes["both"] < 0.1 * sum(planes.values())


def test_a_tiny_in_reset_says_nothing(board):
    wire = wire_on(board, lanes=[1], suspect=2)
    for lane in (1, 2):
        wire.send(lane, ping())
    wire.run(50_000)
    assert [lane for lane, _ in wire.receive()] == [1]


def test_half_blocks_are_halves_of_blocks():
    sources = [ENGINE / "run_planes.c", *(ENGINE / f"{name}.c" for name in ("planes", "planes_x86", "planes_gfni"))]
    library = ctypes.CDLL(str(built("run-planes", sources, "undefined")))
    rng = random.Random(3)
    for _ in range(200):
        planes, words, expected = rng.randbytes(64), (ctypes.c_uint64 * 16)(), (ctypes.c_uint64 * 16)()
        library.run_to_lanes(words, planes)
        library.planes_to_lanes(expected, planes + bytes(64), 1)
        assert list(words) == list(expected)
        for lane in range(16):
            words[lane] |= rng.getrandbits(32) << 32
        back = ctypes.create_string_buffer(64)
        library.run_to_planes(back, words)
        assert back.raw == planes
