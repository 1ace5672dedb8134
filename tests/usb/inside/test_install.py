"""`tinymux install` on a machine with a real udev, and a hub that switches its ports' power."""

from __future__ import annotations

import grp
import json
from pathlib import Path

import pytest
from conftest import SERIALS, present, until
from plug import Plug

from tinymux import UsbBoard
from tinymux.boards.hub import power_cycle
from tinymux.cli import commands
from tinymux.errors import BoardError
from tinymux.install import FILES, install, uninstall


def test_the_udev_rule_gives_boards_to_the_group_and_a_name_by_serial(board: UsbBoard, plug: Plug) -> None:
    link = Path("/dev/tinymux/by-serial") / board.serial
    try:
        assert "udev: told" in install()
        assert until(link.exists)
        assert link.resolve() == board.node
        assert until(lambda: board.node.stat().st_gid == grp.getgrnam("tinymux").gr_gid)
        assert board.node.stat().st_mode & 0o777 == 0o660
        tags = Path("/run/udev/tags/uaccess")
        assert any(tags.iterdir())

        plug.unplug()
        assert until(lambda: not link.is_symlink())
        plug.plug()
        assert until(link.exists)
    finally:
        uninstall()
    assert not (Path("/") / FILES[0].place).exists()


def test_boards_and_doctor_tell_what_is_plugged_in(
    board: UsbBoard, second: Plug, capsys: pytest.CaptureFixture[str]
) -> None:
    commands.main(["boards", "-o", "json"], standalone_mode=False)
    found = json.loads(capsys.readouterr().out)
    assert [(each["serial"], each["state"]) for each in found] == [(serial, "ready") for serial in SERIALS]
    commands.main(["boards"], standalone_mode=False)
    assert board.serial in capsys.readouterr().out
    commands.main(["doctor", "-o", "json"], standalone_mode=False)
    findings = {finding["name"]: finding for finding in json.loads(capsys.readouterr().out)}
    assert findings["boards"]["good"]
    assert findings["libusb"]["good"]
    assert "tinymux install" in findings["udev rule"]["told"]


def test_a_hub_switches_the_power_of_a_board(second: Plug) -> None:
    board = present(1)
    assert board
    resets = second.count()["resets"]
    power_cycle(board.path, 0.3)
    assert until(lambda: second.count()["resets"] > resets)
    assert until(lambda: (again := present(1)) and again.state == "ready")


def test_a_hub_that_cannot_switch_says_so() -> None:
    with pytest.raises(BoardError, match="nothing is plugged in at 7-7"):
        power_cycle("7-7.1")
