"""Boards on USB: finding them, choosing one by serial number, path or label, and opening it for the engine."""

from __future__ import annotations

import errno
import os
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tinymux._tables import PROTOCOL
from tinymux.errors import BoardError
from tinymux.images import Image

if TYPE_CHECKING:
    from tinymux._usb import Link
    from tinymux.boards import OpenBoard

LANES = 16
OURS = PROTOCOL["usb"]["vendor_id"], PROTOCOL["usb"]["product_id"]
BOOTLOADER = 0x03EB, 0x2FF4  # the ATmega32U4's factory DFU bootloader
SYSFS = Path("/sys/bus/usb/devices")
NODES = Path("/dev/bus/usb")
CONFIGURATION = Path("/etc/tinymux/tinymux.toml")
SPEEDS = {1: "low", 2: "full", 3: "high", 4: "super"}  # libusb_get_device_speed
DEPTH = 16  # packets under way: 1.7 ms of the bus, in four transfers; docs/usb.md has figures for more and less
PROBE_MS = 250
SET_UP = "as root, 'tinymux install' sets this machine up for boards"

READY, IN_USE, FORBIDDEN, IN_BOOTLOADER = "ready", "in use", "no permission", "bootloader"
OTHER_FIRMWARE, SILENT = "other firmware", "silent"


@dataclass(frozen=True)
class UsbBoard:
    """A board as it is plugged in now.

    path: where: the bus and the ports on the way to it, as the kernel writes it, "1-2.3".
    serial: the pump chip's own number, 20 hex digits; "" for a chip that has none to tell.
    name: the label that this machine's configuration gives to the serial number or the path; "" without.
    firmware: the pump firmware's version, "1.00".
    speed: "full", if all is well.
    state: READY, IN_USE (by a process), FORBIDDEN (to us), IN_BOOTLOADER, OTHER_FIRMWARE, SILENT, or "protocol N".
    images: what each lane's tiny runs, as far as that is known.
    chosen: what to look for when it comes back: "serial" or "path".
    """

    path: str
    serial: str
    name: str
    firmware: str
    speed: str
    state: str
    node: Path
    images: tuple[Image | None, ...] = (None,) * LANES
    chosen: str = "serial"

    @property
    def label(self) -> str:
        """How a person tells it from others."""
        return self.name or self.serial or self.path

    def same(self, other: UsbBoard) -> bool:
        """Whether the other one is this one, perhaps plugged in anew."""
        mine, theirs = getattr(self, self.chosen), getattr(other, self.chosen)
        return bool(mine) and mine == theirs

    def open(self) -> OpenBoard:
        """Take it into use. Its tinies are not disturbed before an engine says so."""
        from tinymux.boards import OpenBoard
        from tinymux.boards.replug import Session

        session = Session(self)
        return OpenBoard(session.link.transport, session.link, session.close, {"depth": DEPTH}, session.watch)

    def link(self) -> Link:
        """Open its node and check what answers; BoardError says what to do about what is wrong."""
        from tinymux._usb import Link

        try:
            return Link(os.open(self.node, os.O_RDWR | os.O_CLOEXEC))
        except OSError as error:
            raise BoardError(f"board {self.label} ({self.path}) {explain(error)}") from error


def explain(error: OSError) -> str:
    """What is wrong with a board that cannot be opened, and what to do."""
    ours, theirs = PROTOCOL["version"]["protocol"], error.args[1] if len(error.args) > 1 else 0
    if error.errno == errno.EPROTO and theirs:
        remedy = "'tinymux board update' helps" if theirs < ours else "a newer tinymux is needed"
        return f"speaks protocol {theirs}, this tinymux {ours}: {remedy}"
    reasons = {
        errno.EACCES: f"may not be opened by this user: {SET_UP}",
        errno.EPERM: f"may not be opened by this user: {SET_UP}",
        errno.EBUSY: "is in use by another process: end that one first",
        errno.EPROTO: "runs another firmware: it knows no request for the version; 'tinymux board update' replaces it",
        errno.ENOTSUP: "is none of ours: its descriptors lack the two bulk endpoints",
        errno.ETIMEDOUT: "does not answer: unplug it and plug it in again",
        errno.EIO: "does not answer as a board does: unplug it and plug it in again, with another cable if that helps",
        errno.ENODEV: "is not there any more: plug it in again",
        errno.ENOENT: "is not there any more: plug it in again",
    }
    return reasons.get(error.errno or 0, f"cannot be opened: {os.strerror(error.errno or errno.EIO)}")


@contextmanager
def usb_context() -> Iterator[Any]:
    """A context of libusb's; BoardError where there is no libusb, or no USB to speak of."""
    try:
        import usb1

        with usb1.USBContext() as context:
            yield context
    except (ImportError, OSError) as error:
        raise BoardError(f"libusb is missing: apt install libusb-1.0-0 ({error})") from error


def plugged(ask: bool = False) -> list[UsbBoard]:
    """All boards on this machine's USB, and chips that wait in the bootloader, in the order of their paths.

    `ask` them whether they answer; without, their state is READY as far as the kernel knows.
    """
    if not SYSFS.exists():  # a kernel without USB
        return []
    import usb1

    found = []
    names = labels()
    with usb_context() as context:
        for device in context.getDeviceIterator(skip_on_error=True):
            kind = device.getVendorID(), device.getProductID()
            if kind in (OURS, BOOTLOADER):
                try:
                    found.append(describe(device, kind == BOOTLOADER, names, ask))
                except usb1.USBErrorNoDevice:
                    continue  # gone between the list and the look
    return sorted(found, key=lambda board: board.path)


def boards() -> list[UsbBoard]:
    """All boards on this machine's USB, each with its state, in the order of their paths."""
    return plugged(ask=True)


def describe(device: Any, bootloader: bool, names: dict[str, str], ask: bool) -> UsbBoard:
    """What can be told about a device without disturbing whoever uses it."""
    path = f"{device.getBusNumber()}-{'.'.join(map(str, device.getPortNumberList()))}"
    node = NODES / f"{device.getBusNumber():03}" / f"{device.getDeviceAddress():03}"
    serial = attribute(path, "serial").upper()
    version = device.getbcdDevice()
    return UsbBoard(
        path=path,
        serial=serial,
        name=names.get(serial) or names.get(path) or "",
        firmware="" if bootloader else f"{version >> 8:x}.{version & 0xFF:02x}",
        speed=SPEEDS.get(device.getDeviceSpeed(), "unknown"),
        state=IN_BOOTLOADER if bootloader else state(device, path, node, ask),
        node=node,
    )


def attribute(path: str, name: str) -> str:
    """One of the kernel's notes about a device; any user may read them, and nobody has to open it."""
    try:
        return (SYSFS / path / name).read_text(errors="replace").strip()
    except OSError:
        return ""


def state(device: Any, path: str, node: Path, ask: bool) -> str:
    """What one could do with a device that has our numbers, which pid.codes gives to anybody for tests."""
    if attribute(path, "product") != PROTOCOL["usb"]["product"]:
        return OTHER_FIRMWARE
    if (SYSFS / f"{path}:1.0" / "driver").exists():
        return IN_USE
    if not os.access(node, os.R_OK | os.W_OK):
        return FORBIDDEN
    return ask_version(device) if ask else READY


def ask_version(device: Any) -> str:
    """The state of a board that may be opened and that nobody uses."""
    import usb1

    request = usb1.ENDPOINT_IN | usb1.TYPE_VENDOR | usb1.RECIPIENT_DEVICE
    try:
        handle = device.open()
        try:
            version = handle.controlRead(request, PROTOCOL["requests"]["VERSION"], 0, 0, 4, timeout=PROBE_MS)
        finally:
            handle.close()
    except usb1.USBErrorPipe:
        return OTHER_FIRMWARE
    except usb1.USBErrorNoDevice:
        raise
    except usb1.USBError:
        return SILENT
    return READY if version[0] == PROTOCOL["version"]["protocol"] else f"protocol {version[0]}"


def labels(file: Path | None = None) -> dict[str, str]:
    """Serial number or path -> label, from the [[board]] tables of this machine's configuration."""
    file = file or Path(os.environ.get("TINYMUX_CONFIG", CONFIGURATION))
    try:
        tables = tomllib.loads(file.read_text(encoding="utf-8")).get("board", [])
    except (OSError, UnicodeDecodeError):
        return {}
    except tomllib.TOMLDecodeError as error:
        raise BoardError(f"{file}: {error}") from error
    found = {}
    for table in tables if isinstance(tables, list) else []:
        if isinstance(table, dict) and isinstance(table.get("label"), str):
            for key in ("serial", "path"):
                if isinstance(table.get(key), str):
                    found[table[key].upper() if key == "serial" else table[key]] = table["label"]
    return found


def find(name: str, images: Sequence[Image | None] | None = None) -> UsbBoard:
    """The one board with that serial number, path or label. Its place in a list is never a name."""
    present = plugged()
    named = [
        replace(board, chosen="path" if name == board.path else "serial")
        for board in present
        if name in (board.path, board.name) or (board.serial and name.upper() == board.serial)
    ]
    if not named:
        others = ", ".join(f"{board.label} ({board.path})" for board in present) or "none"
        raise BoardError(f"no board {name!r} here; on USB: {others}; without hardware: 'simulated'")
    if len(named) > 1:
        paths = " or ".join(board.path for board in named)
        raise BoardError(f"{len(named)} boards are {name!r}: choose by path, {paths}")
    board = named[0]
    if board.state == IN_BOOTLOADER:
        raise BoardError(f"board {board.label} waits in its bootloader: 'tinymux board update {board.path}' first")
    if not board.serial:
        board = replace(board, chosen="path")
    return replace(board, images=tuple(images)) if images else board
