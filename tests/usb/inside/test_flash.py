"""Programming over USB: tinies take programs, and a process that is killed, or a cable that is pulled, spoils none."""

from __future__ import annotations

import os
import random
import signal
import threading
import time

import pytest
from conftest import present, until
from plug import Plug

from tinymux import UsbBoard
from tinymux.cli import commands
from tinymux.errors import BoardError
from tinymux.images import Image
from tinymux.outcomes import Progress
from tinymux.programmer import Programmer

LOOP = b"\xff\xcf"  # rjmp . : a program, whatever follows
NODES = (3, 12)  # of either port


def image(seed: int, size: int = 40) -> Image:
    return Image(f"random {seed}", LOOP + random.Random(seed).randbytes(size - 2))


def flash(board: UsbBoard, seed: int, size: int = 40, always: bool = False) -> list[str]:
    with Programmer.open(board) as programmer:
        outcomes = programmer.flash(dict.fromkeys(NODES, image(seed, size)), always=always)
    assert not [str(outcome) for outcome in outcomes if outcome.action == "failed"]
    return [outcome.action for outcome in outcomes]


def test_flashed_verified_and_left_alone(board: UsbBoard) -> None:
    assert flash(board, 1, always=True) == ["written", "written"]
    assert flash(board, 1) == ["unchanged", "unchanged"]
    with Programmer.open(board) as programmer:
        first, second = programmer.verify({3: image(1), 12: image(2)})
    assert (first.action, second.action) == ("verified", "different")


@pytest.mark.parametrize("delay", [0.2, 0.6, 1.2, 1.8])
def test_killed_a_later_run_repairs_it(board: UsbBoard, delay: float) -> None:
    """kill -9: the kernel takes back what was under way, and gives the board free."""
    flash(board, 1)
    child = os.fork()
    if not child:
        flash(board, 2, 1024)  # 2.3 s and more
        os._exit(0)
    time.sleep(delay)
    os.kill(child, signal.SIGKILL)
    assert os.WIFSIGNALED(os.waitpid(child, 0)[1])
    assert set(flash(board, 1)) <= {"written", "unchanged"}
    with Programmer.open(board) as programmer:
        assert [outcome.action for outcome in programmer.verify(dict.fromkeys(NODES, image(1)))] == ["verified"] * 2


def test_unplugged_meanwhile_is_told_and_repaired(board: UsbBoard, plug: Plug) -> None:
    flash(board, 1)
    pulled = threading.Thread(target=plug.unplug)

    def tell(progress: Progress) -> None:
        if progress.doing == "writing" and not pulled.ident:
            pulled.start()

    with Programmer.open(board, tell) as programmer:
        outcomes = programmer.flash(dict.fromkeys(NODES, image(2, 1024)))
    pulled.join()
    assert {(outcome.action, outcome.reason) for outcome in outcomes} == {("failed", "the board is gone")}
    assert [str(outcome).split(":")[0] for outcome in outcomes] == [f"{board.serial}/{node}" for node in NODES]
    plug.plug()
    assert until(lambda: present(0))
    again = present(0)
    assert again and set(flash(again, 1)) <= {"written", "unchanged"}


def test_two_at_once_are_told_which_board(board: UsbBoard) -> None:
    with Programmer.open(board), pytest.raises(BoardError, match=f"{board.serial}.* is in use by another process"):
        flash(board, 1)


def test_the_command_takes_a_board_by_its_path(board: UsbBoard, capfd: pytest.CaptureFixture[str]) -> None:
    commands.main(["identify", "--node", f"{board.path}/{NODES[0]},{NODES[1]}"], standalone_mode=False)
    printed = capfd.readouterr().out
    assert printed.count('"part": "ATtiny10"') == 2 and board.serial in printed
