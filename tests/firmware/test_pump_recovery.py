"""Whatever the host does, and whenever: the pump goes on, or starts anew. Nothing is left driven behind it."""

from __future__ import annotations

import random
import struct
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile
from pump_board import CLOCK, LANES, RESETS, Board, planes_of, run_of
from test_pump_planes import ALL, idle_answer

DEVICE_DESCRIPTOR = (0x80, 6, 0x0100, 0, 18)
BOTH = run_of("BOTH", [0x0F0F, ALL] * 15 + [ALL])


def serves(board: Board) -> bool:
    """A BOTH run gives what it should."""
    (answer,) = board.exchange(run_of("BOTH", [0x5AA5, ALL]), ms=50)
    return planes_of(answer)[1:] == [0x5AA5]


def collect(board: Board, ms: float) -> list[bytes]:
    board.run(ms)
    return board.received()


# --- EP0 at any time ---


def test_ep0_answers_in_the_middle_of_plane_traffic(board: Board) -> None:
    board.credit(60)
    assert all(board.out(BOTH) for _ in range(60))
    for _ in range(10):
        assert board.control(*DEVICE_DESCRIPTOR)[:2] == b"\x12\x01"
        board.vendor_out("RESETS", 0xFFFF)
    answers = [*board.received(), *collect(board, 20)]
    assert [answer[:2] for answer in answers] == [BOTH[:2]] * 60
    for answer in answers[1:]:
        assert planes_of(answer) == [ALL, *struct.unpack("<30H", BOTH[2:62])]


def test_ep0_ends_an_idle_run_and_is_answered(board: Board) -> None:
    board.credit(1)
    board.out(run_of("IDLE", 255))
    board.run(5)
    before = board.time
    assert board.status()[3] == 1
    assert board.time - before < 3e9, "not after the 140 ms of the whole run"
    count, last = idle_answer(*collect(board, 5))
    assert 4 < count * 35 / 16_000 < 7 and last == ALL
    assert serves(board)


def test_ep0_answers_while_the_in_banks_are_full(board: Board) -> None:
    packets = [run_of("BOTH", [0x100 + i, ALL]) for i in range(10)]
    assert all(board.out(packet) for packet in packets)
    board.run(20)
    assert board.status()[3] == 2, "two IN banks"
    board.vendor_out("RESETS", 0xFFF0)
    board.run(2000)
    assert board.running == 0x000F, "the watchdog has been fed"
    board.credit(10)
    answers = collect(board, 20)
    assert [planes_of(answer)[1] for answer in answers] == [0x100 + i for i in range(10)]


@pytest.mark.parametrize(
    "setup", [DEVICE_DESCRIPTOR, (0x00, 5, 77), (0x40, 2, 0xFFFF), (0x00, 9, 2), (0x21, 0x22, 3), (0x40, 2, 0, 0, 8)]
)
def test_a_setup_that_the_host_abandons_stops_nothing(board: Board, setup: tuple[int, ...]) -> None:
    """Its data and status stages never come, but planes flow, and the next SETUP is answered, at the same address."""
    board.control(0x00, 5, 9)
    board.run(2)
    for _ in range(3):
        board.setup_alone(9, *setup)
        assert serves(board)
        board.setup_alone(9, *setup)
        board.run(0.2)
        board.setup_alone(9, *setup)
        board.run(0.2)
        assert board.control(*DEVICE_DESCRIPTOR)[:2] == b"\x12\x01"
    board.setup_alone(9, *setup)
    board.run(2000)
    assert board.status()[2] == 0xFFFF
    assert serves(board)


def test_setups_faster_than_they_can_be_served(board: Board) -> None:
    chance = random.Random(11)
    board.cut_short = True
    board.control(0x00, 5, 9)
    board.run(2)
    for _ in range(40):
        for _ in range(5):
            board.setup_alone(9, *DEVICE_DESCRIPTOR)
            board.run(chance.random() * 0.06)
        board.run(0.2)
        assert board.control(*DEVICE_DESCRIPTOR)[:2] == b"\x12\x01"
    assert serves(board)


def test_ep0_between_all_packets_loses_none(board: Board) -> None:
    chance = random.Random(3)
    sent = received = 0
    board.credit(1000)
    for _ in range(150):
        while chance.random() < 0.7 and board.out(BOTH):
            sent += 1
        board.status()
        board.run(chance.random())
        received += len(board.received())
    received += len(collect(board, 20))
    assert received == sent == board.status()[3]


# --- bus reset, suspend, the cable ---


@pytest.mark.parametrize("kind", ["BOTH", "TX", "RX", "IDLE", "nothing", "full IN banks"])
def test_a_bus_reset_at_any_time(board: Board, kind: str) -> None:
    chance = random.Random(kind)
    board.cut_short = True
    for _ in range(12):
        if kind not in ("nothing", "full IN banks"):
            board.credit(60)
        if kind != "nothing":
            packet = {"TX": b"\x02" + BOTH[1:], "RX": run_of("RX", 31), "IDLE": run_of("IDLE", 255)}.get(kind, BOTH)
            for _ in range(1 if kind == "IDLE" else 20):
                board.out(packet)
        board.run(chance.random() * 3)
        before = board.time
        board.call("reset")
        assert board.time - before < 11e9
        board.run(1)
        assert board.driven_low() == 0, "lanes are released"
        board.received()
        board.plug_in()
        board.received()
        assert serves(board)


def test_a_bus_reset_unconfigures_and_is_counted_and_keeps_the_resets(board: Board) -> None:
    board.vendor_out("RESETS", 0x00FF)
    before = board.status()
    board.call("reset")
    assert board.control(0x80, 8, 0, 0, 1) == b"\x00"
    board.plug_in()
    after = board.status()
    assert after[0] > before[0] and after[1:] == before[1:]
    assert board.running == 0xFF00


def test_suspend_releases_the_lanes_and_stops_and_resume_goes_on(board: Board) -> None:
    board.exchange(run_of("TX", [0x0000]))
    assert board.driven_low() == ALL
    board.call("suspend")
    board.run(10)
    assert board.driven_low() == 0
    board.forget()
    board.run(5000)
    assert board.edges == [], "and the watchdog has been fed"
    board.call("resume")
    assert board.control(0x80, 8, 0, 0, 1) == b"\x01"
    assert serves(board)


@pytest.mark.parametrize("ms", [0, 0.05, 0.3, 1, 2.7, 5])
def test_suspend_in_the_middle_of_traffic(board: Board, ms: float) -> None:
    board.credit(60)
    for _ in range(60):
        board.out(BOTH)
    board.run(ms)
    board.call("suspend")
    board.run(20)
    assert board.driven_low() == 0
    board.call("resume")
    board.run(30)
    assert board.status()[3] == 60
    board.received()
    assert serves(board)


def test_a_bus_reset_ends_suspend(board: Board) -> None:
    board.call("suspend")
    board.run(50)
    board.call("reset")
    board.plug_in()
    assert serves(board)


def test_a_pulled_cable_releases_the_lanes_and_a_new_host_can_come(board: Board) -> None:
    for _ in range(3):
        board.vendor_out("RESETS", 0xFFFE)
        board.exchange(run_of("TX", [0x0000]))
        board.out(run_of("TX", [0x1111]))
        board.call("detach")
        board.run(20)
        assert board.driven_low() == 0
        assert board.running == 0x0001, "tinies run on"
        board.forget()
        board.run(3000)
        assert board.wire(*LANES, CLOCK, *RESETS) == []
        board.plug_in()
        board.received()
        assert serves(board)


@pytest.mark.parametrize("request_", [(0x00, 9, 1), (0x01, 11, 0)], ids=["SET_CONFIGURATION", "SET_INTERFACE"])
def test_a_host_can_start_afresh(board: Board, request_: tuple[int, int, int]) -> None:
    """Packets and answers that an earlier program left in the banks are gone, and the lanes are released."""
    for _ in range(4):
        board.out(run_of("TX", [0x0000]))
    board.run(10)
    board.control(*request_)
    assert board.driven_low() == 0
    answers = board.exchange(run_of("RX", 2))
    assert planes_of(answers[0]) == [ALL, ALL]


# --- power ---


@pytest.mark.parametrize("seed", range(8))
def test_power_on_gives_no_glitch_on_reset_or_lanes(simulator: object, pump_image: bytes, seed: int) -> None:
    """The 74HC595s wake up with any value; it must never come out."""
    board = Board(simulator, pump_image, seed)
    board.plug_in()
    board.run(50)
    levels = {RESETS: 0, LANES: 2}  # held in reset, released; told at 0 ps, and no edge after
    for wires, level in levels.items():
        assert [(edge.level, edge.ps) for edge in board.wire(*wires)] == [(level, 0)] * 16
    board.vendor_out("RESETS", 0x0000)
    assert board.running == ALL
    board.close()


def test_a_change_of_the_resets_moves_only_the_lines_that_change(board: Board) -> None:
    board.vendor_out("RESETS", 0xF0F0)
    board.forget()
    board.vendor_out("RESETS", 0xF1F0)
    assert [(edge.signal, edge.level) for edge in board.wire(*RESETS)] == [(RESETS[8], 0)]


def test_the_watchdog_starts_a_hung_pump_anew(simulator: object, pump_elf: Path, pump_image: bytes) -> None:
    """A firmware with a hole: its first plane of TX never ends."""
    with pump_elf.open("rb") as file:
        at = ELFFile(file).get_section_by_name(".symtab").get_symbol_by_name("tx_plane")[0]["st_value"]
    hang = b"\xff\xcf"  # RJMP to itself
    board = Board(simulator, pump_image[:at] + hang + pump_image[at + 2 :])
    board.plug_in()
    board.vendor_out("RESETS", 0x0000)
    board.exchange(run_of("BOTH", [0x0000]))
    assert (board.running, board.driven_low()) == (ALL, ALL)
    board.exchange(run_of("TX", [ALL]), ms=800)
    assert (board.running, board.driven_low()) == (ALL, ALL)
    board.run(400)
    assert (board.running, board.driven_low()) == (0, 0), "as at power-on"
    board.plug_in()
    assert board.status()[1:] == (0, 0xFFFF, 0)
    assert serves(board)
    board.close()
