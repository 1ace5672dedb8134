"""The figures of USB, measured in the guest for tests/usb/figures.py: python measure.py FILE writes them as JSON."""

from __future__ import annotations

import ctypes
import gc
import json
import os
import socket
import statistics
import sys
import time
from pathlib import Path
from typing import Any

from pinging import Pinger
from plug import Plug
from transport import PLANES, Driver

from tinymux import Bridge, boards
from tinymux._usb import Link
from tinymux.boards import usb

SECONDS = 3.0
PACE = 40  # board time in percent of wall time, at full rate: an interpreted guest and two simulators share two cores
ROUNDS = 300
CYCLES = int(os.environ.get("TINYMUX_CYCLES", "200"))
BACK = 5.0  # s; a cycle that takes longer has failed
SMALL = bytes([1, 1, 0xFF, 0xFF])  # one plane


def links(*plugs: Plug) -> list[Link]:
    serials = [name.hex().upper() for name in (b"rig board0", b"rig board1")]
    found = {board.serial: board for board in boards()}
    return [found[serials[plug.number]].link() for plug in plugs]


def planes_per_s(*plugs: Plug) -> list[float]:
    """Planes per second of board time, both ways, for each board while all run at full rate; and of wall time."""
    drivers = [Driver(link) for link in links(*plugs)]
    for driver in drivers:
        driver.transport.depth = usb.DEPTH  # what a Bridge gives it
    fill(drivers, 0.2)
    before = [plug.count() for plug in plugs]
    started = time.monotonic()
    fill(drivers, SECONDS)
    after = [plug.count() for plug in plugs]
    seconds = time.monotonic() - started
    rates = []
    for first, last in zip(before, after, strict=True):
        planes = (last["in"] - first["in"]) * PLANES
        rates += [planes / (last["board_ns"] - first["board_ns"]) * 1e9, planes / seconds]
    for driver in drivers:
        driver.wait(usb.DEPTH, 1)
        driver.link.close()
    return rates


def fill(drivers: list[Driver], seconds: float) -> None:
    """All of them at full rate, by drive.c."""
    library = ctypes.CDLL(os.environ["TINYMUX_DRIVE"])
    links = (ctypes.c_void_p * len(drivers))(*(driver.address for driver in drivers))
    answers = (ctypes.c_uint64 * len(drivers))()
    assert library.drive(links, len(drivers), ctypes.c_double(seconds), answers) == 0
    assert all(answers)


def round_trip_ms(driver: Driver) -> float:
    """From one small packet to its answer, p50."""
    times = []
    for _ in range(ROUNDS):
        started = time.monotonic()
        driver.ask(SMALL)
        times.append(time.monotonic() - started)
    return statistics.median(times) * 1e3


def used() -> tuple[int, int]:
    """Open files, resident bytes."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return len(os.listdir("/proc/self/fd")), pages * os.sysconf("SC_PAGESIZE")


def replugs(plug: Plug) -> dict[str, Any]:
    """Cycles of unplugging under traffic, each until traffic is back; stops at the first that fails."""
    board = next(each for each in boards() if each.serial == b"rig board0".hex().upper())
    pinger = Pinger()
    back = []
    with Bridge(board, options={"startup_ms": 250}) as bridge:
        interfaces = socket.if_nameindex()
        node = bridge.nodes[5].address
        pinger.until_answer(node, BACK)
        baseline, failure = used(), ""
        for cycle in range(CYCLES):
            if cycle == CYCLES // 10:
                baseline = used()
            pinger.ask(node)
            plug.unplug()
            time.sleep(0.02)
            plug.plug()
            back.append(pinger.until_answer(node, BACK))
            if back[-1] >= BACK:
                failure = "no traffic"
            elif socket.if_nameindex() != interfaces:
                failure = "other interfaces"
            if failure:
                break
        files, memory = used()
    return {
        "cycles": len(back) - bool(failure),
        "failure": failure,
        "files_more": files - baseline[0],
        "bytes_more": memory - baseline[1],
        "back_s_p50": statistics.median(back),
        "back_s_max": max(back),
    }


def main() -> None:
    plugs = Plug(0), Plug(1)
    time.sleep(0.5)
    for plug in plugs:
        plug.order(f"pace {PACE}")
    alone = planes_per_s(plugs[0])
    both = planes_per_s(*plugs)[::2]
    for plug in plugs:
        plug.order("pace 100")
    driver = Driver(links(plugs[0])[0])
    round_trip = round_trip_ms(driver)
    driver.link.close()
    result = {
        "planes_per_s": alone[0],
        "planes_per_wall_s": alone[1],
        "round_trip_ms": round_trip,
        "both_planes_per_s": both,
        "replugs": replugs(plugs[0]),
    }
    Path(sys.argv[1]).write_text(json.dumps(result))


if __name__ == "__main__":
    main()
