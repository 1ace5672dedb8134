"""Bridges over USB: the demo, boards that come and go under traffic, boards that hang, two at once."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Iterator

import pytest
from conftest import SERIALS, present, until
from pinging import Pinger
from plug import Plug

from tinymux import Bridge, TinymuxError, UsbBoard
from tinymux.boards import find
from tinymux.cli import commands

BACK = 1.0  # s, from the end of enumeration to the first packet
# A simulated board on a busy machine may run slower than the wall clock, which is a USB board's time to the engine:
# its tinies need longer to start. ms
OPTIONS = {"startup_ms": 250}


@pytest.fixture
def pinger() -> Iterator[Pinger]:
    made = Pinger()
    yield made
    made.close()


def interfaces() -> dict[str, int]:
    return {name: index for index, name in socket.if_nameindex() if name.startswith("tmx")}


def test_the_demo_differs_in_nothing_but_the_boards_name(board: UsbBoard, capfd: pytest.CaptureFixture[str]) -> None:
    commands.main(
        ["demo", "--board", board.serial, "--requests", "64", "--end", "--tune", "startup_ms=250"],
        standalone_mode=False,
    )
    told = capfd.readouterr().out
    assert "16 nodes up" in told
    assert "an answer from each of 16" in told
    assert "64 x 200" in told
    assert interfaces() == {}


def test_a_replug_keeps_the_interfaces_and_traffic_is_back(
    board: UsbBoard, plug: Plug, pinger: Pinger, caplog: pytest.LogCaptureFixture
) -> None:
    with Bridge(board, options=OPTIONS) as bridge:
        before = interfaces()
        node = bridge.nodes[3]
        assert pinger.until_answer(node.address, 5) < 5
        for _ in range(3):
            caplog.clear()
            with caplog.at_level(logging.WARNING):
                plug.unplug()
                assert until(lambda: present(0) is None)
                assert pinger.until_answer(node.address, 0.3) == float("inf")
                plug.plug()
                assert until(lambda: present(0))
                assert pinger.until_answer(node.address, BACK) < BACK
            assert interfaces() == before
            told = [record.message for record in caplog.records]
            assert [line for line in told if "unplugged" in line] == [
                f"board {board.serial} unplugged; its interfaces stay"
            ]
            assert sum("is back" in line for line in told) == 1
        assert len(pinger.answers(0)) <= 1
        bridge.check()


def test_it_may_come_back_at_another_port_when_chosen_by_serial(board: UsbBoard, plug: Plug) -> None:
    elsewhere = UsbBoard(**{**vars(board), "path": "9-9", "node": board.node})
    assert board.same(elsewhere)
    by_path = find(board.path)
    assert by_path.chosen == "path"
    assert not by_path.same(elsewhere)


def test_a_board_that_hangs_is_reset_and_goes_on(
    board: UsbBoard, plug: Plug, pinger: Pinger, caplog: pytest.LogCaptureFixture
) -> None:
    with Bridge(board, options=OPTIONS) as bridge:
        assert pinger.until_answer(bridge.nodes[0].address, 5) < 5
        plug.fault("hang", 1)
        assert pinger.until_answer(bridge.nodes[0].address, 10) < 10
    told = [record.message for record in caplog.records if "interfaces stay" in record.message]
    assert told == [f"board {board.serial} does not answer; its interfaces stay"]


def test_two_boards_in_one_bridge_and_one_goes_away(board: UsbBoard, plug: Plug, second: Plug, pinger: Pinger) -> None:
    with Bridge(board, find(SERIALS[1]), options=OPTIONS) as bridge:
        addresses = [node.address for node in bridge.nodes]
        assert len(addresses) == 32
        assert pinger.all_answer(addresses, 10)
        plug.unplug()
        assert until(lambda: present(0) is None)
        assert pinger.all_answer(addresses[16:], 5)
        plug.plug()
        assert pinger.all_answer(addresses, 10)


@pytest.mark.parametrize("delay", [0.1, 0.5])
def test_unplugged_during_start_or_right_after(board: UsbBoard, plug: Plug, delay: float) -> None:
    timer = threading.Timer(delay, plug.unplug)
    timer.start()
    started = time.monotonic()
    try:
        with Bridge(board):
            timer.join()
    except TinymuxError as error:
        assert "\n" not in str(error)
    timer.join()
    assert time.monotonic() - started < 20
    assert interfaces() == {}


def test_unplugged_during_stop(board: UsbBoard, plug: Plug, pinger: Pinger) -> None:
    bridge = Bridge(board).start()
    pinger.until_answer(bridge.nodes[0].address, 5)
    timer = threading.Timer(0.01, plug.unplug)
    timer.start()
    bridge.stop()
    timer.join()
    assert interfaces() == {}


def test_stopped_while_the_board_is_away(board: UsbBoard, plug: Plug) -> None:
    bridge = Bridge(board).start()
    plug.unplug()
    assert until(lambda: present(0) is None)
    started = time.monotonic()
    bridge.stop()
    assert time.monotonic() - started < 2
    assert interfaces() == {}
