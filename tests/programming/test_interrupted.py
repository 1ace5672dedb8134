"""Interrupted at any byte, unplugged, without power or by kill -9: a later run repairs it."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from pathlib import Path

import pytest
from farboard import CutBoard

from tinymux._engine import Wire
from tinymux.errors import BoardError

FRAME = 12  # planes of a TPI byte
MOST = 1_000_000_000
ERASED = b"\xff" * 1024


def only(outcomes):
    [outcome] = outcomes
    return outcome


def test_given_up_half_way_says_so(bench, image):
    looks = iter(range(10_000))
    bench.programmer.stop = lambda: next(looks) > 60
    outcome = only(bench.programmer.flash({3: image(3)}, always=True))
    assert outcome.reason == "interrupted: its flash is incomplete, flash it again"
    bench.programmer.stop = lambda: False
    assert only(bench.programmer.flash({3: image(3)})).action == "written"


def run(board: CutBoard, data: bytes, until) -> str:
    """A job of an erase, words and reading back, on lane 3, until `until` says so of its report or it has ended."""
    programming = (wire := Wire(board.capsule, board, lanes=())).programming()
    programming.begin([3])
    programming.run(3, [("erase", 0x4000, 0x10), ("write", 0x4000, data), ("read", 0x4000, 100)])
    with contextlib.suppress(BoardError):
        while (report := programming.reports()[3]).outcome == "running" and not until(report):
            wire.run(31)
    return programming.reports()[3].outcome


@pytest.mark.parametrize("how", ["cable", "power"])
def test_cut_at_each_tpi_byte_a_later_run_repairs_it(make, image, how):
    """In each frame of entering, the key, an erase and four words, and in some of reading back, at another bit each."""
    bench = make(word_s=30e-6, erase_s=60e-6)
    bench.board.load(4, neighbour := image(4).data)
    whole = CutBoard(bench.board, MOST, lambda: None)
    run(whole, image(0, 8).data, lambda report: report.step == 2)
    written = MOST - whole.left  # clocks
    wanted, left = image(11, 8), set()
    for cut in [*range(0, written, FRAME - 1), *range(written, written + 2500, 397)]:
        before, data = bench.board.tiny(3).flash[:8], image(cut, 8).data
        board = CutBoard(bench.board, cut, lambda: bench.board.usb("detach"))
        assert run(board, data, lambda report: False) == "board_gone"
        found = bench.board.tiny(3).flash[:8]
        words = [n for n in range(5) if found == data[: 2 * n] + ERASED[2 * n : 8]]
        left.add("as it was" if found == before else words[0] if words else "within a word")
        bench.board.enumerate() if how == "cable" else bench.board.power_cycle()
        bench.connect()
        assert only(bench.programmer.flash({3: wanted}, always=True)).action == "written"
        assert bench.flashes()[3] == wanted.data + ERASED[8:]
    assert left >= {"as it was", 0, 1, 2, 3, 4}  # words
    assert bench.flashes()[4] == neighbour


def test_killed_at_any_packet_a_later_run_repairs_it():
    """`tinymux flash` ends by SIGKILL between packets that erase and write, and in other places."""
    command = [sys.executable, str(Path(__file__).with_name("killing.py")), "72", "114", "149"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=110)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["wrong"] == []
    assert told["kills"] > 25
    assert set(told["left"]) >= {"0", "1", "2", "3", "4", "5", "other"}  # words that were written
