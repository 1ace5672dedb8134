"""Cycles from bit to bit: counted on every path, and measured while the image runs; the two agree, and the gate heeds
both."""

from __future__ import annotations

import random
import re
import time
from pathlib import Path

import pytest

from tinymux import _simulator
from tinymux._engine import Wire
from tinymux.images import ATMEGA32U4, Image, firmware, load
from tinymux.images.analysis import analyse
from tinymux.images.gate import PAUSE, PLANE, check
from tinymux.images.probes import ping
from tinymux.images.timing import timing
from tinymux.images.trial import trials

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = ("server", "hello", "echo", "selftest", "blog", "microblog")
# Receives bytes as lane.inc does, with something between a bit and the look for the next one, or behind a byte.
RECEIVER = """
 ldi r16,0xD8 / out 0x3c,r16 / clr r17 / out 0x36,r17
0: ldi r16,0xff / {behind}
1: sbic 0,1 / rjmp 1b / 2: in r18,0 / sbrs r18,1 / rjmp 2b / lsr r18 / ror r16 / {between} / brcs 1b / rjmp 0b
"""


@pytest.fixture
def receiver(assembled):
    def build(between: str = "nop", behind: str = "nop") -> Image:
        return load(assembled(RECEIVER.replace("\n", " / ").format(between=between, behind=behind)))

    return build


@pytest.mark.parametrize("name", PROGRAMS)
def test_our_programs_take_what_lane_inc_says(name):
    """9 cycles in the bit loop that sends, which may see an edge 3 late; 7 and 4 in the one that receives."""
    image = load(firmware(f"{name}.elf"))
    found = analyse(image.data).timing
    assert found.bit == 12
    for trial in trials(image):
        assert trial.metered.in_byte == 9 and trial.metered.missed == 0
        assert 45 <= trial.metered.between <= 51  # ip.inc: 51 on the longest path
        assert found.away is None or trial.metered.between <= found.away


@pytest.mark.parametrize("nops", [0, 1, 2])
def test_counted_is_measured(receiver, nops):
    image = receiver(" / ".join(["nop"] * nops) or "")
    counted = analyse(image.data).timing
    assert counted.bit == 7 + nops + 4 and not counted.doubts
    assert {trial.metered.in_byte for trial in trials(image)} == {7 + nops}
    assert check(image).admitted


@pytest.mark.parametrize(
    ("between", "bit"), [(" / ".join(["nop"] * 9), 20), ("ldi r19,4 / 3: dec r19 / brne 3b", 7 + 12 + 4)]
)
def test_a_slow_bit_loop_is_kept_out_by_counting_and_by_measuring(receiver, between, bit):
    verdict = check(receiver(between))
    assert verdict.analysis.timing.bit == bit
    told = "; ".join(finding.text for finding in verdict.refused)
    assert f"from bit to bit: at most {bit} cycles at 0x010; the shortest plane has 13.5 at 7.2 MHz" in told
    assert re.search(r"at 7\.2 MHz it misses bits in \d+ of \d+ bytes: .*\(the look at 0x00c\)", told)


def test_what_data_decides_is_measured_instead(receiver):
    """A loop of as many turns as the byte so far says."""
    verdict = check(receiver("mov r19,r16 / 3: dec r19 / brne 3b"))
    assert verdict.analysis.timing.bit is None
    assert "a loop at 0x01c takes as many turns as data says" in verdict.analysis.timing.doubts
    assert any("cannot be counted" in finding.text for finding in verdict.findings)
    assert [finding.text for finding in verdict.refused] == [
        f"at {mhz} MHz it sees no byte whole of 3921: it is too slow for its lane" for mhz in (7.2, 8.8)
    ]


def test_too_long_between_two_bytes_is_measured(receiver):
    """Counting cannot tell the way to the next byte from the way to an answer; running does."""
    slow = check(receiver(behind="ldi r19,30 / 3: dec r19 / brne 3b"))
    assert slow.analysis.timing.bit == 7 + 1 + 4
    assert 90 < slow.analysis.timing.away < 110
    assert [finding.text[:24] for finding in slow.refused] == ["at 7.2 MHz it misses bit", "at 8.8 MHz it misses bit"]
    quick = check(receiver(behind="ldi r19,12 / 3: dec r19 / brne 3b"))
    assert quick.admitted


@pytest.mark.parametrize(
    ("text", "doubt"),
    [
        ("sei / 1: in r16,0 / inc r17 / rjmp 1b / reti", "interrupts come in between"),
        ("1: in r16,0 / inc r17 / sleep / rjmp 1b", "it sleeps"),
        ("in r30,1 / 1: in r16,0 / inc r17 / brne 1b / ijmp", "it jumps to addresses that it computes"),
        ("f: in r16,0 / rcall f", "too many ways through it"),
    ],
)
def test_where_counting_ends_it_says_why(assembled, text, doubt):
    found = timing(load(assembled(text)).data, (), "ijmp" in text, "sei" in text)
    assert doubt in found.doubts


def test_bits_that_interrupts_take_are_measured(assembled):
    text = "rjmp 1f / in r16,0 / reti / " + "reti / " * 8 + "1: sei / 2: rjmp 2b"
    verdict = check(load(assembled(text)))
    assert (verdict.analysis.timing.bit, verdict.analysis.timing.loops) == (None, False)
    told = [finding.text for finding in verdict.findings]
    assert "from bit to bit: cannot be counted (interrupts come in between): look at what was measured" in told
    assert verdict.admitted and "at 7.2 MHz it does not listen to its lane" in told
    polling = check(load(assembled(text.replace("2: rjmp 2b", "2: in r17,0 / inc r18 / rjmp 2b"))))
    assert any("; but interrupts come in between: look at" in finding.text for finding in polling.findings)


def test_any_image_is_analysed_in_little_time():
    """Noise; and code made to have as many ways as possible, skips over counts, with a look here and there."""
    rng = random.Random(7)
    counted = ["00b1", "10e0", "20e0", "30e0"]  # in r16,PINB; ldi r17,0; ldi r18,0; ldi r19,0
    for _ in range(126):
        counted += ["00fd", rng.choice(("1395", "2395", "3395"))]  # sbrc r16,0; inc one of them
    images = [bytes.fromhex("".join([*counted, *counted[:-1], "00ce"])), *(rng.randbytes(1024) for _ in range(30))]
    start = time.process_time()
    assert analyse(images[0]).timing.doubts == ("too many ways through it",)
    for image in images[1:]:
        analyse(image)
    assert time.process_time() - start < 15


def test_a_program_that_reads_its_own_pin_only_does_not_listen(assembled):
    image = load(assembled("ldi r18,0 / 1: sbic 0,2 / inc r16 / 2: dec r18 / brne 2b / rjmp 1b"))
    assert analyse(image.data).timing.bit == 0
    assert check(image).admitted


def test_a_metered_tiny_runs_exactly_alike():
    def run(metered: bool):
        image = load(firmware("echo.elf")).data
        board = _simulator.Board(load(firmware("pump.elf"), ATMEGA32U4).data, [image], seed=4, rc_error=-70_000)
        meter = _simulator.Meter(board, 0) if metered else None
        wire = Wire(board.transport, board, lanes=[0])
        wire.run(seconds=0.1)
        for size in range(12):
            wire.send(0, ping(bytes(size)))
            wire.run(5000)
        assert not meter or meter.read().looks
        return board.time, board.tiny(0), wire.receive()

    assert run(True) == run(False)


def test_the_budgets_are_those_of_pump_and_engine():
    """Of the pump's source and the engine's options, and as the simulated board's clock shows."""
    loops = dict(re.findall(r"X\((\w+), (\w+), ", (ROOT / "ext" / "engine" / "options.h").read_text()))
    rows = re.findall(
        r"^ \*   (\w+) +(\d+) +(\d+) +(\d+) +(\d+) +\d+ +\d+ +(\d+)", (ROOT / "atmega" / "pump.S").read_text(), re.M
    )
    own = {name: (int(low), int(high)) for name, low, high, *_ in rows}
    plane = {name: int(cycles) for name, *_, cycles in rows}
    for name in ("TX", "RX"):
        padding = int(loops[f"padding_{name.lower()}"], 16)
        plane[name] = sum(own[name]) + 3 * (padding & 0xFF) + 3 * (padding >> 8)
    assert min(plane.values()) == PLANE
    assert min((1 + int(loops["gap"])) * plane["BOTH"], (1 + int(loops["gap_tx"])) * plane["TX"]) == PAUSE
    assert trials(load(firmware("hello.elf")))[0].metered.plane_ps == pytest.approx(PLANE / 16e6 * 1e12, rel=1e-6)
