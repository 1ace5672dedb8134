"""What happens on the wires: each kind of plane run, its order, its timing, its answer; packets that are refused."""

from __future__ import annotations

import random
import re
import struct
from itertools import pairwise

import pytest
from pump_board import CLOCK, EP_OUT, LANES, LED, OP, PS_PER_MS, Board, planes_of, run_of
from test_pump_cycles import README, table

ALL = 0xFFFF
HEADER = {name: bytes([opcode]) for name, opcode in OP.items()}
REFUSED = bytes([OP["REFUSED"], 0])


def lanes_at(board: Board, level: int) -> list[int]:
    """Lanes as the pump chip drives them (1 = released) at each edge of the clock to this level."""
    state, seen = ALL, []
    for edge in board.edges:
        if edge.signal in LANES:
            state = state & ~(1 << edge.signal) | (edge.level != 0) << edge.signal
        elif edge.signal == CLOCK and edge.level == level:
            seen.append(state)
    return seen


def random_planes(count: int, seed: int) -> list[int]:
    return [random.Random(seed * 1000 + i).randrange(0x10000) for i in range(count)]


@pytest.mark.parametrize("opcode", ["BOTH", "TX"])
@pytest.mark.parametrize("count", [1, 2, 30, 31])
def test_planes_reach_the_lanes_while_the_clock_is_low(board: Board, opcode: str, count: int) -> None:
    planes = random_planes(count, count)
    (answer,) = board.exchange(run_of(opcode, planes))
    assert answer[:2] == bytes([OP[opcode], count])
    assert lanes_at(board, 1) == planes, "each plane stands when the clock rises"
    assert lanes_at(board, 0) == [ALL, *planes[:-1]], "and until it falls again"


def test_a_plane_stays_on_the_lanes_after_the_run(board: Board) -> None:
    board.exchange(run_of("TX", [ALL, 0x1234]))
    board.run(50)
    assert board.driven_low() == 0x1234 ^ ALL


def test_both_samples_the_plane_before(board: Board) -> None:
    planes = random_planes(31, 7)
    first, second = board.exchange(run_of("BOTH", planes), run_of("BOTH", [ALL]))
    assert planes_of(first) == [ALL, *planes[:-1]]
    assert planes_of(second) == [planes[-1]]


def test_tx_answers_with_its_header_alone(board: Board) -> None:
    assert board.exchange(run_of("TX", [0] * 31)) == [bytes([OP["TX"], 31])]


def test_rx_releases_the_lanes_and_samples(board: Board) -> None:
    board.exchange(run_of("TX", [0x00FF]))
    board.forget()
    (answer,) = board.exchange(run_of("RX", 4))
    assert planes_of(answer) == [0x00FF, ALL, ALL, ALL]
    assert lanes_at(board, 1) == [ALL] * 4


def test_rx_sees_what_tinies_drive(powered: Board, striping_tiny: bytes) -> None:
    for lane in (0, 6, 9, 15):
        powered.load_tiny(lane, striping_tiny)
    powered.plug_in()
    powered.vendor_out("RESETS", ~(1 << 0 | 1 << 6 | 1 << 15) & ALL)
    powered.run(100)
    answers = powered.exchange(run_of("RX", 21), run_of("RX", 31), run_of("BOTH", [ALL] * 3))
    low = ALL ^ (1 << 0 | 1 << 6 | 1 << 15)
    assert planes_of(answers[0]) == [ALL] * 21
    assert planes_of(answers[1]) == [low, ALL] * 15 + [low]
    assert planes_of(answers[2]) == [ALL, low, ALL]


def idle_answer(answer: bytes) -> tuple[int, int]:
    """Count of planes run, last plane."""
    assert answer[:2] == bytes([OP["IDLE"], 1])
    return struct.unpack("<HH", answer[2:])


@pytest.mark.parametrize("n", [1, 2, 7, 255])
def test_idle_runs_256_planes_for_each_n(board: Board, n: int) -> None:
    (answer,) = board.exchange(run_of("IDLE", n))
    assert idle_answer(answer) == (256 * n, ALL)
    assert len(board.wire(CLOCK)) == 2 * 256 * n


def test_idle_ends_with_the_first_plane_that_has_a_lane_low(powered: Board, striping_tiny: bytes) -> None:
    powered.load_tiny(11, striping_tiny)
    powered.plug_in()
    powered.vendor_out("RESETS", ~(1 << 11) & ALL)
    powered.run(100)
    powered.forget()
    (answer,) = powered.exchange(run_of("IDLE", 255))
    assert idle_answer(answer) == (22, ~(1 << 11) & ALL)
    assert len(powered.wire(CLOCK)) == 2 * 22, "the plane that was low is a whole plane, as in RX"
    (after,) = powered.exchange(run_of("RX", 3))
    assert planes_of(after) == [ALL, ~(1 << 11) & ALL, ALL]


def test_idle_ends_when_the_next_packet_waits(board: Board) -> None:
    board.credit(2)
    board.out(run_of("IDLE", 255))
    board.run(20)
    board.out(run_of("TX", [ALL]))
    board.run(3)
    idle, tx = board.received()
    count, last = idle_answer(idle)
    assert 0 < count < 65280 and last == ALL
    assert 19 < count * table()["IDLE"][6] / 16_000 < 22, "about the 20 ms that nothing waited"
    assert tx == bytes([OP["TX"], 1])


def test_idle_behind_which_a_packet_waits_already_runs_one_plane(board: Board) -> None:
    for packet in (run_of("TX", [ALL]), run_of("TX", [ALL]), run_of("IDLE", 9), run_of("TX", [ALL])):
        board.out(packet)
    board.run(3)  # both IN banks are full, both OUT banks wait
    board.credit(4)
    board.run(3)
    assert idle_answer(board.received()[2]) == (1, ALL)


@pytest.mark.parametrize(
    "packet",
    [
        b"",
        HEADER["BOTH"],
        HEADER["TX"],
        HEADER["RX"],
        HEADER["IDLE"],
        HEADER["BOTH"] + b"\x00",
        HEADER["TX"] + b"\x00",
        HEADER["RX"] + b"\x00",
        HEADER["IDLE"] + b"\x00",
        HEADER["BOTH"] + b"\x01",
        HEADER["BOTH"] + b"\x01\xff",
        HEADER["BOTH"] + b"\x01\xff\xff\xff",
        HEADER["BOTH"] + b"\x02\xff\xff",
        HEADER["TX"] + b"\x1f" + bytes(61),
        HEADER["TX"] + b"\x1e" + bytes(62),
        HEADER["BOTH"] + b"\x20" + bytes(62),
        HEADER["BOTH"] + b"\x80",
        HEADER["TX"] + b"\x80",
        HEADER["TX"] + b"\x81\xff\xff",
        HEADER["BOTH"] + b"\xff" + bytes(62),
        HEADER["RX"] + b"\x20",
        HEADER["RX"] + b"\xff",
        HEADER["RX"] + b"\x01\xff",
        HEADER["RX"] + b"\x01\xff\xff",
        HEADER["IDLE"] + b"\x01\x00",
        b"\x00",
        b"\x00\x01",
        b"\x05\x01",
        b"\x05\x01\xff\xff",
        b"\xff\xff",
        bytes(64),
        b"\xff" * 64,
    ],
    ids=lambda packet: f"{packet[:3].hex()}..{len(packet)}",
)
def test_malformed_packets_are_refused_counted_and_move_nothing(board: Board, packet: bytes) -> None:
    good = run_of("BOTH", [0x5555, ALL])
    answers = board.exchange(packet, good, packet)
    assert answers == [REFUSED, bytes([OP["BOTH"], 2]) + struct.pack("<HH", ALL, 0x5555), REFUSED]
    assert len(board.wire(CLOCK)) == 2 * 2
    assert board.status()[1::2] == (2, 3)


def test_refusals_are_counted_modulo_256(board: Board) -> None:
    board.exchange(*[b"\x00\x00"] * 260)
    assert board.status()[1::2] == (4, 260)


def test_random_packets_get_one_answer_each_in_order(board: Board) -> None:
    chance = random.Random(5)
    packets, expected = [], []
    for _ in range(200):
        planes = [chance.randrange(0x10000) for _ in range(chance.randrange(1, 32))]
        kind = chance.choice(["BOTH", "TX", "RX", "bad"])
        good = run_of(kind, len(planes) if kind == "RX" else planes) if kind != "bad" else b""
        packets.append(good or b"\x09" * chance.randrange(65))
        expected.append(REFUSED if kind == "bad" else bytes([OP[kind], len(planes)]))
    answers = board.exchange(*packets)
    assert [answer[:2] for answer in answers] == expected


# --- timing ---


def phases(board: Board) -> tuple[set[int], list[int]]:
    """Lengths of the low phases, and from one rising edge to the next falling one, in cycles."""
    lengths = [(before.level, after.cycle - before.cycle) for before, after in pairwise(board.wire(CLOCK))]
    return {length for level, length in lengths if level == 0}, [length for level, length in lengths if level == 1]


@pytest.mark.parametrize("opcode", ["BOTH", "TX", "RX", "IDLE"])
@pytest.mark.parametrize("loops", [None, (1, 1), (32, 40), (255, 1)])
def test_the_clock_runs_as_the_budget_says(board: Board, opcode: str, loops: tuple[int, int] | None) -> None:
    low, high, default_low, default_high, *_ = table()[opcode]
    if loops:
        board.vendor_out("PADDING", loops[0] | loops[1] << 8, OP[opcode])
    more_low, more_high = loops or (default_low, default_high)
    board.exchange(run_of(opcode, [ALL] * 31 if opcode in ("BOTH", "TX") else 31))
    lows, highs = phases(board)
    assert lows == {low + 3 * more_low}
    assert set(highs) == {high + 3 * more_high}


@pytest.mark.parametrize("opcode", ["BOTH", "TX", "RX", "IDLE"])
def test_a_packet_adds_what_the_budget_says(board: Board, opcode: str) -> None:
    loops, (_, high, *_, adds) = 200, table()[opcode]
    board.vendor_out("PADDING", loops | loops << 8, OP[opcode])
    board.forget()
    planes = [ALL] * 31 if opcode in ("BOTH", "TX") else 31 if opcode == "RX" else 1
    board.exchange(*[run_of(opcode, planes)] * 8)
    _, highs = phases(board)
    assert sorted(highs)[-7:] == [high + 3 * loops + adds] * 7, "between each two of the eight packets"


def rate(board: Board, packet: bytes, planes: int, ms: int = 60) -> float:
    """Planes/s with the host's queues never empty, after 10 ms of it."""
    board.credit(100_000)
    answers = [0] * (10 + ms)
    for elapsed in range(10 + ms):
        while board.out(packet):
            pass
        until = board.time + PS_PER_MS
        while board.time < until:
            board.step(until)
            answers[elapsed] += len(board.received())
    return sum(answers[10:]) * planes * 1000 / ms


def in_readme(opcode: str) -> int:
    """Planes/s over USB, as the README has it."""
    found = re.search(rf"^\| {opcode} \|.* \| ([\d,]+) \|$", README, re.MULTILINE)
    assert found
    return int(found[1].replace(",", ""))


def full(opcode: str) -> bytes:
    return run_of(opcode, 31 if opcode == "RX" else [ALL] * 31)


def test_both_ways_reach_290_000_planes_a_second(board: Board) -> None:
    assert rate(board, full("BOTH"), 31) >= 290_000


@pytest.mark.parametrize("opcode", ["BOTH", "TX", "RX"])
def test_planes_per_second_are_those_of_the_readme(board: Board, opcode: str) -> None:
    assert rate(board, full(opcode), 31) == pytest.approx(in_readme(opcode), rel=0.01)


@pytest.mark.parametrize(("opcode", "loops"), [("TX", (4, 1)), ("RX", (3, 2))])
def test_one_way_runs_with_less_padding_reach_440_000_planes_a_second(
    board: Board, opcode: str, loops: tuple[int, int]
) -> None:
    board.vendor_out("PADDING", loops[0] | loops[1] << 8, OP[opcode])
    assert rate(board, full(opcode), 31) >= 440_000


def test_the_led_is_on_while_runs_flow(board: Board) -> None:
    board.exchange(*[run_of("BOTH", [ALL] * 31)] * 20)
    on = [edge for edge in board.wire(LED) if edge.level]
    assert on and on[0].ps < board.wire(CLOCK)[0].ps
    board.run(5)
    assert board.wire(LED)[-1].level == 0


def test_packets_of_another_endpoint_are_not_taken(board: Board) -> None:
    board.call("out", EP_OUT + 2, run_of("TX", [0]), 4)
    board.run(5)
    assert board.wire(CLOCK) == [] and board.status()[3] == 0
