"""Boards for the tests in the guest: plugged in and without faults before each, whatever the last one did."""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from pinging import Pinger
from plug import Plug

from tinymux._usb import Link
from tinymux.boards import UsbBoard, boards
from tinymux.boards.usb import IN_USE, READY

SERIALS = tuple(name.hex().upper() for name in (b"rig board0", b"rig board1"))  # as rig.py gives them
ENUMERATION = 5.0  # s
ANSWERING = READY, IN_USE
# A simulated board on a busy machine may run slower than the wall clock, which is a USB board's time to the engine:
# its tinies need longer to start. ms
OPTIONS = {"startup_ms": 250}


def until(done: Callable[[], object], seconds: float = ENUMERATION, every: float = 0.02) -> bool:
    """Wait for something to become true; whether it did."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if done():
            return True
        time.sleep(every)
    return bool(done())


def present(number: int) -> UsbBoard | None:
    return next((board for board in boards() if board.serial == SERIALS[number]), None)


def interfaces() -> dict[str, int]:
    return {name: index for index, name in socket.if_nameindex() if name.startswith("tmx")}


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What was logged of boards that went away, without those that came back."""
    lines = [record.message for record in caplog.records if record.levelno >= logging.WARNING]
    return [line for line in lines if "is back" not in line]


def few(board: UsbBoard, lanes: int = 2) -> UsbBoard:
    """The board with so many nodes: each takes a slow guest a quarter of a second to set up."""
    return replace(board, images=board.images[:lanes])


def plugs(number: int) -> Iterator[Plug]:
    plug = Plug(number)
    try:
        plug.fault("none")
        if plug.plugged:
            board = present(number)
            if board is None or board.state not in ANSWERING:
                plug.unplug()
                until(lambda: present(number) is None)
        if not plug.plugged:
            plug.plug()
        assert until(lambda: (board := present(number)) and board.state in ANSWERING), (
            f"board {number} does not come up"
        )
        yield plug
    finally:
        plug.fault("none")
        plug.close()


@pytest.fixture
def plug() -> Iterator[Plug]:
    yield from plugs(0)


@pytest.fixture
def second() -> Iterator[Plug]:
    yield from plugs(1)


@pytest.fixture
def board(plug: Plug) -> UsbBoard:
    found = present(0)
    assert found
    return found


@pytest.fixture
def pinger() -> Iterator[Pinger]:
    made = Pinger()
    yield made
    made.close()


@pytest.fixture
def link(board: UsbBoard) -> Iterator[Link]:
    opened = board.link()
    yield opened
    opened.close()
