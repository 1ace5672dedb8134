"""The programs in avr/ besides the server: each does what its page says, at the slowest and the fastest clock."""

from __future__ import annotations

import itertools
import re
import struct
from pathlib import Path

import pytest

from tinymux import _simulator
from tinymux._engine import Wire
from tinymux.images import ATMEGA32U4, firmware, load
from tinymux.images.gate import check
from tinymux.images.probes import HOST, TINY, internet_checksum, ping, udp

PROGRAMS = ("server", "blog", "microblog", "hello", "echo", "blink", "selftest")
PAGES = Path(__file__).resolve().parents[2] / "docs" / "programs"
RC = (-100_000, 0, 100_000)


def served(name: str) -> tuple[_simulator.Board, Wire]:
    image = load(firmware(f"{name}.elf")).data
    errors = [*RC, *[0] * 13]
    board = _simulator.Board(load(firmware("pump.elf"), ATMEGA32U4).data, [image] * 3, rc_error=errors, seed=3)
    wire = Wire(board.transport, board, lanes=range(3))
    wire.run(seconds=0.1)
    return board, wire


def ask(wire: Wire, packet: bytes) -> dict[int, bytes]:
    for lane in range(3):
        wire.send(lane, packet)
    wire.run(20_000)
    return dict(wire.receive())


def sums(packet: bytes) -> bool:
    """Header, and UDP where it has a checksum, come to zero."""
    body = packet[20:]
    pseudo = packet[12:20] + bytes((0, packet[9])) + len(body).to_bytes(2, "big")
    whole = internet_checksum(body) if packet[9] == 1 else internet_checksum(pseudo + body)
    return internet_checksum(packet[:20]) == b"\0\0" and (
        whole == b"\0\0" or (packet[9] == 17 and body[6:8] == b"\0\0")
    )


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_gate_admits_it(name):
    verdict = check(load(firmware(f"{name}.elf")))
    assert verdict.admitted, verdict.refused


@pytest.mark.parametrize("name", sorted({*PROGRAMS} - {"microblog"}))
def test_its_page_tells_where_its_bytes_went(name):
    page = (PAGES / f"{name}.md").read_text()
    *parts, whole = map(int, re.findall(r"^\| (\d+) \|", page.split("## Where its bytes go")[1], re.M))
    assert sum(parts) == whole == len(load(firmware(f"{name}.elf")).data)
    assert f"avr/{name}/" in page and "## What to learn from it" in page


@pytest.mark.parametrize("name", ["hello", "echo"])
@pytest.mark.parametrize("size", [0, 7, 12])
def test_ping(name, size):
    _, wire = served(name)
    answers = ask(wire, ping(b"\xc0\xdbtinymux!!!"[:size]))
    assert sorted(answers) == [0, 1, 2]
    for packet in answers.values():
        assert packet[12:20] == TINY + HOST and packet[20] == 0 and packet[28:] == b"\xc0\xdbtinymux!!!"[:size]
        assert sums(packet)


@pytest.mark.parametrize("payload", [b"", b"\xdb", b"twelve bytes", b"\xc0" * 11])
def test_echo_sends_a_datagram_back(payload):
    _, wire = served("echo")
    answers = ask(wire, udp(payload))
    assert sorted(answers) == [0, 1, 2]
    for packet in answers.values():
        assert packet[12:20] == TINY + HOST
        assert struct.unpack("!HHH", packet[20:26]) == (7, 49152, 8 + len(payload))
        assert packet[28:] == payload and sums(packet)


def test_echo_drops_what_it_cannot_hold_or_check_and_goes_on():
    _, wire = served("echo")
    right = udp(b"ping")
    for wrong in (udp(b"thirteen char"), udp(b"no sum", checksum=False), right[:-1] + b"G", udp(bytes(400))):
        assert ask(wire, wrong) == {}
        assert sorted(ask(wire, right)) == [0, 1, 2]


def test_selftest_reports_ram_pins_flash_and_clock():
    board, wire = served("selftest")
    for lane, packet in ask(wire, udp(b"?")).items():
        assert sums(packet)
        broken, pins, flash, turns = struct.unpack("<BBHH", packet[34:40])
        assert (broken, pins) == (0, 4)
        assert flash == sum(board.tiny(lane).flash) & 0xFFFF
        cycles = 8 * (1 + RC[lane] / 1e6) / 0.2945  # of a tiny, a plane
        assert turns * 6 / 16 == pytest.approx(cycles, rel=0.25)


def test_selftest_finds_a_wrong_bit_in_flash():
    image = bytearray(load(firmware("selftest.elf")).data.ljust(1024, b"\xff"))
    image[1000] ^= 0x10
    board = _simulator.Board(load(firmware("pump.elf"), ATMEGA32U4).data, [bytes(image)])
    wire = Wire(board.transport, board, lanes=[0])
    wire.run(seconds=0.1)
    wire.send(0, udp(b""))
    wire.run(20_000)
    [(_, packet)] = wire.receive()
    assert struct.unpack("<H", packet[36:38])[0] == (sum(image) & 0xFFFF) != sum(image) + 0x10 & 0xFFFF


def test_blink_changes_its_pin_four_times_a_second_and_leaves_the_lane_alone():
    board, wire = served("blink")
    levels, lanes = [], set()
    for _ in range(200):
        board.run(0.01)
        levels.append(board.tiny(1).user)
        lanes.add(board.tiny(1).lane)
    changes = sum(a != b for a, b in itertools.pairwise(levels))
    assert set(levels) == {"high", "low"} and lanes == {"released"}
    assert 7 <= changes <= 9
    assert wire.counters(1)["suspect"] == 0
