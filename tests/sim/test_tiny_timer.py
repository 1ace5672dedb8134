"""Timer/Counter0 of the simulated ATtiny10 (datasheet 8127, section 11)."""

from __future__ import annotations

import pytest
from tinybench import FULL_SPEED, HIGH, PERIOD, US, handlers


@pytest.mark.parametrize(("cs", "shift"), [(1, 0), (2, 3), (3, 6), (4, 8), (5, 10)])
def test_timer_counts_at_each_prescaler(start, cs, shift):
    bench = start(FULL_SPEED + f"ldi r16,1 / out GTCCR,r16 / ldi r16,{cs} / out TCCR0B,r16 / 1: rjmp 1b").run(
        4 * US + 4 * PERIOD
    )
    bench.cycles(40_000)
    low = bench.io(0x28)
    assert abs((bench.io(0x29) << 8 | low) - (40_000 >> shift)) <= 2


def test_timer_overflow_interrupt(start):
    bench = start(
        handlers(v4="inc r20 / ")
        + "clr r20 / "
        + FULL_SPEED
        + "ldi r16,1 / out TIMSK0,r16 / out TCCR0B,r16 / sei / 1: rjmp 1b"
    )
    bench.run(30 * US).cycles(3 * 65536)
    assert (bench.get("r20"), bench.get("r31")) == (3, 0)


def test_ctc_toggles_oc0a_at_an_exact_rate(start):
    program = "sbi DDRB,0 / ldi r16,0 / out OCR0AH,r16 / ldi r16,99 / out OCR0AL,r16 / ldi r16,0x40 / out TCCR0A,r16 / "
    bench = start(FULL_SPEED + program + "ldi r16,0x09 / out TCCR0B,r16 / 1: rjmp 1b").run(30 * US)
    levels = []
    for _ in range(400):
        levels.append(bench.get("pin0"))
        bench.cycles(10)
    runs = [
        len(run)
        for run in "".join("H" if x == HIGH else "L" for x in levels).replace("HL", "H L").replace("LH", "L H").split()
    ]
    assert set(runs[1:-1]) == {10}  # 100 cycles each way


def test_fast_pwm_duty_on_oc0b(start):
    """8-bit fast PWM, non-inverting: high for OCR0B + 1 of 256 (section 11)."""
    program = (
        "sbi DDRB,1 / ldi r16,63 / out OCR0BL,r16 / ldi r16,0x21 / out TCCR0A,r16 / ldi r16,0x09 / out TCCR0B,r16 / "
    )
    bench = start(FULL_SPEED + program + "1: rjmp 1b").run(100 * US)
    high = 0
    for _ in range(512):
        high += bench.get("pin1") == HIGH
        bench.cycles(1)
    assert high == 2 * 64


def test_phase_correct_pwm_is_symmetric_with_half_the_rate(start):
    program = (
        "sbi DDRB,0 / ldi r16,100 / out OCR0AL,r16 / ldi r16,0x81 / out TCCR0A,r16 / ldi r16,0x01 / out TCCR0B,r16 / "
    )
    bench = start(FULL_SPEED + program + "1: rjmp 1b").run(300 * US)
    high = 0
    for _ in range(1020):
        high += bench.get("pin0") == HIGH
        bench.cycles(1)
    assert high == 2 * 200  # 2 * OCR of 510


def test_polling_the_overflow_flag_sees_it_in_time(start):
    program = "ldi r16,1 / out TCCR0B,r16 / 1: in r17,TIFR0 / sbrs r17,0 / rjmp 1b / "
    program += "in r18,TCNT0L / in r19,TCNT0H / sbi DDRB,2 / 2: rjmp 2b"
    bench = start(FULL_SPEED + program).run(100 * US)
    assert bench.get("r17") & 1 == 0
    bench.cycles(66_000)
    assert bench.get("r17") & 1
    assert (bench.get("r19"), bench.get("r18") < 12) == (0, True)


def test_input_capture_of_the_clock_pin(start):
    program = "ldi r16,0x41 / out TCCR0B,r16 / 1: in r17,TIFR0 / sbrs r17,5 / rjmp 1b / "
    program += "in r18,ICR0L / in r19,ICR0H / 2: rjmp 2b"
    bench = start(FULL_SPEED + program)
    bench.ask("clock", 0)
    bench.run(30 * US)
    bench.cycles(1000)
    count = bench.io(0x28) | bench.io(0x29) << 8
    bench.ask("clock", 1)
    bench.run(5 * US)
    captured = bench.get("r18") | bench.get("r19") << 8
    assert 0 <= captured - count <= 3
