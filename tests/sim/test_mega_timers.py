"""The pump chip's timers 0, 1 and 3: datasheet 7766J, sections 12 to 14."""

from __future__ import annotations

import pytest
from boardbench import MS, R
from test_mega_chip import interrupts

SLOW = 500_000  # ps: a CPU cycle at 2 MHz


def count16(board, low: int) -> int:
    return board.peek(low) | board.peek(low + 1) << 8


def start(board, division: int) -> int:
    """Start timer 1 with a clock select; its base register."""
    board.poke(R.TCCR1B, division)
    return R.TCNT1L


@pytest.mark.parametrize(("select", "division"), [(1, 1), (2, 8), (3, 64), (4, 256), (5, 1024)])
def test_prescalers(board, select, division):
    board.new().started()
    board.poke(R.TCCR1B, select)
    before = count16(board, R.TCNT1L)
    cycle = board.get("cycle")
    board.run(10 * MS)
    ticks = (board.get("cycle") - cycle) / division
    assert count16(board, R.TCNT1L) - before == pytest.approx(ticks, abs=1)


def test_stopped_timers_stand_still(board):
    board.new().started()
    board.poke(R.TCNT0, 42)
    board.run(1 * MS)
    assert board.peek(R.TCNT0) == 42


def test_timer_0_overflows_at_256(board):
    board.new().started()
    board.poke(R.TCCR0B, 2)
    board.run(255 * 8 * SLOW - 8 * SLOW)
    assert not board.peek(R.TIFR0) & 1
    board.run(3 * 8 * SLOW)
    assert board.peek(R.TIFR0) & 1
    board.poke(R.TIFR0, 1)
    assert not board.peek(R.TIFR0) & 1


@pytest.mark.parametrize(("timer", "a", "b", "ocr", "flags"), [
    (0, R.TCCR0A, R.TCCR0B, R.OCR0A, R.TIFR0),
    (1, R.TCCR1A, R.TCCR1B, R.OCR1AL, R.TIFR1),
    (3, R.TCCR3A, R.TCCR3A + 1, R.TCCR3A + 8, R.TIFR3),
])  # fmt: skip
def test_ctc_starts_again_after_ocra(board, timer, a, b, ocr, flags):
    board.new().started()
    if timer:
        board.poke(ocr + 1, 0)
        board.poke(ocr, 99)
        board.poke(b, 0x08 | 2)
    else:
        board.poke(ocr, 99)
        board.poke(a, 2)
        board.poke(b, 2)
    board.poke(flags, 0xFF)
    periods = 0
    for _ in range(400):  # 400 looks, 10 ticks apart: 40 periods of 100
        board.run(10 * 8 * SLOW)
        if board.peek(flags) & 2:
            board.poke(flags, 2)
            periods += 1
    assert periods == 40
    assert not board.peek(flags) & 1  # it never passed MAX


def test_compare_flags_of_all_channels(board):
    board.new().started()
    for channel, value in enumerate((100, 200, 300)):
        register = R.OCR1AL + 2 * channel
        board.poke(register + 1, value >> 8)
        board.poke(register, value & 255)
    board.poke(R.TCCR1B, 2)
    seen = []
    for _ in range(8):
        board.run(50 * 8 * SLOW)
        seen.append(board.peek(R.TIFR1) & 0x0F)
    assert seen == [0, 0, 2, 2, 6, 6, 14, 14] or seen == [0, 2, 2, 6, 6, 14, 14, 14]


def test_a_count_above_a_lowered_top_goes_on_to_its_maximum(board):
    board.new().started()
    board.poke(R.OCR0A, 10)
    board.poke(R.TCNT0, 200)
    board.poke(R.TCCR0A, 2)
    board.poke(R.TCCR0B, 3)
    board.run(40 * 64 * SLOW)
    assert 238 <= board.peek(R.TCNT0) <= 242
    board.run(20 * 64 * SLOW)
    assert board.peek(R.TIFR0) & 1
    assert board.peek(R.TCNT0) <= 10


def test_16_bit_access_goes_through_the_shared_byte(board):
    board.new().started()
    board.poke(R.TCNT1H, 0x12)
    assert count16(board, R.TCNT1L) == 0
    board.poke(R.TCNT1H, 0x12)
    board.poke(R.TCNT1L, 0x34)
    assert count16(board, R.TCNT1L) == 0x1234


MASK = "ldi r16,124 / {ocr},r16 / ldi r16,2 / sts {timsk},r16 / "


@pytest.mark.parametrize(
    ("setup", "vector"),
    [
        (MASK.format(ocr="out OCR0A", timsk="TIMSK0") + "out TCCR0A,r16 / out TCCR0B,r16 / ", 21),
        (MASK.format(ocr="sts OCR1AL", timsk="TIMSK1") + "ldi r16,10 / sts TCCR1B,r16 / ", 17),
        (MASK.format(ocr="sts OCR3AL", timsk="TIMSK3") + "ldi r16,10 / sts TCCR3B,r16 / ", 32),
    ],
)
def test_interrupt_rate_and_vector(board, setup, vector):
    board.new(interrupts(setup)).started()
    before = board.peek(R.GPIOR0)
    board.run(50 * MS)  # 2 MHz / 8 / 125: one in 500 us
    assert (board.peek(R.GPIOR0) - before) % 256 == 100
    assert board.peek(R.GPIOR1) == vector
