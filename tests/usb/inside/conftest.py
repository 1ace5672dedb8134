"""Boards for the tests in the guest: plugged in and without faults before each, whatever the last one did."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest
from plug import Plug

from tinymux._usb import Link
from tinymux.boards import UsbBoard, boards

SERIALS = tuple(name.hex().upper() for name in (b"rig board0", b"rig board1"))  # as rig.py gives them
ENUMERATION = 5.0  # s


def until(done: Callable[[], object], seconds: float = ENUMERATION) -> bool:
    """Wait for something to become true; whether it did."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if done():
            return True
        time.sleep(0.02)
    return bool(done())


def present(number: int) -> UsbBoard | None:
    return next((board for board in boards() if board.serial == SERIALS[number]), None)


def plugs(number: int) -> Iterator[Plug]:
    plug = Plug(number)
    try:
        plug.fault("none")
        if plug.plugged:
            board = present(number)
            if board is None or board.state != "ready":
                plug.unplug()
                until(lambda: present(number) is None)
        if not plug.plugged:
            plug.plug()
        assert until(lambda: (board := present(number)) and board.state == "ready"), f"board {number} does not come up"
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
def link(board: UsbBoard) -> Iterator[Link]:
    opened = board.link()
    yield opened
    opened.close()
