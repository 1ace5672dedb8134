"""Tinies that cannot be programmed, and boards that go: told apart, named, and nobody else is held up."""

from __future__ import annotations

import contextlib
import random

import pytest
from farboard import Garbled
from tpibench import PLANES, random_image

from tinymux._engine import Wire
from tinymux.errors import BoardError
from tinymux.programmer import Programmer

DRIVES_ITS_LANE = bytes.fromhex("089a ffcf".replace(" ", ""))  # sbi DDRB,PB0: PORTB0 is 0; rjmp .-2


def only(outcomes):
    [outcome] = outcomes
    return outcome


def test_wrong_chip_is_named_and_not_tried_again(bench, image):
    bench.board.tune(3, signature=b"\x1e\x90\x08")
    failed, done = bench.programmer.flash({3: image(1), 4: image(2)})
    assert str(failed) == "sim/3: failed while identifying: wrong signature: ATtiny9, not an ATtiny10"
    assert failed.attempts == 1
    assert done.action == "written"
    assert bench.flashes()[3] == b"\xff" * 1024


def test_supply_too_low_is_found_by_reading_back(bench, image):
    bench.board.tune(3, supply_mv=3300)
    failed = only(bench.programmer.flash({3: image(1, 40)}))
    assert failed.action == "failed" and failed.attempts == 3
    assert "bytes differ" in failed.reason


def test_memory_that_stays_busy(bench, image):
    bench.board.tune(3, word_s=100)
    failed, done = bench.programmer.flash({3: image(1, 40), 4: image(2, 40)})
    assert (failed.step.split(":")[0], failed.reason) == ("writing", "its memory stays busy")
    assert done.action == "written"


def test_a_tiny_with_reset_disabled_drives_its_lane(make, image):
    """It runs on in reset: no answer comes that makes sense, whatever it does; the others are programmed."""
    bench = make()
    bench.board.load(3, DRIVES_ITS_LANE)
    bench.board.tune(3, config=0xFE)
    bench.board.power_cycle()
    bench.connect()
    bench.board.run(0.07)
    failed, done = bench.programmer.flash({3: image(1, 40), 4: image(2, 40)})
    assert (failed.action, failed.reason, failed.attempts) == ("failed", "something else drives its lane", 3)
    assert str(failed).startswith("sim/3: failed while identifying: read at 0x3fc0: something else drives")
    assert done.action == "written"


def test_a_tiny_with_reset_disabled_and_silent_does_not_answer(make, image):
    bench = make()
    bench.board.load(3, bytes.fromhex("ffcf"))  # rjmp .
    bench.board.tune(3, config=0xFE)
    bench.board.power_cycle()
    bench.connect()
    failed = only(bench.programmer.flash({3: image(1, 40)}))
    assert str(failed) == "sim/3: failed while identifying: read at 0x3fc0: no answer"
    assert failed.attempts == 3


def test_unplugged_is_told_with_board_node_and_step(bench, image):
    seen = 0

    def wait():
        nonlocal seen
        seen += 1
        if seen == 40:
            bench.board.usb("detach")
        with contextlib.suppress(BoardError):
            bench.wire.run(124)

    bench.programmer._wait = wait
    outcomes = bench.programmer.flash({lane: image(lane) for lane in range(16)}, always=True)
    assert {outcome.action for outcome in outcomes} == {"failed"}
    assert all(outcome.reason == "the board is gone" for outcome in outcomes)
    assert all(str(outcome).startswith(f"sim/{outcome.lane}: failed while writing") for outcome in outcomes)


@pytest.mark.parametrize(
    ("flips", "told"),
    [
        (lambda answer: {9}, "identifying: read at 0x3fc0: answers with wrong parity"),
        (lambda answer: {10}, "identifying: read at 0x3fc0: broken answers"),
        (lambda answer: {1, 9} if answer == 0 else set(), "identifying: read at 0x3fc0: what answers is no chip"),
        (
            lambda answer: {2, 9} if answer % 17 else set(),
            "identifying: read at 0x3fc0: refuses the key for its memory",
        ),
        (lambda answer: {3} if answer > 40 else set(), "comparing: read at 0x4"),
    ],
)
def test_what_a_tiny_answers_wrong_is_told_apart(bench, image, flips, told):
    """Parity; a stop bit; another chip's identification; NVMEN, looked for 16 times; and, later on, where it was."""
    board = Garbled(bench.board, 3, flips)
    wire = Wire(board.capsule, board, lanes=(), duplex=0)
    programmer = Programmer(wire.programming(), "sim", wait=lambda: wire.run(124))
    failed, done = programmer.flash({3: image(1, 40), 4: image(2, 40)})
    assert str(failed).startswith(f"sim/3: failed while {told}")
    assert done.action == "written"
    assert bench.flashes()[3] == b"\xff" * 1024


def test_an_answer_that_is_wrong_once_is_asked_for_again(bench, image):
    board = Garbled(bench.board, 3, lambda answer: {5} if answer % 50 == 20 else set())
    wire = Wire(board.capsule, board, lanes=(), duplex=0)
    programmer = Programmer(wire.programming(), "sim", wait=lambda: wire.run(124))
    assert only(programmer.flash({3: image(1, 40)})).attempts == 1
    assert bench.flashes()[3][:40] == image(1, 40).data
    assert wire.programming().reports()[3].recoveries > 3


def test_words_that_a_hurried_write_spoils_are_written_patiently(bench):
    """Memories whose time changes from word to word: some get ready between the two bytes of a word that is too early.
    The second attempt waits for each word and spoils none."""
    drift = random.Random(1)

    def wait():
        for lane in range(16):
            bench.board.tune(lane, word_s=drift.uniform(200e-6, 700e-6))
        bench.wire.run(PLANES)

    images = {lane: random_image(lane, 600) for lane in range(16)}
    bench.programmer._wait = wait
    outcomes = bench.programmer.flash(images)
    assert {outcome.action for outcome in outcomes} == {"written"}
    assert {outcome.attempts for outcome in outcomes} == {1, 2}
    assert [flash[:600] for flash in bench.flashes()] == [image.data for image in images.values()]
