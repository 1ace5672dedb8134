"""Resets, clock and pins of the simulated ATtiny10 (datasheet 8127, sections 6, 8 and 10)."""

from __future__ import annotations

import pytest
from simbuild import TINY
from tinybench import DEFINES, FULL_SPEED, HIGH, LOW, MS, PERIOD, PULLED_UP, RELEASED, US, Bench

# --- reset and clock -------------------------------------------------------------------------------------------------


def test_starts_64_ms_after_reset_at_one_mhz(start):
    bench = start("ldi r20,1 / 1: rjmp 1b")
    assert bench.get("cycle") == 0
    assert bench.get("sp") == 0x5F
    bench.run(9 * US)
    assert bench.get("cycle") == 9
    assert bench.get("r20") == 1


def test_registers_and_ram_are_random_at_power_on_but_the_same_for_a_seed(compile_c, avr_image):
    program = compile_c("tiny_driver.c", *TINY, sanitize=True)
    image = avr_image("1: rjmp 1b")
    seen = []
    for seed in (1, 1, 2):
        bench = Bench(program).boot(image, seed=seed)
        seen.append([bench.get(f"r{n}") for n in range(16, 32)] + [bench.io(n) for n in range(0x40, 0x60)])
        bench.close()
    assert seen[0] == seen[1] != seen[2]
    assert len(set(seen[0])) > 20


def test_reset_pin_releases_pins_and_keeps_ram(start):
    bench = start("ldi r16,0x77 / sts 0x45,r16 / sbi DDRB,0 / 1: rjmp 1b").run(10 * US)
    assert bench.get("pin0") == LOW
    bench.ask("reset", 0)
    assert bench.get("pin0") == RELEASED
    assert (bench.io(0x3B), bench.io(0x45)) == (0x03, 0x77)  # PORF, EXTRF
    bench.run(MS)
    bench.ask("reset", 1)
    bench.run(63 * MS)
    assert bench.get("pin0") == RELEASED
    bench.run(2 * MS)
    assert bench.get("pin0") == LOW


@pytest.mark.parametrize("gap", range(6))
def test_clock_prescaler_is_protected_for_four_cycles(start, gap):
    bench = start("ldi r16,0xd8 / ldi r17,0 / out CCP,r16 / " + "nop / " * gap + "out CLKPSR,r17 / 1: rjmp 1b").run(
        20 * US
    )
    assert bench.get("period") == (PERIOD if gap < 4 else 8 * PERIOD)


def test_clock_changes_keep_time(start):
    """3 + gap cycles at 1 MHz, then 8 MHz."""
    bench = start(FULL_SPEED + "1: rjmp 1b").run(4 * US)
    assert bench.get("cycle") == 4
    bench.run(10 * US)
    assert bench.get("cycle") == 84


@pytest.mark.parametrize(("ppm", "cycles"), [(0, 8000), (100_000, 8800), (-100_000, 7200)])
def test_oscillator_error(start, ppm, cycles):
    bench = start(FULL_SPEED + "1: rjmp 1b", ppm=ppm).run(MS)
    before = bench.get("cycle")
    bench.run(MS)
    assert abs(bench.get("cycle") - before - cycles) <= 2


def test_oscal_moves_the_frequency(start):
    bench = start(FULL_SPEED + "ldi r16,0xc0 / out OSCCAL,r16 / 1: rjmp 1b").run(20 * US)
    assert bench.get("period") == PERIOD * 256 // (256 + 0x40)


def test_reset_can_be_disabled(bench, avr_image):
    bench.set("config", 0xFE)
    bench.boot(avr_image(DEFINES + "1: rjmp 1b")).run(10 * US)
    before = bench.get("cycle")
    bench.ask("reset", 0)
    bench.run(10 * US)
    assert bench.get("cycle") == before + 10


# --- pins ------------------------------------------------------------------------------------------------------------


def test_outputs_change_with_the_end_of_the_instruction(start):
    bench = start(FULL_SPEED + "sbi PORTB,2 / sbi DDRB,2 / cbi PORTB,2 / cbi DDRB,2 / sbi PUEB,2 / 1: rjmp 1b").run(
        20 * US
    )
    times = [event.split(":") for event in bench.ask("get", "changes").split()]
    first = int(times[0][0])
    assert [(int(ps) - first, int(level)) for ps, level in times] == [
        (0, HIGH),
        (PERIOD, LOW),
        (2 * PERIOD, RELEASED),
        (3 * PERIOD, PULLED_UP),
    ]


def test_toggling_by_pinb(start):
    bench = start(FULL_SPEED + "sbi DDRB,2 / ldi r16,4 / out PINB,r16 / nop / nop / in r17,PINB / 1: rjmp 1b").run(
        20 * US
    )
    assert bench.get("pin2") == HIGH
    assert bench.get("r17") & 4


def test_own_output_is_read_back_after_one_instruction(start):
    """The synchroniser: the instruction right after OUT still reads the old level (section 10.2.4)."""
    program = "sbi DDRB,2 / nop / nop / sbi PORTB,2 / in r17,PINB / in r18,PINB / "
    program += "cbi PORTB,2 / in r19,PINB / in r20,PINB / 1: rjmp 1b"
    bench = start(FULL_SPEED + program).run(20 * US)
    assert [bench.get(f"r{n}") & 4 for n in (17, 18, 19, 20)] == [0, 4, 4, 0]


@pytest.mark.parametrize("offset", range(0, 4 * PERIOD, PERIOD // 8))
def test_synchroniser_delays_by_half_to_one_and_a_half_cycles(start, offset):
    """IN in cycle c reads the level half a cycle before c begins: never later than an edge after that."""
    bench = start(FULL_SPEED + "1: in r17,PINB / in r18,PINB / in r19,PINB / in r20,PINB / 2: rjmp 2b")
    bench.ask("clock", 0)
    bench.run(4 * US)  # the first IN begins now
    bench.run(offset)
    bench.ask("clock", 1)
    bench.run(2 * US)
    seen = [bench.get(f"r{n}") >> 1 & 1 for n in (17, 18, 19, 20)]
    assert seen == [int(offset <= n * PERIOD - PERIOD // 2) for n in range(4)]


def test_lane_is_wired_and(start):
    bench = start(
        FULL_SPEED + "sbi DDRB,0 / nop / nop / in r17,PINB / cbi DDRB,0 / nop / nop / in r18,PINB / 1: rjmp 1b"
    )
    bench.run(20 * US)
    assert [bench.get(f"r{n}") & 1 for n in (17, 18)] == [0, 1]
    bench.ask("lane", 0)
    bench.run(US)
    assert bench.get("lane") == 0


def test_pull_up_holds_the_user_pin(start):
    bench = start(FULL_SPEED + "in r17,PINB / sbi PUEB,2 / nop / nop / in r18,PINB / 1: rjmp 1b").run(20 * US)
    assert [bench.get(f"r{n}") & 4 for n in (17, 18)] == [0, 4]


def test_digital_input_disable_reads_zero(start):
    bench = start(FULL_SPEED + "ldi r16,2 / out DIDR0,r16 / in r17,PINB / 1: rjmp 1b").run(20 * US)
    assert bench.get("r17") & 2 == 0
