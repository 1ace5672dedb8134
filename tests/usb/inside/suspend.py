"""The machine sleeps while a Bridge runs, and wakes: python suspend.py prints "result" and JSON, and ends the guest.

The kernel's own test of suspend (pm_test, Documentation/power/basic-pm-debugging.rst) suspends and resumes all devices:
the host controller has lost its state, as after a real sleep with power off, and every USB device is reset on the way
back. The guest's root does not survive that, as it is 9p over virtio. So this process is held in memory and prints to
the console, udevd, which would look for files, is ended before, and nothing is read after.
"""

from __future__ import annotations

import ctypes
import json
import logging
import socket
import subprocess
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from pinging import Pinger
from plug import Plug

from tinymux import Bridge, boards
from tinymux.boards.usb import plugged

MCL_CURRENT, MCL_FUTURE = 1, 2  # mlockall(2)
POWER = Path("/sys/power")
DELAY = Path("/sys/module/suspend/parameters/pm_test_delay")
ASLEEP = 1  # s
LANES = 4
BACK = 20.0  # s


class Lines(logging.Handler):
    """What was logged."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


def stay_in_memory() -> None:
    Path("/proc/sys/kernel/printk").write_text("7")  # the kernel's messages, to the console
    subprocess.run(["udevadm", "control", "--exit"], check=True, timeout=30)
    if ctypes.CDLL(None).mlockall(MCL_CURRENT | MCL_FUTURE):
        raise OSError("mlockall")


def sleep() -> float:
    """Suspend, and come back when the machine is awake again; seconds."""
    started = time.monotonic()
    DELAY.write_text(str(ASLEEP))
    (POWER / "pm_test").write_text("devices")
    (POWER / "state").write_text("freeze")
    return time.monotonic() - started


def around(plug: Plug) -> dict[str, Any]:
    return {"interfaces": socket.if_nameindex(), "nodes": [str(board.node) for board in plugged()], **plug.count()}


def main() -> dict[str, Any]:
    log = Lines()
    logging.getLogger("tinymux").addHandler(log)
    plug, pinger, board = Plug(0), Pinger(), boards()[0]
    with Bridge(replace(board, images=board.images[:LANES]), options={"startup_ms": 250}) as bridge:
        addresses = [node.address for node in bridge.nodes]
        plug.unplug()  # once, so that all that a return needs is in memory
        time.sleep(0.3)
        plug.plug()
        all_before = pinger.all_answer(addresses, BACK)
        stay_in_memory()
        before = around(plug)
        log.lines.clear()
        seconds = sleep()
        return {
            "all_before": all_before,
            "asleep_s": seconds,
            "back_s": pinger.until_answer(addresses[0], BACK),
            "all_after": pinger.all_answer(addresses, BACK),
            "before": before,
            "after": around(plug),
            "log": log.lines,
        }


if __name__ == "__main__":
    try:
        told = main()
    except BaseException as error:
        told = {"error": repr(error)}
    print(f"\nresult {json.dumps(told)}", flush=True)
    time.sleep(0.2)
    Path("/proc/sysrq-trigger").write_text("o")
    time.sleep(60)  # the power goes
