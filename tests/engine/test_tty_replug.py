"""A serial port that is unplugged and plugged in again, an interface that is deleted, under a Bridge in a namespace."""

from __future__ import annotations

import logging
import os
import re
import select
import socket
import subprocess
import sys
import threading
import time
import tty
from pathlib import Path

import pytest
from inside import run_inside

import tinymux
from tinymux.boards import TtyBoard
from tinymux.slip import Decoder, encode

PATIENCE = 5.0


class Device:
    """What hangs on a port: a pty behind a path, as udev's links to serial ports are. It answers echo requests."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.plug()

    def plug(self) -> None:
        self.master, slave = os.openpty()
        tty.setraw(slave)
        link = self.path.with_suffix(".new")
        link.symlink_to(os.ttyname(slave))
        link.rename(self.path)
        os.close(slave)  # the device's own side is enough
        self._out = threading.Event()
        self._thread = threading.Thread(target=self._answer, daemon=True)
        self._thread.start()

    def unplug(self) -> None:
        self._out.set()
        self._thread.join()
        os.close(self.master)
        self.path.unlink()

    def _answer(self) -> None:
        decoder = Decoder()
        while not self._out.is_set():
            if not select.select([self.master], [], [], 0.01)[0]:
                continue
            try:
                data = os.read(self.master, 4096)
            except OSError:  # nobody has it open yet, or any more
                time.sleep(0.01)
                continue
            for packet in decoder.feed(data):
                checksum = int.from_bytes(packet[22:24], "big") + 0x0800
                sum16 = ((checksum & 0xFFFF) + (checksum >> 16)).to_bytes(2, "big")
                os.write(
                    self.master, encode(packet[:12] + packet[16:20] + packet[12:16] + b"\0\0" + sum16 + packet[24:])
                )


def answers(node: tinymux.Node, count: int = 3) -> bool:
    ping = ["ping", "-q", "-i", "0.02", "-c", str(count), "-w", "3" if count > 1 else "1", str(node.address)]
    return subprocess.run(ping, check=False, stdout=subprocess.DEVNULL).returncode == 0


def eventually(condition) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


class Told(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        logging.getLogger("tinymux").addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())

    def count(self, words: str) -> int:
        return sum(words in line for line in self.lines)


def comes_back(folder: Path) -> None:
    """Told once, the others go on, and the same interface is served again when the path is back."""
    devices = [Device(folder / f"port{number}") for number in range(3)]
    told = Told()
    with tinymux.Bridge(TtyBoard([str(device.path) for device in devices])) as bridge:
        assert all(map(answers, bridge.nodes))
        before, count = socket.if_nametoindex(bridge.nodes[1].interface), bridge.nodes[1].counters.packets_in
        devices[1].unplug()
        eventually(lambda: told.count("port1 has hung up") == 1)
        assert not answers(bridge.nodes[1], 1)
        assert answers(bridge.nodes[0])
        bridge.check()
        devices[1].plug()
        eventually(lambda: told.count("port1 is back") == 1)
        assert answers(bridge.nodes[1])
        assert socket.if_nametoindex(bridge.nodes[1].interface) == before
        assert bridge.nodes[1].counters.packets_in >= count + 3
    assert len(told.lines) == 2, told.lines


def comes_and_goes(folder: Path) -> None:
    """Any number of times, by any of the ports, and with something else in its place for a while."""
    devices = [Device(folder / f"port{number}") for number in range(2)]
    told = Told()
    with tinymux.Bridge(TtyBoard([str(device.path) for device in devices])) as bridge:
        for times in range(1, 4):
            for number, device in enumerate(devices):
                device.unplug()
                eventually(lambda number=number, times=times: told.count(f"port{number} has hung up") == times)
                device.plug()
                eventually(lambda number=number, times=times: told.count(f"port{number} is back") == times)
                assert answers(bridge.nodes[number])
        devices[0].unplug()
        devices[0].path.write_text("no port")
        eventually(lambda: told.count("is no serial port") == 1)
        time.sleep(0.3)
        assert told.count("is no serial port") == 1, "told once"
        devices[0].plug()
        eventually(lambda: told.count("port0 is back") == 4)
        assert answers(bridge.nodes[0])


def ends_while_away(folder: Path) -> None:
    """A Bridge that stops while a port is away leaves nothing behind; the next one takes the port as it is."""
    devices = [Device(folder / f"port{number}") for number in range(2)]
    told = Told()
    files = len(os.listdir("/proc/self/fd"))
    with tinymux.Bridge(TtyBoard([str(device.path) for device in devices])):
        devices[0].unplug()
        eventually(lambda: told.count("has hung up") == 1)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("tinymux")]
    devices[0].plug()
    assert len(os.listdir("/proc/self/fd")) <= files
    with tinymux.Bridge(TtyBoard([str(device.path) for device in devices])) as bridge:
        assert all(map(answers, bridge.nodes))


def interfaces_go(folder: Path) -> None:
    """One that is deleted is made anew, told once, and answers; so is one that was down. The others go on."""
    devices = [Device(folder / f"port{number}") for number in range(2)]
    told = Told()
    with tinymux.Bridge(TtyBoard([str(device.path) for device in devices])) as bridge:
        node = bridge.nodes[0]
        for times in (1, 2):
            before = socket.if_nametoindex(node.interface)
            subprocess.run(["ip", "link", "delete", node.interface], check=True)
            eventually(lambda times=times: told.count("tun_error") == times)
            eventually(lambda: answers(node, 1))
            assert socket.if_nametoindex(node.interface) != before
        shown = subprocess.run(["ip", "-o", "link", "show"], check=True, capture_output=True, text=True).stdout
        first, second = re.findall(r"tmx\d: .* mtu (\d+) .* group (\d+) .*qlen (\d+)", shown)
        assert first == second, "the same settings"
        subprocess.run(["ip", "link", "set", node.interface, "down"], check=True)
        assert answers(bridge.nodes[1])
        subprocess.run(["ip", "link", "set", node.interface, "up"], check=True)
        assert answers(node)
        assert len(told.lines) == 2, told.lines
        bridge.check()
    assert not [name for _, name in socket.if_nameindex() if name.startswith("tmx")]


SCENARIOS = (comes_back, comes_and_goes, ends_while_away, interfaces_go)


@pytest.mark.parametrize("scenario", [scenario.__name__ for scenario in SCENARIOS])
def test_what_goes_comes_back(scenario, tmp_path):
    run_inside(__file__, scenario, tmp_path)


if __name__ == "__main__":
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    globals()[sys.argv[1]](Path(sys.argv[2]))
