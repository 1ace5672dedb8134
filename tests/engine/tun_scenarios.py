"""What test_tun.py runs in a fresh network namespace: tun_scenarios.py LIBRARY SCENARIO; exit status 0: it went well.

The model's tinies send UDP datagrams back, ports unchanged: who sends from port 7 to port 7 hears himself.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import socket
import struct
import subprocess
import sys
import time

from model import Model

from tinymux._engine import Engine

TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 1, 0x1000
PATIENCE = 5.0


def ip(*words: object) -> None:
    subprocess.run(["ip", *map(str, words)], check=True)


def tun(lane: int) -> int:
    """An up interface t<lane>: the host is 10.9.<lane>.1, the tiny 10.9.<lane>.2."""
    fd = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", f"t{lane}".encode(), IFF_TUN | IFF_NO_PI))
    ip("address", "add", f"10.9.{lane}.1", "peer", f"10.9.{lane}.2", "dev", f"t{lane}")
    ip("link", "set", f"t{lane}", "up")
    return fd


class Rig:
    def __init__(self, library: ctypes.CDLL, lanes: list[int], **options: int) -> None:
        self.model, self.engine = Model(library), Engine()
        self.engine.add_board(self.model.capsule, self.model, startup_ms=1, **options)
        self.sockets: dict[int, socket.socket] = {}
        for lane in lanes:
            self.attach(lane)
        self.engine.start()

    def attach(self, lane: int) -> None:
        fd = tun(lane)
        self.engine.attach(0, lane, fd)
        os.close(fd)
        self.sockets[lane] = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sockets[lane].bind((f"10.9.{lane}.1", 7))
        self.sockets[lane].settimeout(PATIENCE)

    def say(self, lane: int, data: bytes) -> None:
        self.sockets[lane].sendto(data, (f"10.9.{lane}.2", 7))

    def ask(self, lane: int, data: bytes) -> None:
        self.say(lane, data)
        assert self.sockets[lane].recv(2000) == data


def eventually(condition) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def every_lane(library: ctypes.CDLL) -> None:
    """Each interface reaches its own tiny."""
    rig = Rig(library, list(range(16)))
    for lane in range(16):
        for number in range(5):
            rig.ask(lane, b"lane %d, %d" % (lane, number))
    rig.engine.stop()
    assert not os.path.exists("/sys/class/net/t0"), "stop gives the tuns back"


def down_and_up(library: ctypes.CDLL) -> None:
    """A tun that is down takes nothing, is told once, and is served again when it is up."""
    rig = Rig(library, [0, 1], scan_ms=1000)
    rig.ask(0, b"before")
    ip("link", "set", "t0", "down")
    for _ in range(2):
        rig.model.tune(0, chatter=300)
        for _ in range(3):
            rig.ask(1, b"keeps the clock going")
    eventually(lambda: rig.engine.counters(0, 0)["drop_tun_down"] == 2)
    assert [(event.kind, event.lane) for event in rig.engine.events()] == [("tun_error", 0)]
    ip("link", "set", "t0", "up")
    rig.ask(0, b"after")
    assert rig.engine.events() == []
    rig.engine.stop()


def vanishes_and_comes_back(library: ctypes.CDLL) -> None:
    """An interface that is deleted is told once; a new one in its place is served."""
    rig = Rig(library, [0, 1])
    rig.ask(0, b"before")
    ip("link", "delete", "t0")
    rig.sockets[0].close()
    eventually(lambda: [(event.kind, event.lane) for event in rig.engine.events()] == [("tun_error", 0)])
    rig.ask(1, b"the others go on")
    rig.attach(0)
    rig.ask(0, b"after")
    assert rig.engine.events() == []
    rig.engine.stop()


def waits_in_the_queue(library: ctypes.CDLL) -> None:
    """What a lane cannot take yet waits in the interface's own queue, in order."""
    rig = Rig(library, [0])
    for number in range(100):
        rig.say(0, b"%d" % number)
    for number in range(100):
        assert rig.sockets[0].recv(2000) == b"%d" % number
    assert rig.engine.counters(0, 0)["packets_in"] >= 100
    rig.engine.stop()


if __name__ == "__main__":
    ip("link", "set", "lo", "up")
    globals()[sys.argv[2]](Model.declare(ctypes.CDLL(sys.argv[1])))
