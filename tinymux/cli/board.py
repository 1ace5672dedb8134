"""`tinymux board update`: the pump firmware into a board, through the chip's own DFU bootloader."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from intelhex import IntelHex
from rich.progress import Progress, TimeElapsedColumn

from tinymux._tables import PROTOCOL
from tinymux.boards.usb import IN_BOOTLOADER as WAITING
from tinymux.boards.usb import OURS, UsbBoard, plugged
from tinymux.errors import BoardError, TinymuxError
from tinymux.images import ATMEGA32U4, firmware, load

PART = "atmega32u4"
STEPS = "erase", "flash", "start"
STEP_SECONDS = 60
ENTER = "hold the board's HWB button, press and release RESET, release HWB"
VERSION = PROTOCOL["version"]["firmware"]


@click.group()
def board() -> None:
    """One board: its pump firmware.

    \b
      tinymux board update          the chip that waits in its bootloader
    """


@board.command()
@click.argument("path", required=False)
@click.option(
    "--file", "image", type=click.Path(path_type=Path, dir_okay=False), help="ELF, Intel HEX or raw file to write."
)
@click.option("--wait", type=click.FloatRange(0, 600), default=60, show_default=True, metavar="SECONDS")
def update(path: str | None, image: Path | None, wait: float) -> None:
    """Write the pump firmware to the board at PATH, and check what it says afterwards.

    The chip takes it only in its bootloader: hold the board's HWB button while you press RESET. Waits
    for that. PATH may be left out while one board alone is in its bootloader. The tinies' programs stay.
    """
    program = shutil.which("dfu-programmer")
    if not program:
        raise TinymuxError("dfu-programmer is missing: 'apt install dfu-programmer' as root")
    flash = load(image or firmware("pump.elf"), ATMEGA32U4)
    with (
        tempfile.TemporaryDirectory() as folder,
        Progress(*Progress.get_default_columns(), TimeElapsedColumn(), transient=True) as progress,
    ):
        file = Path(folder) / "pump.hex"
        memory = IntelHex()
        memory.frombytes(flash.data)
        memory.write_hex_file(str(file))
        with step(progress, f"waiting for a bootloader: {ENTER}"):
            chip = await_one(lambda: bootloader(path), wait, f"no board in its bootloader: {ENTER}, then this again")
        task = progress.add_task("", total=len(STEPS))
        for name in STEPS:
            progress.update(task, description=name)
            dfu(program, chip, name, *([str(file)] if name == "flash" else []))
            progress.advance(task)
        with step(progress, "waiting for the board"):
            version = await_one(lambda: running(chip.path), wait, f"{chip.path}: written, but no board of ours came up")
    told = f"{version >> 8:x}.{version & 0xFF:02x}"
    if image is None and version != VERSION:
        raise BoardError(f"{chip.path}: written, but the board says firmware {told}, not the one of this tinymux")
    print(f"{chip.path}: firmware {told}")


@contextmanager
def step(progress: Progress, text: str) -> Iterator[None]:
    """A line with a bar that only moves, while something is waited for."""
    task = progress.add_task(text, total=None)
    yield
    progress.remove_task(task)


def await_one(look: Callable[[], Any], seconds: float, failure: str) -> Any:
    """What `look` gives once it gives something."""
    end = time.monotonic() + seconds
    while (found := look()) is None:
        if time.monotonic() > end:
            raise BoardError(failure)
        time.sleep(0.2)
    return found


def bootloader(path: str | None) -> UsbBoard | None:
    """The chip that waits at that path, or the only one that waits."""
    waiting = [each for each in plugged() if each.state == WAITING and path in (None, each.path)]
    if len(waiting) > 1:
        paths = " or ".join(each.path for each in waiting)
        raise BoardError(f"{len(waiting)} boards are in their bootloaders: say which, {paths}")
    return waiting[0] if waiting else None


def dfu(program: str, chip: UsbBoard, *words: str) -> None:
    """One step of dfu-programmer's, on that chip and no other."""
    bus, address = int(chip.node.parent.name), int(chip.node.name)
    command = [program, f"{PART}:{bus},{address}", *words]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=STEP_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise BoardError(f"{chip.path}: '{words[0]}' took more than {STEP_SECONDS} s; plug it in anew") from None
    # At "start" the chip is gone before dfu-programmer has let go of it; the board that comes up tells how it went.
    if done.returncode and words[0] != "start":
        reason = (done.stderr.strip() or done.stdout.strip() or f"status {done.returncode}").splitlines()[-1]
        raise BoardError(f"{chip.path}: dfu-programmer {words[0]}: {reason}")


def running(path: str) -> int | None:
    """The firmware version that the board at that path tells, once it runs."""
    import usb.core

    found = next((each for each in plugged() if each.path == path and each.state != WAITING), None)
    if not found:
        return None
    for device in usb.core.find(find_all=True, idVendor=OURS[0], idProduct=OURS[1]):
        if (device.bus, device.address) == (int(found.node.parent.name), int(found.node.name)):
            try:
                answer = device.ctrl_transfer(0xC0, PROTOCOL["requests"]["VERSION"], 0, 0, 4, timeout=1000)
            except usb.core.USBError:
                return None
            return int.from_bytes(answer[2:4], "little")
    return None
