"""Faults around a link: each kind alone, both ways, the same for the same seed; and around a board."""

from __future__ import annotations

import os
import socket
import threading
import time
from contextlib import suppress

import pytest
from test_tty import Rig, packet

from tinymux._engine import Engine
from tinymux.errors import BoardError, TinymuxError
from tinymux.slip import encode


@pytest.fixture
def rig_with():
    made = []

    def make(**faults: float) -> Rig:
        made.append(Rig(1, faults=faults))
        return made[-1]

    yield make
    for rig in made:
        rig.close()


def faults(rig: Rig) -> dict[str, int]:
    return rig.engine.fault_counters(0)


def from_device(rig: Rig, count: int, expected: int) -> list[bytes]:
    """What the kernel gets of so many packets from the device."""
    os.write(rig.far[0], b"".join(encode(packet(40, number)) for number in range(count)))
    return [rig.tuns[0].recv(2000) for _ in range(expected)]


def nothing_more(rig: Rig) -> bool:
    rig.tuns[0].settimeout(0.05)
    try:
        rig.tuns[0].recv(2000)
    except TimeoutError:
        return True
    return False


def test_without_faults_nothing_happens(rig_with):
    rig = rig_with(seed=1)
    assert from_device(rig, 50, 50) == [packet(40, number) for number in range(50)]
    assert sum(faults(rig).values()) == 0


def test_drop(rig_with):
    rig = rig_with(drop=0.25, seed=1)
    os.write(rig.far[0], b"".join(encode(packet(40, number)) for number in range(60)))
    rig.eventually(lambda: rig.counters(0)["packets_in"] == 60)
    dropped = faults(rig)["drop"]
    assert 5 <= dropped <= 28
    got = [rig.tuns[0].recv(2000) for _ in range(60 - dropped)]
    assert got == sorted(got, key=lambda one: one[20]), "the rest in order"
    assert nothing_more(rig)


def test_everything_dropped_towards_the_device(rig_with):
    rig = rig_with(drop=1.0)
    for number in range(10):
        rig.tuns[0].send(packet(40, number))
    rig.eventually(lambda: faults(rig)["drop"] == 10)
    assert rig.counters(0)["packets_out"] == 0


def test_the_same_seed_gives_the_same_faults(rig_with):
    def survivors(seed: int) -> list[bytes]:
        rig = rig_with(drop=0.5, seed=seed)
        os.write(rig.far[0], b"".join(encode(packet(40, number)) for number in range(64)))
        rig.eventually(lambda: rig.counters(0)["packets_in"] == 64)
        return [rig.tuns[0].recv(2000) for _ in range(64 - faults(rig)["drop"])]

    assert survivors(7) == survivors(7)
    assert survivors(7) != survivors(8)


def test_other_lanes_do_not_change_a_lanes_faults():
    """Lane 0 loses the same packets whether its neighbour talks in between or not, and whatever comes the other way."""

    def survivors(disturbed: bool) -> list[bytes]:
        rig = Rig(2, faults={"drop": 0.5, "seed": 7})
        for number in range(64):
            if disturbed:
                os.write(rig.far[1], encode(packet(40, number)))
                rig.tuns[0].send(packet(40, number))
            os.write(rig.far[0], encode(packet(40, number)))
            rig.eventually(lambda number=number: rig.counters(0)["packets_in"] > number)
        rig.tuns[0].settimeout(0.1)
        got = []
        with pytest.raises(TimeoutError):
            while True:
                got.append(rig.tuns[0].recv(2000))
        rig.close()
        return got

    alone = survivors(disturbed=False)
    assert 16 < len(alone) < 48
    assert survivors(disturbed=True) == alone


def test_a_packet_that_is_lost_meets_nothing_else(rig_with):
    rig = rig_with(drop=1.0, corrupt=1.0, duplicate=1.0, delay=1.0, reorder=1.0, byte_loss=1.0)
    for number in range(10):
        rig.tuns[0].send(packet(40, number))
    rig.eventually(lambda: faults(rig)["drop"] == 10)
    assert sum(faults(rig).values()) == 10


def test_a_flood_that_is_lost_holds_nobody_up():
    """A tun that is never empty, all of it dropped: the other lane is served meanwhile."""
    rig = Rig(2, faults={"drop": 1.0})
    flood = threading.Event()

    def send() -> None:
        while not flood.is_set():
            with suppress(BlockingIOError):
                rig.tuns[0].send(packet(40), socket.MSG_DONTWAIT)

    sender = threading.Thread(target=send)
    sender.start()
    try:
        rig.eventually(lambda: faults(rig)["drop"] > 1000)
        os.write(rig.far[1], encode(packet(40)))
        rig.eventually(lambda: rig.counters(1)["packets_in"] == 1)
    finally:
        flood.set()
        sender.join()
    rig.close()


def test_corrupt_inverts_one_bit_and_bad_packets_do_not_reach_the_kernel(rig_with):
    rig = rig_with(corrupt=1.0, seed=3)
    rig.tuns[0].send(packet(40))
    (heard,) = rig.hear(0, 1)
    different = int.from_bytes(heard, "big") ^ int.from_bytes(packet(40), "big")
    assert different.bit_count() == 1
    os.write(rig.far[0], b"".join(encode(packet(40, number)) for number in range(60)))
    rig.eventually(lambda: faults(rig)["corrupt"] == 61)
    counters = rig.counters(0)
    bad = sum(counters[name] for name in ("drop_version", "drop_length", "drop_checksum"))
    assert 15 < bad < 45, "half of a packet of 40 bytes is its header"
    for _ in range(60 - bad):
        assert rig.tuns[0].recv(2000)[:20] == packet(40)[:20]


def test_byte_loss(rig_with):
    rig = rig_with(byte_loss=1.0, seed=3)
    rig.tuns[0].send(packet(40))
    (heard,) = rig.hear(0, 1)
    assert any(packet(40)[:at] + packet(40)[at + 1 :] == heard for at in range(40))
    os.write(rig.far[0], encode(packet(1500)) * 3)
    rig.eventually(lambda: sum(rig.counters(0)[f"drop_{why}"] for why in ("version", "length", "checksum")) == 3)


def test_duplicate_both_ways(rig_with):
    rig = rig_with(duplicate=1.0)
    rig.tuns[0].send(packet(40))
    assert rig.hear(0, 2) == [packet(40)] * 2
    assert from_device(rig, 2, 4) == [packet(40, 0)] * 2 + [packet(40, 1)] * 2
    assert nothing_more(rig)


def test_reorder_both_ways(rig_with):
    """Each packet is held until another passes or 20 ms have; none is lost."""
    rig = rig_with(reorder=0.3, seed=2)
    sent = [packet(40, number) for number in range(40)]
    got = from_device(rig, 40, 40)
    assert got != sent
    assert sorted(got) == sorted(sent)
    for one in sent:
        rig.tuns[0].send(one)
    heard = rig.hear(0, 40)
    assert heard != sent
    assert sorted(heard) == sorted(sent)


def test_delay(rig_with):
    rig = rig_with(delay=1.0, delay_ms=50)
    start = time.monotonic()
    assert from_device(rig, 3, 3) == [packet(40, number) for number in range(3)]
    assert 0.05 <= time.monotonic() - start < 1
    start = time.monotonic()
    rig.tuns[0].send(packet(40))
    assert rig.hear(0, 1) == [packet(40)]
    assert 0.05 <= time.monotonic() - start < 1


def test_more_late_packets_than_there_is_room_for_are_counted(rig_with):
    rig = rig_with(delay=1.0, delay_ms=300)
    os.write(rig.far[0], b"".join(encode(packet(20)) for _ in range(120)))
    rig.eventually(lambda: faults(rig)["delay"] == 120)
    os.write(rig.far[0], b"".join(encode(packet(20)) for _ in range(150)))
    rig.eventually(lambda: faults(rig)["delay"] == 270)
    assert faults(rig)["overrun"] == 270 - 256


def test_around_a_board(model):
    """Questions and answers are doubled, and the board does not know."""
    from test_engine import ping

    engine = Engine()
    engine.add_board(model.capsule, model, {"duplicate": 1.0}, startup_ms=1)
    near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    near.settimeout(5)
    engine.attach(0, 3, far.fileno())
    engine.start()
    near.send(ping())
    assert len({near.recv(2000) for _ in range(4)}) == 1, "two questions, two answers to each"
    assert engine.counters(0, 3)["packets_out"] == 2
    assert len(engine.programming(0).reports()) == 16
    engine.stop()


def test_what_is_no_fault_is_refused():
    for wrong in ({"drop": 1.5}, {"drop": -0.1}, {"rot": 0.1}):
        master, slave = os.openpty()
        with pytest.raises(TinymuxError):
            Rig(1, faults=wrong)
        os.close(master)
        os.close(slave)
    with pytest.raises(BoardError, match="no faults"):
        Engine().fault_counters(0)
