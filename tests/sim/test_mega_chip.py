"""The pump chip's clocks, memories, watchdog and sleep: datasheet 7766J, sections 5 to 8 and 27."""

from __future__ import annotations

import pytest
from boardbench import CYCLE, MS, US, R, program

SLOW = 8 * CYCLE  # the CKDIV8 fuse as delivered


def test_the_cpu_starts_65_ms_after_power_on_at_an_eighth_of_the_crystal(board):
    board.new(program("1: inc r16 / rjmp 1b"))
    board.run(65 * MS)
    assert board.get("pc") == 0
    start = board.get("cycle")
    board.run(1 * MS)
    assert board.get("cycle") - start == pytest.approx(2000, abs=3)
    assert board.get("cycle_ps") == SLOW


def test_clkpr_needs_clkpce_within_four_cycles(board):
    board.new().started()
    board.poke(R.CLKPR, 0)
    assert board.peek(R.CLKPR) == 3
    board.poke(R.CLKPR, R.CLKPCE)
    board.run(7 * SLOW)
    board.poke(R.CLKPR, 0)
    assert board.peek(R.CLKPR) == 3
    board.poke(R.CLKPR, R.CLKPCE, 0)
    assert board.peek(R.CLKPR) == 0
    board.run(1 * MS)
    start = board.get("cycle")
    board.run(1 * MS)
    assert board.get("cycle") - start == pytest.approx(16000, abs=3)


def test_the_pll_locks_after_a_while_and_unlocks_when_it_is_changed(board):
    board.new().started()
    board.poke(R.PLLCSR, R.PINDIV | R.PLLE)
    assert board.peek(R.PLLCSR) == R.PINDIV | R.PLLE
    board.run(10 * MS)
    assert board.peek(R.PLLCSR) & R.PLOCK
    board.poke(R.PLLFRQ, 0x0A)
    assert not board.peek(R.PLLCSR) & R.PLOCK
    board.run(10 * MS)
    board.poke(R.PLLCSR, 0)
    assert board.peek(R.PLLCSR) == 0


def eeprom_write(board, address: int, value: int, mode: int = 0) -> None:
    board.poke(R.EEARH, address >> 8)
    board.poke(R.EEARL, address & 255)
    board.poke(R.EEDR, value)
    board.poke(R.EECR, mode | R.EEMPE)
    board.poke(R.EECR, mode | R.EEMPE | R.EEPE)


def eeprom_read(board, address: int) -> int:
    board.poke(R.EEARH, address >> 8)
    board.poke(R.EEARL, address & 255)
    board.poke(R.EECR, R.EERE)
    return board.peek(R.EEDR)


@pytest.mark.parametrize(
    ("mode", "ps", "value"), [(0x00, 3400 * US, 0x5A), (0x10, 1800 * US, 0xFF), (0x20, 1800 * US, 0xA5 & 0x5A)]
)
def test_eeprom_takes_the_time_of_table_5_1(board, mode, ps, value):
    board.new().started()
    eeprom_write(board, 0x3FF, 0xA5)
    board.run(4 * MS)
    assert eeprom_read(board, 0x3FF) == 0xA5
    eeprom_write(board, 0x3FF, 0x5A, mode)
    board.run(ps - 50 * US)
    assert board.peek(R.EECR) & R.EEPE
    board.run(100 * US)
    assert not board.peek(R.EECR) & R.EEPE
    assert eeprom_read(board, 0x3FF) == value
    assert eeprom_read(board, 0x3FE) == 0xFF


def test_eeprom_is_not_written_without_eempe(board):
    board.new().started()
    board.poke(R.EEDR, 0)
    board.poke(R.EECR, R.EEPE)
    board.run(5 * MS)
    board.poke(R.EECR, R.EEMPE)
    board.run(7 * SLOW)
    board.poke(R.EECR, R.EEPE)
    board.run(5 * MS)
    assert eeprom_read(board, 0) == 0xFF


def test_eeprom_outlives_a_power_cycle(board):
    board.new().started()
    eeprom_write(board, 7, 0x42)
    board.run(5 * MS)
    board.do("power")
    board.started()
    assert eeprom_read(board, 7) == 0x42


SIGNATURE = """
        ldi  r30,{z}
        ldi  r31,0
        ldi  r16,0x21           ; SIGRD and SPMEN
        out  SPMCSR,r16
        {wait}
        lpm  r17,Z
        out  GPIOR0,r17
        lpm  r17,Z
        out  GPIOR1,r17
1:      rjmp 1b
"""


@pytest.mark.parametrize(
    ("z", "value"), [(0, 0x1E), (2, 0x95), (4, 0x87), (0x0E, ord("0")), (0x17, ord("9")), (0x18, 0xFF)]
)
def test_lpm_reads_the_signature_row_once_after_sigrd(board, z, value):
    code = program(SIGNATURE.format(z=z, wait=""))
    board.new(code).started()
    assert board.peek(R.GPIOR0) == value
    flash = code[z] if z < len(code) else 0xFF
    assert board.peek(R.GPIOR1) == flash


def test_sigrd_is_forgotten_after_three_cycles(board):
    code = program(SIGNATURE.format(z=2, wait="nop / nop / nop / nop / "))
    board.new(code).started()
    assert board.peek(R.GPIOR0) == code[2]


@pytest.mark.parametrize("power", range(10))
def test_watchdog_intervals(board, power):
    board.new().started()
    bits = (power & 7) | (power & 8) << 2
    board.poke(R.MCUSR, 0)
    board.poke(R.WDTCSR, R.WDCE | R.WDE, R.WDE | bits)
    board.run((16 << power) * MS - MS)
    assert board.get("resets") == 0
    board.run(2 * MS)
    assert board.get("resets") == 1
    assert board.peek(R.MCUSR) & R.WDRF


def test_a_fed_watchdog_does_not_bite(board):
    board.new(program("1: wdr / rjmp 1b")).started()
    board.poke(R.WDTCSR, R.WDCE | R.WDE, R.WDE)
    board.run(100 * MS)
    assert board.get("resets") == 0


def test_after_a_watchdog_reset_it_goes_on_until_wdrf_is_cleared(board):
    board.new().started()
    board.poke(R.WDTCSR, R.WDE)
    board.run(20 * MS + 66 * MS)
    assert board.get("resets") == 1
    board.poke(R.WDTCSR, R.WDCE | R.WDE, 0)
    assert board.peek(R.WDTCSR) & R.WDE
    board.poke(R.MCUSR, 0)
    board.poke(R.WDTCSR, R.WDCE | R.WDE, 0)
    assert not board.peek(R.WDTCSR) & R.WDE
    board.run(100 * MS)
    assert board.get("resets") == 1


def test_watchdog_is_changed_only_in_its_timed_sequence(board):
    board.new().started()
    board.poke(R.WDTCSR, R.WDCE | R.WDE, R.WDE | 7)
    board.run(7 * SLOW)
    board.poke(R.WDTCSR, 0)
    assert board.peek(R.WDTCSR) == R.WDE | 7


VECTORS = "jmp main / " + "".join(f"jmp v{n} / " for n in range(1, 43))


def interrupts(setup: str, **handlers: str) -> bytes:
    """A program whose handlers count in r20 unless given, with their vector's number in r21."""
    code = "".join(f"v{n}: " + handlers.get(f"v{n}", f"inc r20 / ldi r21,{n} / ") + "reti / " for n in range(1, 43))
    stack = "ldi r16,0x0A / out SPH,r16 / ldi r16,0xFF / out SPL,r16 / clr r20 / clr r21 / "
    show = "out GPIOR0,r20 / out GPIOR1,r21 / "
    return program(VECTORS + code + "main: " + stack + setup + "sei / 1: " + show + "rjmp 1b")


def test_watchdog_interrupt_first_then_reset(board):
    # 16 ms interrupt and reset: the handler runs once, the next time-out resets
    board.new(interrupts("ldi r16,0x18 / sts WDTCSR,r16 / ldi r16,0x48 / sts WDTCSR,r16 / ")).started()
    board.run(20 * MS)
    assert board.peek(R.GPIOR0) == 1
    assert board.peek(R.GPIOR1) == R.V_WATCHDOG
    assert board.get("resets") == 0
    board.run(16 * MS)
    assert board.get("resets") == 1


def test_eeprom_ready_interrupt(board):
    board.new(interrupts("sbi EECR,3 / ", v30="inc r20 / ldi r21,30 / cbi EECR,3 / ")).started()
    board.run(1 * MS)
    assert (board.peek(R.GPIOR0), board.peek(R.GPIOR1)) == (1, R.V_EEPROM)


def test_sleep_waits_for_an_interrupt(board):
    # timer 0 overflows every 256 * 1,024 CPU cycles of 2 MHz: 131 ms
    setup = "ldi r16,5 / out TCCR0B,r16 / ldi r16,1 / sts TIMSK0,r16 / out SMCR,r16 / "
    board.new(interrupts(setup + "sei / sleep / ldi r22,77 / out GPIOR2,r22 / ")).started()
    board.run(120 * MS)
    assert board.peek(R.GPIOR2) == 0
    board.run(20 * MS)
    assert (board.peek(R.GPIOR0), board.peek(R.GPIOR1), board.peek(R.GPIOR2)) == (1, 23, 77)


def test_sleep_without_se_does_nothing(board):
    board.new(program("sleep / ldi r16,1 / out GPIOR0,r16 / 1: rjmp 1b")).started()
    assert board.peek(R.GPIOR0) == 1


def test_reset_flags_tell_the_cause(board):
    board.new().started()
    assert board.peek(R.MCUSR) == R.PORF
    board.poke(R.MCUSR, 0)
    board.poke(R.WDTCSR, R.WDE)
    board.run(100 * MS)
    assert board.peek(R.MCUSR) == R.WDRF


def test_ram_is_random_at_power_on_and_the_seed_decides(board):
    def ram(seed: int) -> list[int]:
        board.new(seed=seed)
        return [board.do("ram", address) for address in range(0x100, 0x120)]

    first, again, other = ram(1), ram(1), ram(2)
    assert first == again != other
    assert len(set(first)) > 10
