"""Interrupts of the simulated ATtiny10: pins, priorities and times (datasheet 8127, sections 4.8 and 9)."""

from __future__ import annotations

import pytest
from tinybench import FULL_SPEED, HIGH, PERIOD, US, handlers


def test_pin_change_interrupt_of_the_clock_pin(start):
    setup = "ldi r16,2 / out PCMSK,r16 / ldi r16,1 / out PCICR,r16 / sei / 1: rjmp 1b"
    bench = start(handlers(v2="inc r20 / ") + "clr r20 / " + FULL_SPEED + setup).run(30 * US)
    for level in (0, 1, 0):
        bench.ask("clock", level)
        bench.run(5 * US)
    bench.ask("lane", 0)  # not in the mask
    bench.run(5 * US)
    assert (bench.get("r20"), bench.get("r31")) == (3, 0)


def test_interrupt_takes_four_cycles_and_returns_in_six(start):
    """The handler toggles PB2 as its first instruction: edge + synchroniser + 4 + rjmp 2 + sbi 1."""
    setup = "sbi DDRB,2 / ldi r16,2 / out PCMSK,r16 / ldi r16,1 / out PCICR,r16 / sei / 1: nop / nop / rjmp 1b"
    bench = start(handlers(v2="sbi PORTB,2 / ") + FULL_SPEED + setup).run(30 * US)
    bench.ask("clock", 0)
    edge = bench.get("ps")
    bench.run(5 * US)
    high = next(int(e.split(":")[0]) for e in bench.ask("get", "changes").split() if int(e.split(":")[1]) == HIGH)
    assert 0.5 + 7 <= (high - edge) / PERIOD <= 1.5 + 1 + 7  # the instruction under way ends first


@pytest.mark.parametrize(("sense", "edges"), [(1, 4), (2, 2), (3, 2)])
def test_int0_edges(start, sense, edges):
    setup = f"ldi r16,{sense} / out EICRA,r16 / ldi r16,1 / out EIMSK,r16 / sei / 1: rjmp 1b"
    bench = start(handlers(v1="inc r20 / ") + "clr r20 / " + FULL_SPEED + setup).run(30 * US)
    for level in (1, 0, 1, 0):
        bench.ask("user", level)
        bench.run(5 * US)
    assert (bench.get("r20"), bench.get("r31")) == (edges, 0)


def test_int0_low_level_asks_as_long_as_it_lasts(start):
    bench = start(
        handlers(v1="inc r20 / ") + "clr r20 / " + FULL_SPEED + "ldi r16,1 / out EIMSK,r16 / sei / 1: rjmp 1b"
    )
    bench.ask("user", 1)
    bench.run(30 * US)
    assert bench.get("r20") == 0
    bench.ask("user", 0)
    bench.run(20 * US)
    assert bench.get("r20") > 5
    bench.ask("user", 1)
    bench.run(5 * US)
    count = bench.get("r20")
    bench.run(5 * US)
    assert bench.get("r20") == count


def test_sei_lets_one_more_instruction_run(start):
    """Timer overflow pending: sei; inc r21 - and only then the handler, which copies r21."""
    program = "ldi r16,1 / out TIMSK0,r16 / clr r21 / ldi r16,0xff / out TCNT0H,r16 / out TCNT0L,r16 / "
    program += "ldi r16,1 / out TCCR0B,r16 / nop / nop / nop / sei / inc r21 / inc r21 / 1: rjmp 1b"
    bench = start(handlers(v4="mov r22,r21 / ldi r16,0 / out TIMSK0,r16 / ") + FULL_SPEED + program).run(40 * US)
    assert bench.get("r22") == 1
