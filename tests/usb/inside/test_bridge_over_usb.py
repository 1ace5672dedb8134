"""Bridges over USB: the demo, and boards that go while a Bridge starts or stops."""

from __future__ import annotations

import threading
import time

import pytest
from conftest import few, interfaces, present, told, until
from pinging import Pinger
from plug import Plug

from tinymux import Bridge, TinymuxError, UsbBoard
from tinymux.cli import commands


def test_the_demo_differs_in_nothing_but_the_boards_name(board: UsbBoard, capfd: pytest.CaptureFixture[str]) -> None:
    commands.main(
        ["demo", "--board", board.serial, "--requests", "64", "--end", "--tune", "startup_ms=250"],
        standalone_mode=False,
    )
    printed = capfd.readouterr().out
    assert "16 nodes up" in printed
    assert "an answer from each of 16" in printed
    assert "64 x 200" in printed
    assert interfaces() == {}


@pytest.mark.parametrize("delay", [0.1, 0.5])
def test_unplugged_during_start_or_right_after(
    board: UsbBoard, plug: Plug, delay: float, caplog: pytest.LogCaptureFixture
) -> None:
    timer = threading.Timer(delay, plug.unplug)
    timer.start()
    started = time.monotonic()
    try:
        with Bridge(few(board)):
            timer.join()
    except TinymuxError as error:
        assert "\n" not in str(error)
    timer.join()
    assert time.monotonic() - started < 20
    assert interfaces() == {}
    assert told(caplog) in ([], [f"board {board.serial} unplugged; its interfaces stay"])


def test_unplugged_during_stop(board: UsbBoard, plug: Plug, pinger: Pinger) -> None:
    bridge = Bridge(few(board)).start()
    pinger.until_answer(bridge.nodes[0].address, 5)
    timer = threading.Timer(0.01, plug.unplug)
    timer.start()
    bridge.stop()
    timer.join()
    assert interfaces() == {}


def test_stopped_while_the_board_is_away(board: UsbBoard, plug: Plug) -> None:
    bridge = Bridge(few(board)).start()
    plug.unplug()
    assert until(lambda: present(0) is None)
    started = time.monotonic()
    bridge.stop()
    assert time.monotonic() - started < 2
    assert interfaces() == {}
