"""tinymux._simulator: the thin layer over the simulated board."""

from __future__ import annotations

import gc
import threading

import pytest
from boardbench import pump
from test_board_wires import FAST, TINY

from tinymux import _simulator
from tinymux.errors import BoardError

BLINK = FAST + "sbi DDRB,2 / 1: sbi PORTB,2 / rjmp 1b"
RX = bytes([3, 31])  # protocol.toml: opcode RX, 31 planes


@pytest.fixture
def board():
    return _simulator.Board(pump())


def test_a_board_is_enumerated_when_it_is_made(board):
    assert board.attached
    assert 0.1 < board.time < 1
    assert board.control(0x80, 6, 0x100, 0, 18)[8:12].hex() == "09120100"
    assert board.pump.misuse == board.pump.unknown == board.pump.illegal == 0


def test_unconnected_boards_are_at_time_0_and_not_on_the_bus():
    board = _simulator.Board(pump(), connect=False)
    assert board.time == 0
    assert not board.attached
    board.enumerate()
    assert board.attached


def test_the_serial_number_comes_from_the_signature_row():
    board = _simulator.Board(pump(), serial=bytes(range(10)))
    assert board.control(0x80, 6, 0x303, 0x409, 64)[2:].decode("utf-16-le") == bytes(range(10)).hex().upper()


def test_bulk_packets_pass(board):
    board.usb_credit(0x82, 1)
    assert board.usb_out(0x01, RX)
    assert board.run(0.01)
    assert board.usb_in(0x82) == RX + b"\xff" * 62
    assert board.usb_in(0x82) is None
    assert board.usb_out_waiting(0x01) == 0


def test_tinies_can_be_looked_at(avr_image):
    image = avr_image(TINY + BLINK)
    board = _simulator.Board(pump(), [image, None, image])
    assert board.tiny(0).in_reset
    assert board.tiny(0).flash == image.ljust(1024, b"\xff")
    assert board.tiny(1).flash == board.tiny(15).flash == b"\xff" * 1024
    board.control(0x40, 2, 0xFFFA)  # 0 and 2 run
    board.run(0.08)
    assert [board.tiny(lane).in_reset for lane in range(4)] == [False, True, False, True]
    assert [board.tiny(lane).user for lane in range(4)] == ["high", "released", "high", "released"]
    assert board.tiny(0).cycles > 0 == board.tiny(1).cycles
    assert (len(board.tiny(0).ram), len(board.tiny(0).registers)) == (32, 16)


def test_power_cycle_and_replug(board):
    board.control(0x40, 2, 0)
    before = board.time
    board.power_cycle()
    assert board.time > before + 0.1
    assert board.tiny(0).in_reset
    board.usb("detach")
    assert not board.attached
    with pytest.raises(BoardError, match="No such device"):
        board.control(0xC0, 1, data=4)
    board.enumerate()
    assert board.control(0xC0, 1, data=4)


def test_a_stall_is_an_error_that_names_the_request(board):
    with pytest.raises(BoardError, match="0xc0 99: Broken pipe"):
        board.control(0xC0, 99, data=1)


def test_the_transport_keeps_its_board_alive():
    board = _simulator.Board(pump())
    capsule = board.transport
    assert '"tinymux.transport"' in repr(capsule)
    del board
    gc.collect()
    del capsule
    gc.collect()


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"tinies": [b""] * 17}, "17 images"),
        ({"tinies": [bytes(1025)]}, "load tiny 0: File too large"),
        ({"pump": bytes(32769)}, "load the pump chip: File too large"),
        ({"pump": b""}, "enumerate"),
        ({"serial": b"short"}, "ten bytes"),
        ({"rc_error": [0] * 15}, "sixteen"),
        ({"rc_error": 10**6}, "500000"),
        ({"lane_noise": 1.5}, "probabilities"),
        ({"byte_loss": -1}, "probabilities"),
        ({"host_latency_us": 2001}, "2000"),
        ({"depth": 0}, "Invalid argument"),
        ({"depth": 65}, "Invalid argument"),
    ],
)
def test_wrong_settings_are_refused(settings, says):
    arguments = {"pump": pump(), **settings}
    with pytest.raises(BoardError, match=says):
        _simulator.Board(arguments.pop("pump"), arguments.pop("tinies", ()), **arguments)


def test_the_interpreter_is_free_while_a_board_runs(board):
    seen = []
    done = threading.Event()

    def count() -> None:
        while not done.wait(0.001):
            seen.append(1)

    thread = threading.Thread(target=count)
    thread.start()
    board.usb_credit(0x82, 1)
    board.usb_out(0x01, bytes([4, 255]))  # an idle run: 65,280 planes, 140 ms
    board.run(0.15)
    done.set()
    thread.join()
    assert seen
