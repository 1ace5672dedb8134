"""Waiting loops that are jumped over end in exactly the state that stepping through them ends in."""

from __future__ import annotations

import random
import subprocess

import pytest
from simbuild import CORE, TINY
from tinybench import DEFINES, FULL_SPEED, MS, PERIOD, Bench


@pytest.mark.parametrize("profile", ["rc", "eplus"])
def test_random_loops_with_interrupts(compile_c, profile):
    """Polls of I/O, delay loops, endless loops: registers, SREG, cycle and writes at random times."""
    program = compile_c("core_skip.c", *CORE, sanitize=True)
    jumped = stepped = 0
    for seed in range(1, 26):
        result = subprocess.run([program, profile, str(seed)], capture_output=True, text=True, timeout=60, check=False)
        assert result.returncode == 0, f"seed {seed}: {result.stdout}{result.stderr}"
        reads = list(map(int, result.stdout.split()))
        jumped += reads[0]
        stepped += reads[1]
    assert jumped < stepped / 10  # it did jump


LANE_PROGRAM = (
    FULL_SPEED
    + """
    ldi r26,0x40
    clr r27
    wait: sbic PINB,1
          rjmp wait
    rise: in r17,PINB
          sbrs r17,1
          rjmp rise
          st X+,r17
          cpi r26,0x5c
          brne 1f
          ldi r26,0x40
    1:    eor r18,r17
          sbrc r17,0
          sbi DDRB,2
          sbrs r17,0
          cbi DDRB,2
          sbrc r18,0
          inc r19
          mov r20,r19
          andi r20,15
          inc r20
    2:    dec r20
          brne 2b
          rjmp wait
"""
)


def test_a_tiny_on_noisy_clock_and_lane(compile_c, avr_image):
    """Edges of clock and lane at any time against the CPU's cycles, in few long runs and in single cycles."""
    program, image = compile_c("tiny_driver.c", *TINY, sanitize=True), avr_image(DEFINES + LANE_PROGRAM)
    seen = []
    for fine in (0, 1):
        rng = random.Random(8)
        bench = Bench(program).boot(image, ppm=-43_210)
        bench.ask("fine", fine)
        states = []
        for _ in range(300):
            bench.ask(*rng.choice([("clock", 0), ("clock", 1), ("lane", 0), ("lane", 1)]))
            bench.run(rng.choice([rng.randrange(PERIOD), rng.randrange(50 * PERIOD), rng.randrange(MS // 20)]))
            states.append([bench.get(name) for name in ("cycle", "pc", "sreg", "pin2", "r17", "r18", "r19", "r20")])
        states.append([bench.io(address) for address in range(0x40, 0x60)])
        states.append(bench.ask("get", "changes"))
        bench.close()
        seen.append(states)
    assert len(seen[0][-1]) > 200
    assert seen[0] == seen[1]


STATE = ("cycle", "period", "pc", "sp", "sreg", "pin0", "pin2", "illegal")


def random_image(rng: random.Random) -> bytes:
    """Random words, with some that make a program of it: full speed, I/O, interrupts, waiting loops."""
    words = [rng.randrange(0x10000) for _ in range(512)]
    for at in range(0, 500, 4):
        words[at] = rng.choice(
            [
                0xB900 | rng.randrange(0x100) | 0x100 * (rng.randrange(8) & 6),  # OUT anywhere
                0xE000 | rng.randrange(0x1000),  # LDI
                0x9478,  # SEI
                0x9518,  # RETI
                0x99FE & ~0xF0 | 0x08,  # SBIC
                0xC000 | rng.randrange(0x1000),
                0xCFFE,
            ]
        )
    words[:4] = [0xED08, 0xBF0C, 0xE000, 0xBF06]  # FULL_SPEED
    return b"".join(word.to_bytes(2, "little") for word in words)


@pytest.mark.parametrize("seed", range(12))
def test_any_program_at_all_runs_the_same_in_long_and_in_short_runs(compile_c, seed):
    """Random flash: timers, watchdog, sleep, interrupts, clock changes in any order, with edges on all pins."""
    program = compile_c("tiny_driver.c", *TINY, sanitize=True)
    seen = []
    for fine in (0, 1):
        rng = random.Random(seed)
        bench = Bench(program).boot(random_image(rng), seed=seed)
        bench.ask("fine", fine)
        states = []
        for _ in range(60):
            bench.ask(rng.choice(["clock", "lane", "user"]), rng.randrange(2))
            bench.run(rng.randrange(MS // 20))
            states.append(
                [bench.get(name) for name in ("cycle", "period", "pc", "sp", "sreg", "pin0", "pin2", "illegal")]
            )
        states.append(
            [bench.get(f"r{n}") for n in range(16, 32)] + [bench.io(address) for address in range(0x01, 0x60)]
        )
        bench.close()
        seen.append(states)
    assert seen[0] == seen[1]
