"""`tinymux flash` in processes that are killed with SIGKILL, later each time, and a run after each that repairs.

    python killing.py FIRST LAST STEP    prints a line of JSON: packets of a whole run, kills, how many words were
                                         written when it was killed, what went wrong

Killed before every other OUT packet from FIRST to LAST, which erase and write, and before every STEPth of all. Each
process is one of its own, forked because starting Python takes longer than flashing; the board stays here. What is
under way to the board when a process is killed arrives every other time, and is lost every other time.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import tempfile
from pathlib import Path

from farboard import FarBoard, serve
from tpibench import random_image

from tinymux import _simulator
from tinymux._engine import Engine  # noqa: F401  # what a child needs is loaded before it is forked
from tinymux.cli import main, programming
from tinymux.images import ATMEGA32U4, firmware, load
from tinymux.programmer import Programmer  # noqa: F401

LOOP = b"\xff\xcf"  # rjmp . : what the gate admits, whatever follows
WORD_S, ERASE_S = 60e-6, 120e-6


def flash(board: _simulator.Board, words: list[str], kill_at: int | None) -> tuple[int, list[dict[str, object]], int]:
    """Run `tinymux flash` on the board, and kill it before that OUT packet. Its status, its JSON lines, its packets."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        ours.close()
        os.dup2(writer, 1)
        programming._find = lambda name, state: FarBoard(theirs)
        sys.argv = ["tinymux", "flash", *words]
        try:
            main()
            code = 0
        except SystemExit as ended:
            code = int(ended.code or 0)
        sys.stdout.flush()
        os._exit(code)
    theirs.close()
    os.close(writer)

    def before(packet: int) -> bool:
        if packet == kill_at:
            os.kill(child, signal.SIGKILL)
        return packet != kill_at or bool(packet // 2 % 2)

    taken = serve(board, ours, before)
    _, status = os.waitpid(child, 0)
    with os.fdopen(reader) as told:
        rows = [json.loads(line) for line in told]
    ours.close()
    return status, rows, taken


def run(first: int, last: int, step: int) -> dict[str, object]:
    board = _simulator.Board(load(firmware("pump.elf"), ATMEGA32U4).data)
    for lane in (3, 4):
        board.tune(lane, word_s=WORD_S, erase_s=ERASE_S)
    neighbour = random_image(4).data
    board.load(4, neighbour)
    wrong: list[str] = []
    left: set[str] = set()
    erased = b"\xff" * 10
    with tempfile.TemporaryDirectory() as folder:
        images = [Path(folder) / f"{n}.bin" for n in range(2)]
        for n, file in enumerate(images):
            file.write_bytes(LOOP + random_image(n, 8).data)
        words = ["--node", "3", "--force", "--always"]
        status, rows, whole = flash(board, [str(images[0]), *words], None)
        if status or [row["action"] for row in rows] != ["written"]:
            raise SystemExit(f"it does not work at all: {status} {rows}")
        kills = 0
        for packet in sorted({*range(first, last, 2), *range(0, whole, step)}):
            status, rows, _ = flash(board, [str(images[1]), *words], packet)
            kills += status == signal.SIGKILL and not rows
            found, data = board.tiny(3).flash[: len(erased)], images[1].read_bytes()
            written = [n for n in range(6) if found == data[: 2 * n] + erased[2 * n :]]
            left.add(str(written[0]) if written else "other")
            status, rows, _ = flash(board, [str(images[0]), "--node", "3", "--force"], None)
            good = board.tiny(3).flash == images[0].read_bytes().ljust(1024, b"\xff")
            if status or not good or rows[0]["action"] not in ("written", "unchanged"):
                wrong.append(f"killed before packet {packet}: {rows}")
    if board.tiny(4).flash != neighbour:
        wrong.append("the neighbour has changed")
    return {"whole": whole, "kills": kills, "left": sorted(left), "wrong": wrong}


if __name__ == "__main__":
    print(json.dumps(run(*map(int, sys.argv[1:]))))
