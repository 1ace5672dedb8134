"""What USB carries, measured in the guest: python measure.py FILE writes it as JSON, for tests/usb/usb_figures.py."""

from __future__ import annotations

import ctypes
import gc
import json
import os
import socket
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pinging import Pinger
from plug import Plug
from transport import PLANES, Driver

from tinymux import Bridge, boards
from tinymux._usb import Link
from tinymux.boards import usb

PACKETS_A_FRAME = 19  # of 64 bytes, bulk, on a full-speed bus: USB 2.0 table 5-9
BUDGET = PACKETS_A_FRAME * 1000 / 2 * PLANES  # planes/s that it carries both ways
SECONDS, WINDOWS = 1.0, 5  # full rate is the median of so many windows
# Board time in percent of wall time, at full rate: the guest's processor is interpreted, 20 times slower than this
# machine's own, and two simulators and whatever else runs here take their share of it.
PACE = 4
ROUNDS = 300
CYCLES = int(os.environ.get("TINYMUX_CYCLES", "200"))
BACK = 5.0  # s; a cycle that takes longer has failed
LEAK = 4 << 20  # bytes; the heap's own coming and going; buffers leaked by 180 links would be 13 MB
SERIALS = [name.hex().upper() for name in (b"rig board0", b"rig board1")]  # as rig.py gives them
SMALL = bytes([1, 1, 0xFF, 0xFF])  # one plane


def links(*plugs: Plug) -> list[Link]:
    found = {board.serial: board for board in boards()}
    return [found[SERIALS[plug.number]].link() for plug in plugs]


def planes_per_s(*plugs: Plug, windows: int = WINDOWS) -> list[float]:
    """Planes per second of board time, both ways, of each board while all run at full rate."""
    for plug in plugs:
        plug.order(f"pace {PACE}")
    drivers = [Driver(link) for link in links(*plugs)]
    for driver in drivers:
        driver.transport.depth = usb.DEPTH  # what a Bridge gives it
    fill(drivers, 0.2)
    measured = [window(drivers, plugs) for _ in range(windows)]
    for driver, plug in zip(drivers, plugs, strict=True):
        plug.order("pace 100")
        driver.wait(usb.DEPTH, 1)
        driver.link.close()
    return [statistics.median(rates) for rates in zip(*measured, strict=True)]


def window(drivers: list[Driver], plugs: tuple[Plug, ...]) -> list[float]:
    before = [plug.count() for plug in plugs]
    fill(drivers, SECONDS)
    after = [plug.count() for plug in plugs]
    return [
        (last["in"] - first["in"]) * PLANES / (last["board_ns"] - first["board_ns"]) * 1e9
        for first, last in zip(before, after, strict=True)
    ]


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


def replugs(bridge: Bridge, plug: Plug, cycles: int) -> dict[str, Any]:
    """Cycles of unplugging the first board of a Bridge, each until traffic is back; stops at the first that fails.

    back_s: from the end of enumeration, when the kernel has made the board's interface known.
    """
    board = next(each for each in boards() if each.serial == SERIALS[plug.number])
    enumerated = usb.SYSFS / f"{board.path}:1.0"
    interfaces, node = socket.if_nameindex(), bridge.nodes[3].address
    pinger = Pinger()
    pinger.until_answer(node, BACK)
    back: list[float] = []
    baseline, failure = used(), ""
    while len(back) < cycles and not failure:
        if len(back) == cycles // 10:
            baseline = used()
        pinger.ask(node)
        plug.unplug()
        wait(lambda: not enumerated.exists())
        plug.plug()
        wait(enumerated.exists)
        back.append(pinger.until_answer(node, BACK, 0.01))
        if back[-1] >= BACK:
            failure = "no traffic"
        elif socket.if_nameindex() != interfaces:
            failure = "other interfaces"
    files, memory = used()
    pinger.close()
    return {
        "cycles": len(back) - bool(failure),
        "failure": failure,
        "files_more": files - baseline[0],
        "bytes_more": memory - baseline[1],
        "back_s_min": min(back),
        "back_s_p50": statistics.median(back),
        "back_s_max": max(back),
    }


def wait(done: Callable[[], bool]) -> None:
    """Until it is done, or the time for a return is over."""
    end = time.monotonic() + BACK
    while not done() and time.monotonic() < end:
        time.sleep(0.002)


def main() -> None:
    plugs = Plug(0), Plug(1)
    time.sleep(0.5)
    (alone,) = planes_per_s(plugs[0])
    both = planes_per_s(*plugs)
    driver = Driver(links(plugs[0])[0])
    round_trip = round_trip_ms(driver)
    driver.link.close()
    with Bridge(boards()[0], options={"startup_ms": 250}) as bridge:
        cycles = replugs(bridge, plugs[0], CYCLES)
    result = {"planes_per_s": alone, "round_trip_ms": round_trip, "both_planes_per_s": both, "replugs": cycles}
    Path(sys.argv[1]).write_text(json.dumps(result))


if __name__ == "__main__":
    main()
