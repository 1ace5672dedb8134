"""Serial ports as lanes: ptys on one side, sockets for tuns on the other."""

from __future__ import annotations

import os
import random
import select
import socket
import time
import tty

import pytest

from tinymux._engine import Engine, Ttys
from tinymux.errors import BoardError
from tinymux.slip import Decoder, encode

PATIENCE = 5.0


def packet(size: int, fill: int = 0) -> bytes:
    """An IPv4 packet of that size with a good header checksum."""
    header = bytearray(b"\x45\0" + size.to_bytes(2, "big") + b"\0\0\0\0\x40\x11\0\0\x0a\x09\0\x01\x0a\x09\0\x02")
    total = sum(int.from_bytes(header[i : i + 2], "big") for i in range(0, 20, 2))
    header[10:12] = (0xFFFF - (total % 0xFFFF or 0xFFFF)).to_bytes(2, "big")
    return bytes(header) + bytes((fill + i) & 0xFF for i in range(size - 20))


class Rig:
    """An engine with so many ports; `far` are the devices at the ports' other ends, `tuns` the kernel's side."""

    def __init__(self, count: int, faults: dict[str, float] | None = None, **options: int) -> None:
        self.far, ports, self.tuns = [], [], []
        for _ in range(count):
            master, slave = os.openpty()
            tty.setraw(slave)
            self.far.append(master)
            ports.append(slave)
        self.engine = Engine()
        self.engine.add_board(Ttys(ports), None, faults, **options)
        for slave in ports:
            os.close(slave)
        for lane in range(count):
            near, engines = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            near.settimeout(PATIENCE)
            self.engine.attach(0, lane, engines.fileno())
            engines.close()
            self.tuns.append(near)
        self.engine.start()

    def hear(self, lane: int, count: int, decoder: Decoder | None = None) -> list[bytes]:
        """So many packets as the device receives them."""
        decoder, found = decoder or Decoder(), []
        end = time.monotonic() + PATIENCE
        while len(found) < count:
            assert select.select([self.far[lane]], [], [], max(0.0, end - time.monotonic()))[0], found
            found += decoder.feed(os.read(self.far[lane], 4096))
        return found

    def counters(self, lane: int) -> dict[str, int]:
        return self.engine.counters(0, lane)

    def eventually(self, condition) -> None:
        end = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < end
            time.sleep(0.002)

    def close(self) -> None:
        self.engine.stop()
        for fd in self.far:
            os.close(fd)
        for near in self.tuns:
            near.close()


@pytest.fixture
def rig():
    made = Rig(3)
    yield made
    made.close()


def test_each_port_reaches_its_own_lane(rig):
    for lane, near in enumerate(rig.tuns):
        near.send(packet(60, lane))
        assert rig.hear(lane, 1) == [packet(60, lane)]
        os.write(rig.far[lane], encode(packet(70, lane)))
        assert near.recv(2000) == packet(70, lane)
    assert rig.counters(1)["packets_out"] == rig.counters(1)["packets_in"] == 1
    assert rig.counters(1)["bytes_out"] == 60


def test_a_frame_may_arrive_in_any_pieces(rig):
    rng = random.Random(1)
    packets = [packet(rng.randrange(20, 1500), rng.randrange(256)) for _ in range(20)]
    stream = b"".join(map(encode, packets))
    while stream:
        size = rng.randrange(1, 400)
        os.write(rig.far[0], stream[:size])
        stream = stream[size:]
        time.sleep(0.0005)
    assert [rig.tuns[0].recv(2000) for _ in packets] == packets


def test_what_a_slow_port_cannot_take_waits_in_the_queue(rig):
    """Packets wait in the kernel, in order, and nothing is lost."""
    rig.tuns[0].setblocking(False)
    sent = 0
    with pytest.raises(BlockingIOError):
        while True:
            rig.tuns[0].send(packet(1000, sent))
            sent += 1
            time.sleep(0.001)
    assert rig.hear(0, sent) == [packet(1000, number) for number in range(sent)]
    rig.tuns[1].send(packet(50))
    assert rig.hear(1, 1) == [packet(50)], "the others go on"


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (b"\x55" * 30, "drop_version"),
        (packet(60)[:-1], "drop_length"),
        (packet(60)[:10] + b"\0\0" + packet(60)[12:], "drop_checksum"),
        (packet(1500) + b"more", "drop_oversize"),
        (b"\x45" * 100_000, "drop_oversize"),
    ],
)
def test_bad_packets_are_counted_and_the_next_is_good(rig, bad, reason):
    stream = encode(bad) + encode(packet(40))
    while stream:
        stream = stream[os.write(rig.far[0], stream[:2000]) :]
    assert rig.tuns[0].recv(2000) == packet(40)
    assert rig.counters(0)[reason] == 1
    assert rig.counters(0)["packets_in"] == 1


@pytest.mark.parametrize("garbled", [b"\x45\xdb\x00\x01", b"\x45\xdb", b"\xdb", packet(40) + b"\xdb", b"\xdb\xdb\xdc"])
def test_a_garbled_frame_costs_itself_only(rig, garbled):
    """ESC before what cannot follow it, at the frame's end too."""
    os.write(rig.far[0], b"\xc0" + garbled + b"\xc0" + encode(packet(40)))
    assert rig.tuns[0].recv(2000) == packet(40)
    assert rig.counters(0)["drop_slip"] == 1


def test_packets_beyond_the_mtu_are_dropped_both_ways():
    rig = Rig(1, mtu=100)
    rig.tuns[0].send(packet(101))
    rig.tuns[0].send(packet(100))
    assert rig.hear(0, 1) == [packet(100)]
    os.write(rig.far[0], encode(packet(101)) + encode(packet(100)))
    assert rig.tuns[0].recv(2000) == packet(100)
    assert rig.counters(0)["drop_oversize"] == 2
    rig.close()


def test_a_port_that_hangs_up_is_told_once_and_the_others_go_on(rig):
    os.close(rig.far[0])
    rig.eventually(lambda: select.select([rig.engine.events_fd], [], [], 0)[0])
    assert [(event.kind, event.lane) for event in rig.engine.events()] == [("lane_gone", 0)]
    rig.tuns[0].send(packet(40))
    rig.tuns[1].send(packet(50))
    assert rig.hear(1, 1) == [packet(50)]
    assert rig.engine.events() == []
    rig.far[0] = os.open("/dev/null", os.O_RDWR)


def test_another_port_takes_the_place_of_one_that_hung_up_or_not(rig):
    for _ in range(2):
        os.write(rig.far[0], b"\xc0\x45half of a frame")
        os.close(rig.far[0])
        rig.eventually(lambda: [event.kind for event in rig.engine.events()] == ["lane_gone"])
        rig.far[0], port = os.openpty()
        tty.setraw(port)
        rig.engine.replace_lane(0, 0, port)
        os.close(port)
        rig.tuns[0].send(packet(40))
        assert rig.hear(0, 1) == [packet(40)]
        os.write(rig.far[0], encode(packet(50)))
        assert rig.tuns[0].recv(2000) == packet(50)
        assert rig.engine.events() == []
    other, port = os.openpty()
    tty.setraw(port)
    rig.engine.replace_lane(0, 0, port)
    os.write(other, encode(packet(60)))
    assert rig.tuns[0].recv(2000) == packet(60)
    assert rig.counters(0)["packets_in"] == 3
    with pytest.raises(BoardError, match="lane 5"):
        rig.engine.replace_lane(0, 5, port)
    rig.engine.stop()
    with pytest.raises(BoardError):
        rig.engine.replace_lane(0, 0, port)
    os.close(other)
    os.close(port)


def test_what_hangs_up_under_load_costs_its_own_packets_only(rig):
    """Half of a frame written, packets waiting: the port that takes its place hears whole frames only."""
    rig.tuns[0].setblocking(False)
    with pytest.raises(BlockingIOError):
        while True:
            rig.tuns[0].send(packet(1000))
            time.sleep(0.001)
    os.close(rig.far[0])
    rig.eventually(lambda: [event.kind for event in rig.engine.events()] == ["lane_gone"])
    rig.far[0], port = os.openpty()
    tty.setraw(port)
    rig.engine.replace_lane(0, 0, port)
    os.close(port)
    assert rig.hear(0, 1)[0] == packet(1000)


def test_lanes_of_a_board_cannot_be_replaced(model):
    engine = Engine()
    engine.add_board(model.capsule, model)
    with pytest.raises(BoardError, match="not supported"):
        engine.replace_lane(0, 0, 0)


def test_an_idle_port_costs_nothing(rig):
    """After a round trip the engine's thread sleeps."""
    rig.tuns[0].send(packet(60))
    rig.hear(0, 1)
    time.sleep(0.05)
    before = time.process_time()
    time.sleep(0.3)
    assert time.process_time() - before < 0.01


def test_lanes_without_a_port_cannot_be_attached():
    rig = Rig(2)
    near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with near, far, pytest.raises(BoardError, match="lane 5"):
        rig.engine.attach(0, 5, far.fileno())
    rig.close()


def test_what_only_boards_can_do_is_refused(rig):
    with pytest.raises(BoardError, match="not supported"):
        rig.engine.control(0, 0xC0, 1, 0, 0, 4)
    with pytest.raises(BoardError, match="not supported"):
        rig.engine.programming(0).begin([0])


def test_a_link_is_used_once():
    master, slave = os.openpty()
    link = Ttys([slave])
    engine = Engine()
    engine.add_board(link)
    with pytest.raises(BoardError, match="in use already"):
        engine.add_board(link)
    os.close(master)
    os.close(slave)
