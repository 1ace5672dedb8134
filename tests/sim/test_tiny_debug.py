"""A tiny that is profiled or stepped runs as it does alone, and its cycles go where they are said to go."""

from __future__ import annotations

import pytest
from tinybench import FULL_SPEED, MS, US, handlers

STATE = ["pc", "sp", "sreg", "cycle", "illegal", "lane", "pin2", *(f"r{n}" for n in range(16, 32))]
FIELDS = ("visits", "cycles", "waiting", "worst", "blind")
BUSY = (
    handlers(v2="inc r20 / ", v4="push r16 / in r16,TCNT0L / inc r22 / pop r16 / ")
    + FULL_SPEED
    + "ldi r16,2 / out PCMSK,r16 / ldi r16,1 / out PCICR,r16 / out TIMSK0,r16 / out TCCR0B,r16 / out TCNT0H,r16 / "
    + "sbi DDRB,2 / sei / 1: sbis PINB,1 / rjmp 1b / rcall f / 2: sbic PINB,1 / rjmp 2b / sbi PINB,2 / rjmp 1b / "
    + "f: in r17,PINB / add r18,r17 / sts 0x45,r18 / ldi r30,lo8(f) / ldi r31,0x40 / ld r23,Z+ / ret"
)
SLEEPER = (
    handlers(v4="inc r20 / ")
    + FULL_SPEED
    + "ldi r16,1 / out TIMSK0,r16 / ldi r16,2 / out TCCR0B,r16 / out SMCR,r16 / "
    + "ldi r16,1 / out SMCR,r16 / sei / 1: sleep / inc r21 / rjmp 1b"
)


def spent(bench, number):
    return dict(zip(FIELDS, map(int, bench.ask("spent", number).split()), strict=True))


def labelled(bench, *starts):
    """Words from each of these byte addresses on belong to the next number, from 1."""
    for word in range(512):
        bench.ask("label", word, sum(word * 2 >= start for start in starts))


@pytest.mark.parametrize("how", [1, 2])
@pytest.mark.parametrize("program", [BUSY, SLEEPER])
def test_a_held_tiny_runs_the_same_cycles(start, program, how):
    """By itself, profiled, and halted before each instruction with everything looked at: nothing differs."""
    ends = []
    for held in (0, how):
        bench = start(program)
        born = bench.get("cycle")
        bench.ask("debug", held)
        bench.planes("1011001110001011" * 4)
        bench.run(3 * MS)
        state = {name: bench.get(name) for name in STATE}
        state["cycle"] -= born
        ends.append((state, [bench.io(address) for address in range(0x40, 0x60)]))
        bench.ask("debug", 0)
    assert ends[0] == ends[1]
    assert ends[0][0]["cycle"] > 1000


def test_all_cycles_are_counted_once(start, bench):
    bench.ask("debug", 1)
    labelled(bench, 0x40)
    start(BUSY).planes("10" * 20)
    assert sum(spent(bench, n)["cycles"] for n in range(3)) == bench.get("cycle")


def test_visits_cycles_and_the_worst_visit(start, bench):
    """main calls f three times, whose loop runs r16 times: 3 cycles a turn, the last of 2."""
    labelled(bench, 0, 14)
    bench.ask("debug", 1)
    start("ldi r16,1 / rcall f / ldi r16,9 / rcall f / ldi r16,4 / rcall f / 2: rjmp 2b / f: dec r16 / brne f / ret")
    bench.run(200 * US)
    calls = [3 * turns - 1 + 6 for turns in (1, 9, 4)]
    assert spent(bench, 2) == {"visits": 3, "cycles": sum(calls), "waiting": 0, "worst": max(calls), "blind": 0}
    assert spent(bench, 1)["visits"] == 4


def test_waits_are_told_from_work_and_blind_stretches_measured(start, bench):
    """Each turn: wait for high, 5 cycles and a call of 3 + 1 + 6 to the look for low, wait, back in 3."""
    program = "a: sbis PINB,1 / rjmp a / nop / nop / rcall f / b: sbic PINB,1 / rjmp b / rjmp a / f: nop / ret"
    labelled(bench, 8, 18, 24)  # 1: from a, 2: from b, 3: from f
    bench.ask("debug", 1)
    start(FULL_SPEED + program).ask("clock", 0)
    bench.run(30 * US).planes("1" * 8)
    a, b, f = (spent(bench, n) for n in (1, 2, 3))
    assert f == {"visits": 8, "cycles": 8 * 7, "waiting": 0, "worst": 7, "blind": 2 + 2 + 3 + 7}
    assert a["waiting"] > a["cycles"] / 2 < b["waiting"] + a["cycles"]
    assert (a["blind"], b["blind"]) == (14, 4)  # the look that ends a stretch is on the next one
    found = {tuple(map(int, each.split()[:2])): int(each.split()[2]) for each in bench.ask("longest").split(",")}
    assert found == {(1, 2): 14, (2, 1): 4}


def test_sleep_is_waiting(start, bench):
    labelled(bench, 0)
    bench.ask("debug", 1)
    start(SLEEPER).run(50 * MS)
    told = spent(bench, 1)
    assert told["cycles"] == bench.get("cycle")
    assert told["waiting"] > 0.9 * told["cycles"] > 1000
    assert told["worst"] < 100


def test_a_reset_ends_what_was_under_way(start, bench):
    """Looks before and after are no stretch."""
    labelled(bench, 0)
    bench.ask("debug", 1)
    start("a: in r16,PINB / nop / nop / in r16,PINB / 1: rjmp 1b").run(100 * US)
    before = bench.ask("longest")
    bench.ask("reset", 0)
    bench.run(MS)
    bench.ask("reset", 1)
    bench.run(70 * MS)
    assert bench.ask("longest") == before == "1 1 3"
