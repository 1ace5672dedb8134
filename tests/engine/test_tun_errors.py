"""Tuns that fail: told once, counted, no packet or time spent on them, and served again when they are well.

A pty's master stands for the tun in some: with its other side closed, reading it is EIO, and with that open again it is
well. Others are real tuns, each scenario in a network namespace of its own.
"""

from __future__ import annotations

import errno
import fcntl
import os
import select
import socket
import struct
import subprocess
import sys
import time
import tty

import pytest
from inside import run_inside
from test_tty import Rig, packet

from tinymux.slip import Decoder, encode

TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 1, 0x1000


def events(rig: Rig) -> list[tuple[str, int, int]]:
    return [(event.kind, event.lane, event.error) for event in rig.engine.events()]


def busy(seconds: float = 0.2) -> float:
    """The share of that time that this process used."""
    before = time.process_time()
    time.sleep(seconds)
    return (time.process_time() - before) / seconds


@pytest.fixture
def rig():
    made = Rig(2)
    yield made
    made.close()


def test_a_read_that_fails_is_told_once_each_time(rig):
    tun, kernel = os.openpty()
    tty.setraw(kernel)
    path = os.ttyname(kernel)
    rig.engine.attach(0, 0, tun)
    for _ in range(3):
        os.write(kernel, packet(40))
        assert rig.hear(0, 1) == [packet(40)]
        assert events(rig) == []
        os.close(kernel)
        rig.eventually(lambda: select.select([rig.engine.events_fd], [], [], 0)[0])
        assert events(rig) == [("tun_error", 0, errno.EIO)]
        os.write(rig.far[0], encode(packet(50)) * 3)
        rig.tuns[1].send(packet(60))
        assert rig.hear(1, 1) == [packet(60)], "the other lane is served"
        assert busy() < 0.1
        assert events(rig) == [], "told once"
        kernel = os.open(path, os.O_RDWR | os.O_NOCTTY)
        tty.setraw(kernel)
    os.close(kernel)
    os.close(tun)


def test_a_closed_end_is_told_once_and_packets_for_it_are_counted(rig):
    rig.tuns[0].close()
    rig.eventually(lambda: select.select([rig.engine.events_fd], [], [], 0)[0])
    assert events(rig) == [("tun_error", 0, errno.EPIPE)]
    for _ in range(5):
        os.write(rig.far[0], encode(packet(40)))
    rig.eventually(lambda: rig.counters(0)["drop_tun_down"] == 5)
    assert busy() < 0.1
    assert events(rig) == []
    rig.tuns[0], engines = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    rig.tuns[0].settimeout(5)
    rig.engine.attach(0, 0, engines.fileno())
    engines.close()
    os.write(rig.far[0], encode(packet(40)))
    assert rig.tuns[0].recv(2000) == packet(40)
    assert events(rig) == []


def test_a_tun_that_takes_nothing_costs_its_own_packets(rig):
    """A full one is no error: what does not fit is counted, the rest is in order."""
    os.write(rig.far[0], encode(packet(1000)) * 2)
    count = 0
    while rig.counters(0)["drop_tun_full"] == 0:
        os.write(rig.far[0], encode(packet(1000)))
        count += 1
        rig.eventually(lambda count=count: rig.counters(0)["packets_in"] == count + 2)
    rig.tuns[1].send(packet(60))
    assert rig.hear(1, 1) == [packet(60)]
    for _ in range(count + 2 - rig.counters(0)["drop_tun_full"]):
        assert rig.tuns[0].recv(2000) == packet(1000)
    os.write(rig.far[0], encode(packet(70)))
    assert rig.tuns[0].recv(2000) == packet(70)
    assert events(rig) == []


@pytest.mark.parametrize("scenario", ["down", "vanishes"])
def test_real_tuns(scenario):
    run_inside(__file__, scenario)


class Real:
    """A rig whose lane 0 is on the interface t0; UDP goes from port 7 to port 7, both ways."""

    def __init__(self) -> None:
        self.rig = Rig(2)
        self.fd = os.open("/dev/net/tun", os.O_RDWR)
        self.make()
        self.rig.engine.attach(0, 0, self.fd)
        self.decoder = Decoder()

    def make(self) -> None:
        """An interface on our open file: the first one, or another after it was deleted."""
        fcntl.ioctl(self.fd, TUNSETIFF, struct.pack("16sH22x", b"t0", IFF_TUN | IFF_NO_PI))
        ip("link set t0 addrgenmode none")
        ip("address add 10.9.0.1 peer 10.9.0.2 dev t0")
        ip("link set t0 up")
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("10.9.0.1", 7))
        self.socket.settimeout(5)

    def works(self) -> None:
        """Both ways."""
        self.socket.sendto(b"down", ("10.9.0.2", 7))
        (heard,) = self.rig.hear(0, 1, self.decoder)
        assert heard.endswith(b"down")
        os.write(self.rig.far[0], encode(heard[:12] + heard[16:20] + heard[12:16] + heard[20:]))
        assert self.socket.recv(100) == b"down"

    def from_device(self, count: int) -> None:
        os.write(self.rig.far[0], encode(packet(40)) * count)

    def dropped(self) -> int:
        return self.rig.counters(0)["drop_tun_down"]


def ip(words: str) -> None:
    subprocess.run(["ip", *words.split()], check=True)


def down() -> None:
    """Down and up, twice: writes give EIO, reads nothing."""
    real = Real()
    for times in (1, 2):
        real.works()
        ip("link set t0 down")
        real.from_device(3)
        real.rig.eventually(lambda times=times: real.dropped() == 3 * times)
        assert events(real.rig) == [("tun_error", 0, errno.EIO)]
        assert busy() < 0.1
        assert events(real.rig) == []
        ip("link set t0 up")
        real.works()
        assert events(real.rig) == []
    real.rig.close()


def vanishes() -> None:
    """Deleted, and made anew on the file that the engine has: it need not be told."""
    real = Real()
    for times in (1, 2):
        real.works()
        real.socket.close()
        ip("link delete t0")
        real.rig.eventually(lambda: select.select([real.rig.engine.events_fd], [], [], 0)[0])
        assert events(real.rig) == [("tun_error", 0, errno.EBADFD)]
        real.from_device(3)
        real.rig.eventually(lambda times=times: real.dropped() == 3 * times)
        assert busy() < 0.1
        assert events(real.rig) == []
        real.make()
        real.works()
        assert events(real.rig) == []
    real.rig.close()


if __name__ == "__main__":
    ip("link set lo up")
    globals()[sys.argv[1]]()
