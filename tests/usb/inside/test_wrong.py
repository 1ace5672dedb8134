"""Devices that are none of ours, broken, held, or not for us: one clear line each, and the other board goes on."""

from __future__ import annotations

import errno
import os
import subprocess
import sys

import pytest
from conftest import SERIALS, until
from plug import Plug
from transport import FULL, Driver

from tinymux._tables import PROTOCOL
from tinymux.boards import UsbBoard, boards, find
from tinymux.boards.usb import explain, plugged
from tinymux.errors import BoardError


def replug(plug: Plug, fault: str, value: int = 0) -> UsbBoard:
    """Plug the board in anew, with a fault; it as the kernel sees it then."""
    path = next(board.path for board in plugged() if board.serial == SERIALS[plug.number])
    plug.unplug()
    assert until(lambda: path not in [board.path for board in plugged()])
    plug.fault(fault, value)
    plug.plug()
    assert until(lambda: path in [board.path for board in plugged()])
    return next(board for board in plugged() if board.path == path)


@pytest.mark.parametrize(
    ("fault", "value", "state", "message"),
    [
        ("protocol", 9, "protocol 9", "speaks protocol 9, this tinymux 1: a newer tinymux"),
        ("protocol", 0, "protocol 0", "runs another firmware"),
        ("firmware", 0, "other firmware", "runs another firmware"),
        ("descriptor", 0, "ready", "its descriptors lack the two bulk endpoints"),
        ("stall", 0, "other firmware", "runs another firmware"),
    ],
)
def test_a_device_that_is_not_what_it_seems(
    plug: Plug, second: Plug, fault: str, value: int, state: str, message: str
) -> None:
    board = replug(plug, fault, value)
    assert next(each for each in boards() if each.path == board.path).state == state
    with pytest.raises(BoardError, match=message) as error:
        board.open()
    assert "\n" not in str(error.value)
    other = Driver(find(SERIALS[1]).link())
    assert other.ask(FULL) == FULL
    other.link.close()


def test_a_board_that_answers_nothing(board: UsbBoard, plug: Plug, second: Plug) -> None:
    plug.fault("mute")
    assert find(board.serial).state == "ready", "without being asked"
    assert boards()[0].state == "silent"
    with pytest.raises(BoardError, match="does not answer: unplug it and plug it in again") as error:
        board.open()
    assert "\n" not in str(error.value)
    other = Driver(find(SERIALS[1]).link())
    assert other.ask(FULL) == FULL
    other.link.close()


def test_an_older_protocol_names_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is none before 1 yet."""
    monkeypatch.setitem(PROTOCOL["version"], "protocol", 2)
    told = explain(OSError(errno.EPROTO, 1))
    assert told == "speaks protocol 1, this tinymux 2: 'tinymux board update' helps"


def hold(board: UsbBoard, tell: int, stay: int) -> None:
    """Another process: takes the board, says so, and keeps it until the pipe is closed."""
    link = board.link()
    os.write(tell, b".")
    os.read(stay, 1)
    link.close()


def test_a_board_held_by_another_process(board: UsbBoard, second: Plug) -> None:
    (told, tell), (stay, go) = os.pipe(), os.pipe()
    child = os.fork()
    if not child:
        os.close(go)
        try:
            hold(board, tell, stay)
        finally:
            os._exit(0)
    os.close(stay)
    assert os.read(told, 1) == b"."
    assert find(board.serial).state == "in use"
    with pytest.raises(BoardError, match="is in use by another process") as error:
        board.open()
    assert "\n" not in str(error.value)
    other = Driver(find(SERIALS[1]).link())
    assert other.ask(FULL) == FULL
    other.link.close()
    os.close(go)
    assert os.waitpid(child, 0)[1] == 0
    assert boards()[0].state == "ready"
    for end in (told, tell):
        os.close(end)


def test_a_user_without_permission_is_told_what_to_do(board: UsbBoard, second: Plug) -> None:
    os.chmod(board.node, 0o600)
    code = f"from tinymux.boards import find; b = find('{board.serial}'); print(b.state); b.open()"
    # nobody, who may read what this test's Python needs, wherever it lies
    nobody = [
        "setpriv",
        "--reuid=65534",
        "--clear-groups",
        "--inh-caps=+dac_read_search",
        "--ambient-caps=+dac_read_search",
    ]
    done = subprocess.run(
        [*nobody, sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout == "no permission\n"
    assert "may not be opened by this user: as root, 'tinymux install'" in done.stderr.splitlines()[-1]
    other = Driver(find(SERIALS[1]).link())
    assert other.ask(FULL) == FULL
    other.link.close()


def test_chosen_by_serial_path_or_label_and_never_by_order(
    board: UsbBoard, second: Plug, tmp_path, monkeypatch
) -> None:
    configuration = tmp_path / "tinymux.toml"
    configuration.write_text(f'[[board]]\nserial = "{board.serial.lower()}"\nlabel = "kitchen"\n')
    monkeypatch.setenv("TINYMUX_CONFIG", str(configuration))
    for name in (board.serial, board.serial.lower(), board.path, "kitchen"):
        assert find(name).serial == board.serial
    assert find("kitchen").label == "kitchen"
    for name in ("0", "1", board.serial[:-1], "cellar"):
        with pytest.raises(BoardError, match="on USB: kitchen"):
            find(name)
    assert [each.serial for each in boards()] == list(SERIALS)
    assert {(each.firmware, each.speed, each.state) for each in boards()} == {("1.00", "full", "ready")}
