"""The pump chip's ports: datasheet 7766J, section 10."""

from __future__ import annotations

import re
import subprocess
from itertools import pairwise

import pytest
from boardbench import R, program

FULL_SPEED = "ldi r16,0x80 / sts 0x61,r16 / ldi r16,0 / sts 0x61,r16 / "  # CLKPR


def gpior(board) -> list[int]:
    return [board.peek(register) for register in (R.GPIOR0, R.GPIOR1, R.GPIOR2)]


def test_register_addresses_are_those_of_avr_libc():
    listing = subprocess.run(
        ["avr-gcc", "-mmcu=atmega32u4", "-E", "-dM", "-include", "avr/io.h", "-x", "c", "/dev/null"],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    ).stdout
    known = {}
    for name, kind, address in re.findall(r"#define (\w+) _SFR_(IO|MEM)(?:8|16)\s*\((0x[0-9A-Fa-f]+)\)", listing):
        known[name] = int(address, 16) + (0x20 if kind == "IO" else 0)
    for name, bit in re.findall(r"#define (\w+) (\d)$", listing, re.M):
        known[name] = 1 << int(bit)
    ours = {name: value for name, value in vars(R).items() if name.isupper() and name in known}
    assert len(ours) > 90
    # Registers and one-bit flags have the same numbers in both; fields of several bits are not in avr-libc.
    assert {name: value for name, value in ours.items() if known[name] != value} == {}


def test_after_reset_every_pin_is_an_input_without_pull_up(board):
    board.new().started()
    for register in (R.DDRB, R.PORTB, R.DDRC, R.PORTC, R.DDRD, R.PORTD, R.DDRE, R.PORTE, R.DDRF, R.PORTF):
        assert board.peek(register) == 0


def test_pins_read_what_they_drive(board):
    board.new().started()
    board.poke(R.DDRC, 0xFF)
    board.poke(R.PORTC, 0x80)
    board.run(10_000_000)
    assert board.peek(R.PINC) == 0x80
    board.poke(R.PORTC, 0xFF)
    board.run(10_000_000)
    assert board.peek(R.PINC) == 0xC0  # PC6 and PC7: the package has no others


@pytest.mark.parametrize(("pud", "level"), [(0, 0x40), (R.PUD, 0)])
def test_pull_ups_work_unless_pud_is_set(board, pud, level):
    board.new().started()
    board.poke(R.PORTC, 0x40)
    board.poke(R.MCUCR, pud)
    board.run(10_000_000)
    assert board.peek(R.PINC) == level


def test_writing_ones_to_pin_toggles_port(board):
    board.new().started()
    board.poke(R.PORTC, 0x80)
    board.poke(R.PINC, 0xC0)
    assert board.peek(R.PORTC) == 0x40


def test_sbi_on_pin_toggles_only_its_bit(board):
    # PC6 and PC7 read high; a read-modify-write of PINC would toggle both.
    board.new(program("ldi r16,0xC0 / out DDRC,r16 / out PORTC,r16 / nop / nop / sbi PINC,6 / 1: rjmp 1b")).started()
    assert board.peek(R.PORTC) == 0x80


def test_pin_shows_an_out_only_after_one_more_cycle(board):
    # Figure 10-4: OUT, NOP, IN
    code = "ldi r16,0x40 / out DDRC,r16 / out PORTC,r16 / in r17,PINC / in r18,PINC / "
    board.new(program(code + "out GPIOR0,r17 / out GPIOR1,r18 / 1: rjmp 1b")).started()
    assert gpior(board)[:2] == [0, 0x40]


def test_ddr_takes_the_same_cycle_to_show(board):
    code = (
        "ldi r16,0x40 / out PORTC,r16 / out DDRC,r16 / nop / nop / cbi DDRC,6 / cbi PORTC,6 / "
        "in r17,PINC / in r18,PINC / out GPIOR0,r17 / out GPIOR1,r18 / 1: rjmp 1b"
    )
    board.new(program(code)).started()
    assert gpior(board)[:2] == [0x40, 0]


def test_jtag_owns_port_f_until_jtd_is_written_twice(board):
    board.new().started()
    board.poke(R.DDRF, 0xF3)
    board.poke(R.PORTF, 0xF3)
    board.run(10_000_000)
    assert board.peek(R.PINF) & 0xE3 == 0x03  # PF4 has its pull-up on the board
    board.poke(R.MCUCR, R.JTD)
    board.run(10_000_000)  # too late for the second write
    board.poke(R.MCUCR, R.JTD)
    assert board.peek(R.MCUCR) & R.JTD == 0
    board.poke(R.MCUCR, R.JTD)
    assert board.peek(R.MCUCR) & R.JTD
    board.run(10_000_000)
    assert board.peek(R.PINF) == 0xF3


def test_outputs_change_at_the_end_of_the_writing_cycle(board):
    board.new(program(FULL_SPEED + "sbi DDRC,6 / 1: sbi PORTC,6 / cbi PORTC,6 / rjmp 1b"))
    board.ask("trace")
    board.ask("changes")
    board.started()
    clock = [(level, ps) for signal, level, ps in board.changes() if signal == 64]
    gaps = {(level, later - ps) for (level, ps), (_, later) in pairwise(clock)}
    assert gaps == {(1, 2 * 62_500), (0, 4 * 62_500)}
    assert all(ps % 62_500 == 0 for _, ps in clock)


def test_addresses_that_the_chip_does_not_have_read_zero_and_are_counted(board):
    board.new().started()
    assert board.peek(0x20) == 0
    board.poke(0xFF, 1)
    assert board.get("unknown") == 2
