"""`tinymux board update`, with the real dfu-programmer, against the chip's bootloader."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from conftest import present, until
from plug import Plug
from transport import FULL, Driver

from tinymux import TinymuxError, UsbBoard, boards
from tinymux.cli import commands

pytestmark = pytest.mark.skipif(not shutil.which("dfu-programmer"), reason="dfu-programmer is not installed")


@pytest.fixture
def bootloader(board: UsbBoard, plug: Plug) -> UsbBoard:
    plug.unplug()
    assert until(lambda: present(0) is None)
    plug.order("bootloader")
    assert until(lambda: board.path in [each.path for each in boards()])
    found = next(each for each in boards() if each.path == board.path)
    assert found.state == "bootloader"
    return found


def test_the_firmware_is_written_started_and_asked(bootloader: UsbBoard, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(TinymuxError, match=f"waits in its bootloader: 'tinymux board update {bootloader.path}' first"):
        commands.main(["up", "--board", bootloader.path], standalone_mode=False)
    commands.main(["board", "update", "--wait", "20"], standalone_mode=False)
    assert capsys.readouterr().out.strip() == f"{bootloader.path}: firmware 1.00"
    board = present(0)
    assert board
    driver = Driver(board.link())
    assert driver.ask(FULL) == FULL
    driver.link.close()


def test_a_file_that_cannot_be_the_firmware_is_refused_before_anything_is_erased(
    bootloader: UsbBoard, tmp_path: Path
) -> None:
    file = tmp_path / "wrong.bin"
    file.write_bytes(bytes(40_000))
    with pytest.raises(TinymuxError):
        commands.main(["board", "update", bootloader.path, "--file", str(file), "--wait", "1"], standalone_mode=False)
    assert next(each for each in boards() if each.path == bootloader.path).state == "bootloader"
