"""What a host can do for a board that hangs: a reset on its bus, or its hub port without power for a moment."""

from __future__ import annotations

import time
from typing import Any

from tinymux.boards import usb
from tinymux.errors import BoardError

# USB 2.0 section 11.24: class requests to a hub; "other" is a port of it.
PORT, HUB = 0x23, 0xA0
CLEAR_FEATURE, SET_FEATURE, GET_DESCRIPTOR = 1, 3, 6
PORT_POWER = 8
HUB_DESCRIPTORS = 0x2900, 0x2A00  # USB 2.0 and SuperSpeed
PER_PORT = 1  # bits 0-1 of wHubCharacteristics
OFF = 1.0  # s: until the board's capacitors are empty
TIMEOUT = 1000  # ms


def reset(board: usb.UsbBoard) -> None:
    """Reset the board on its bus; its pump chip starts the USB anew, the tinies are not disturbed."""
    import usb1

    with usb.usb_context() as context:
        device = _device(context, board.path)
        try:
            handle = device.open()
            try:
                handle.resetDevice()
            finally:
                handle.close()
        except usb1.USBErrorNotFound:
            return  # it has changed, and comes anew by itself
        except usb1.USBError as error:
            raise BoardError(f"board {board.label} does not take a reset ({error})") from error


def power_cycle(path: str, seconds: float = OFF) -> None:
    """Switch the power of the port at `path` off and on, where the hub can; BoardError where it cannot."""
    import usb1

    bus, _, ports = path.partition("-")
    above, _, port = ports.rpartition(".")
    hub_path = f"{bus}-{above}" if above else f"usb{bus}"
    with usb.usb_context() as context:
        try:
            handle = _device(context, hub_path).open()
            try:
                if not _switches(handle):
                    raise BoardError(f"the hub {hub_path} cannot switch the power of its ports: unplug {path} by hand")
                handle.controlWrite(PORT, CLEAR_FEATURE, PORT_POWER, int(port), b"", timeout=TIMEOUT)
                time.sleep(seconds)
                handle.controlWrite(PORT, SET_FEATURE, PORT_POWER, int(port), b"", timeout=TIMEOUT)
            finally:
                handle.close()
        except usb1.USBErrorAccess as error:
            raise BoardError(f"the hub {hub_path} may not be opened by this user: unplug {path} by hand") from error
        except usb1.USBError as error:
            raise BoardError(f"the hub {hub_path} does not switch the power of {path} ({error})") from error


def _switches(handle: Any) -> bool:
    import usb1

    for kind in HUB_DESCRIPTORS:
        try:
            descriptor = handle.controlRead(HUB, GET_DESCRIPTOR, kind, 0, 9, timeout=TIMEOUT)
        except usb1.USBErrorPipe:
            continue
        return len(descriptor) >= 5 and descriptor[3] & 3 == PER_PORT
    return False


def _device(context: Any, path: str) -> Any:
    """The device at a path as the kernel writes it: "1-2.3", or "usb1" for a root hub."""
    for device in context.getDeviceIterator(skip_on_error=True):
        ports = device.getPortNumberList()
        bus = device.getBusNumber()
        if path == (f"{bus}-{'.'.join(map(str, ports))}" if ports else f"usb{bus}"):
            return device
    raise BoardError(f"nothing is plugged in at {path}")
