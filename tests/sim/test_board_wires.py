"""The wires of the board: lanes, clock, 74HC595s. The pump chip runs a few lines of assembly."""

from __future__ import annotations

import tomllib

import pytest
from boardbench import CYCLE, ROOT, US, R, program

LANE, PIN, USER, RESET, CLOCK, LED = 0, 16, 32, 48, 64, 65  # signals of a trace: board.h
RELEASED = 2
FULL_SPEED = "ldi r16,0x80 / sts 0x61,r16 / ldi r16,0 / sts 0x61,r16 / "
NO_JTAG = "ldi r16,0x80 / out MCUCR,r16 / out MCUCR,r16 / "
PORT_F = NO_JTAG + "ldi r16,0x10 / out PORTF,r16 / ldi r16,0xF0 / out DDRF,r16 / "  # /OE high first
# tinies; I/O registers by number
FAST = "ldi r16,0xD8 / out CCP,r16 / ldi r16,0 / out CLKPSR,r16 / "
TINY = "#define __SFR_OFFSET 0\n#include <avr/io.h>\n"


def shift_out(value: int) -> str:
    """Shift a 16-bit value into the 595s, bit 15 first, and latch it."""
    code = ""
    for bit in range(15, -1, -1):
        code += ("sbi" if value >> bit & 1 else "cbi") + " PORTF,7 / sbi PORTF,6 / cbi PORTF,6 / "
    return code + LATCH


STOP = "1: rjmp 1b / "
LATCH = "sbi PORTF,5 / cbi PORTF,5 / "
ENABLE = "cbi PORTF,4 / "


# All tinies out of reset; the clock is driven high.
START = FULL_SPEED + PORT_F + "sbi PORTC,6 / sbi DDRC,6 / " + shift_out(0xFFFF) + ENABLE


@pytest.fixture
def tiny(avr_image):
    return lambda code: avr_image(TINY + FAST + code)


# --- resets ---


def test_all_tinies_are_in_reset_until_the_firmware_says_otherwise(board):
    board.new().started()
    assert board.get("running") == 0


def test_shifting_alone_changes_nothing_until_oe_is_low(board):
    board.new(program(FULL_SPEED + PORT_F + shift_out(0xFFFF) + STOP)).started()
    assert board.get("running") == 0


@pytest.mark.parametrize("value", [0x0001, 0x8000, 0x00FF, 0xA5C3])
def test_register_bits_reach_the_lanes_of_the_wiring_table(board, value):
    wiring = tomllib.loads((ROOT / "board" / "wiring.toml").read_text())
    board.new(program(FULL_SPEED + PORT_F + shift_out(value) + ENABLE + STOP)).started()
    expected = sum((value >> entry["reset"] & 1) << lane for lane, entry in enumerate(wiring["lanes"]["map"]))
    assert board.get("running") == expected


def test_oe_high_holds_all_in_reset_again(board):
    board.new(program(START + "nop / nop / sbi PORTF,4 / " + STOP))
    board.ask("trace")
    board.started()
    assert board.get("running") == 0
    assert {signal for signal, level, _ in board.changes() if signal in range(RESET, RESET + 16) and level} == set(
        range(RESET, RESET + 16)
    )


def test_outputs_change_at_the_latch_only(board):
    code = FULL_SPEED + PORT_F + shift_out(0) + ENABLE + shift_out(0xFFFF).removesuffix(LATCH)
    board.new(program(code + STOP)).started()
    assert board.get("running") == 0


def test_a_watchdog_reset_of_the_pump_chip_holds_the_tinies_in_reset_at_once(board):
    board.new(program(START + "wdr / ldi r16,8 / sts WDTCSR,r16 / " + STOP))  # 16 ms
    board.ask("trace")
    board.started()
    board.run(50_000 * US)
    seen = [(level, ps) for signal, level, ps in board.changes() if signal == RESET]
    assert [level for level, _ in seen] == [1, 0]
    assert 16_000 * US <= seen[1][1] - seen[0][1] < 16_100 * US


# --- lanes ---


def test_a_lane_reads_high_by_its_pull_up(board):
    board.new(program("in r16,PINB / out GPIOR0,r16 / in r16,PIND / out GPIOR1,r16 / " + STOP)).started()
    assert (board.peek(R.GPIOR0), board.peek(R.GPIOR1)) == (0xFF, 0xFF)


@pytest.mark.parametrize(("rise_ns", "nops"), [(0, 0), (500, 8), (660, 11)])
def test_a_released_lane_rises_as_late_as_its_pull_up_makes_it(board, rise_ns, nops):
    # release in cycle 0, the wire moves at its end; IN in cycle n + 1 has sampled at n + 0.5
    def level(wait: int) -> int:
        code = FULL_SPEED + "ldi r16,1 / out DDRB,r16 / ldi r17,99 / nop / nop / out DDRB,r1 / " + "nop / " * wait
        board.new(program("clr r1 / " + code + "in r17,PINB / out GPIOR0,r17 / " + STOP), rise_ns=rise_ns).started()
        return board.peek(R.GPIOR0)

    first = next(wait for wait in range(20) if level(wait) == 0xFF)
    # the sample stands half a cycle before the IN, which is `wait` cycles after the wire was released
    assert first - 0.5 >= rise_ns / 62.5 > first - 1.5
    assert first in (nops, nops + 1)


def test_a_tiny_pulls_its_lane_low_for_the_pump(board, tiny):
    board.new(program(START + STOP))
    board.load(tiny("sbi DDRB,0 / " + STOP), range(3, 4))
    board.load(tiny("sbi DDRB,0 / " + STOP), range(12, 13))
    board.started()
    board.run(70_000 * US)
    assert (board.peek(R.PINB), board.peek(R.PIND)) == (0xFF & ~(1 << 3), 0xFF & ~(1 << 4))
    assert board.do("pin", 3, 0) == 2


def test_a_tiny_sees_its_own_lane_only(board, tiny):
    # copies its lane to its user pin: high is driven, low is not
    copy = tiny("1: in r16,PINB / sbrc r16,0 / sbi DDRB,2 / sbrs r16,0 / cbi DDRB,2 / rjmp 1b / ")
    board.new(program(START + "ldi r16,0x42 / out DDRB,r16 / ldi r16,0x80 / out DDRD,r16 / " + STOP))
    board.load(copy)
    board.started()
    board.run(70_000 * US)
    high = [lane for lane in range(16) if board.do("pin", lane, 2) == 2]
    assert high == [lane for lane in range(16) if lane not in (1, 6, 15)]


def test_the_clock_wire_reaches_every_tiny(board, tiny):
    count = tiny("clr r16 / 1: sbic PINB,1 / rjmp 1b / 2: sbis PINB,1 / rjmp 2b / inc r16 / sts 0x40,r16 / rjmp 1b / ")
    # 86 ms for the tinies to start, then 10 pulses of 50 + 50 cycles
    wait = "ldi r18,7 / clr r17 / clr r16 / 1: dec r16 / brne 1b / dec r17 / brne 1b / dec r18 / brne 1b / "
    low = "2: cbi PORTC,6 / ldi r16,16 / 3: dec r16 / brne 3b / "
    high = "sbi PORTC,6 / ldi r16,16 / 4: dec r16 / brne 4b / dec r17 / brne 2b / "
    board.new(program(START + wait + "ldi r17,10 / " + low + high + "5: rjmp 5b / "))
    board.load(count)
    board.started()
    board.run(150_000 * US)
    assert [board.do("tinyram", lane, 0x40) for lane in range(16)] == [10] * 16


def test_a_tiny_that_drives_the_clock_pin_disturbs_nobody(board, tiny):
    copy = tiny("1: in r16,PINB / sbrc r16,1 / sbi DDRB,2 / sbrs r16,1 / cbi DDRB,2 / rjmp 1b / ")
    drives = tiny("sbi DDRB,1 / cbi PORTB,1 / 1: in r16,PINB / sbrc r16,1 / sbi DDRB,2 / rjmp 1b / ")
    board.new(program(START + STOP))
    board.load(copy)
    board.load(drives, range(5, 6))
    board.started()
    board.run(70_000 * US)
    assert [board.do("pin", lane, 2) for lane in range(16)] == [2] * 5 + [0] + [2] * 10  # lane 5 sees its own low


def test_a_tiny_in_reset_lets_go_of_its_pins(board, tiny):
    wait = "ldi r16,0 / 2: ldi r17,0 / 3: adiw r30,1 / dec r17 / brne 3b / inc r16 / brne 2b / "
    board.new(program(START + wait + "sbi PORTF,4 / " + STOP))
    board.load(tiny("sbi DDRB,0 / sbi DDRB,2 / " + STOP))
    board.ask("trace")
    board.started()
    board.run(80_000 * US)
    assert board.get("running") == 0
    assert [board.do("pin", lane, 0) for lane in range(16)] == [0] * 16
    assert board.peek(R.PINB) == 0xFF


def test_traces_name_signals_levels_and_times(board):
    board.new(program(FULL_SPEED + "sbi PORTC,7 / sbi DDRC,7 / ldi r16,1 / out DDRB,r16 / nop / out DDRB,r1 / " + STOP))
    board.ask("trace")
    board.started()
    (led, lit, _), (lane, low, first), (again, free, second) = board.changes()
    assert (led, lit, lane, low, again, free) == (LED, 1, LANE, 0, LANE, RELEASED)
    assert second - first == 2 * CYCLE
