"""The engine's thread: packets between tuns and lanes, commands while it runs, and an end without leftovers.

Here SEQPACKET socket pairs stand in for tuns, so that no right to make interfaces is needed; test_tun.py has real ones.
"""

from __future__ import annotations

import os
import select
import socket
import threading
import time

import pytest
from model import Model, echoed, ping

from tinymux._engine import Engine, Event
from tinymux.errors import BoardError, TinymuxError

QUICK = {"startup_ms": 1}
PATIENCE = 5.0  # s


class Rig:
    """An engine with one model board; `ends[lane]` is the kernel's side of a lane's tun."""

    def __init__(self, model: Model, lanes=range(16), **options) -> None:
        self.model, self.engine = model, Engine()
        self.board = self.engine.add_board(model.capsule, model, **{**QUICK, **options})
        self.ends: dict[int, socket.socket] = {}
        for lane in lanes:
            self.attach(lane)

    def attach(self, lane: int) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.engine.attach(self.board, lane, theirs.fileno())
        theirs.close()
        ours.settimeout(PATIENCE)
        self.ends[lane] = ours

    def ask(self, lane: int, packet: bytes) -> bytes:
        self.ends[lane].send(packet)
        return self.ends[lane].recv(2000)

    def events(self) -> list[Event]:
        """Waits for one at least."""
        assert select.select([self.engine.events_fd], [], [], PATIENCE)[0], "no event"
        return self.engine.events()

    def counters(self, lane: int) -> dict[str, int]:
        return self.engine.counters(self.board, lane)


@pytest.fixture
def rig(model):
    rig = Rig(model)
    rig.engine.start()
    yield rig
    rig.engine.stop()
    for end in rig.ends.values():
        end.close()


def eventually(condition) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_packets_go_from_each_tun_to_its_tiny_and_back(rig):
    for number in range(3):
        for lane in range(16):
            packet = ping(number, size=lane)
            assert rig.ask(lane, packet) == echoed(packet)
    eventually(lambda: all(rig.counters(lane)["packets_in"] == 3 for lane in range(16)))


def test_packets_wait_in_the_tun_until_their_lane_can_take_them(rig):
    for number in range(20):
        rig.ends[5].send(ping(number))
    assert [rig.ends[5].recv(2000) for _ in range(20)] == [echoed(ping(number)) for number in range(20)]


def test_an_idle_engine_takes_no_cpu_and_no_planes(rig):
    rig.ask(0, ping())
    time.sleep(0.05)
    before, planes = time.process_time(), rig.engine.board_counters(0)
    time.sleep(0.3)
    assert time.process_time() - before < 0.05
    assert rig.engine.board_counters(0) == planes


def test_reset_starts_one_tiny_anew_and_leaves_the_others_alone(rig):
    rig.ask(3, ping())
    rig.engine.reset(0, 3)
    assert rig.model.resets == 0
    assert rig.ask(3, ping()) == echoed(ping())
    assert (rig.counters(3)["resets"], rig.counters(4)["resets"]) == (1, 0)


def test_detach_holds_the_tiny_in_reset_and_closes_the_tun(rig):
    rig.engine.detach(0, 3)
    assert rig.model.resets == 1 << 3
    assert rig.ends[3].recv(2000) == b"", "the other end is closed"
    rig.attach(3)
    assert rig.model.resets == 0
    assert rig.ask(3, ping()) == echoed(ping())


def test_attach_again_changes_the_tun_while_the_tiny_runs_on(rig):
    rig.ask(3, ping())
    rig.attach(3)
    assert rig.ask(3, ping()) == echoed(ping())
    assert rig.counters(3)["resets"] == 0


def test_control_requests_are_made_between_packets(rig):
    assert rig.engine.control(0, 0xC0, 1, 0, 0, 4) == bytes([1, 16, 0, 1])
    with pytest.raises(BoardError, match="Broken pipe"):
        rig.engine.control(0, 0xC0, 99, 0, 0, 4)


def test_a_suspect_lane_is_told_once(rig):
    rig.model.tune(3, mute=1)
    for number in range(6):
        rig.ends[3].send(ping(number))
    assert rig.events() == [Event("suspect", 0, 3, 0)]
    eventually(lambda: rig.counters(3)["silences"] == 6)
    assert rig.engine.events() == []


def test_a_stuck_lane_is_told_and_the_others_are_served(model):
    rig = Rig(model, mtu=300)
    model.tune(1, stuck_low=1)
    rig.engine.start()
    for number in range(60):
        assert rig.ask(0, ping(number)) == echoed(ping(number))
    assert rig.events() == [Event("stuck", 0, 1, 0)]
    rig.engine.stop()


def test_a_board_that_goes_is_told_once_and_the_engine_stays(rig, model_library):
    rig.ask(0, ping())
    rig.model.unplug()
    rig.ends[0].send(ping())
    assert rig.events() == [Event("board_gone", 0, -1, 19)]
    other = Model(model_library)
    number = rig.engine.add_board(other.capsule, other, **QUICK)
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    rig.engine.attach(number, 0, theirs.fileno())
    ours.settimeout(PATIENCE)
    ours.send(ping())
    assert ours.recv(2000) == echoed(ping())
    assert rig.engine.events() == []


def test_a_lane_reset_while_its_board_is_away_starts_when_that_is_back(rig, model_library):
    rig.ask(3, ping())
    rig.model.unplug()
    rig.ends[0].send(ping())
    assert rig.events() == [Event("board_gone", 0, -1, 19)]
    with pytest.raises(BoardError):
        rig.engine.reset(0, 3)
    other = Model(model_library)
    rig.engine.replace_board(0, other.capsule, other)
    assert rig.ask(3, ping()) == echoed(ping())
    assert rig.engine.events() == []


def test_a_tun_that_vanishes_is_told_once_and_replaced(model):
    rig = Rig(model, scan_ms=1000)
    rig.engine.start()
    rig.ask(3, ping())
    rig.ends[3].close()
    rig.model.tune(3, chatter=5000)  # something to write there
    rig.ends[2].send(ping())
    for number in range(200):
        rig.ask(0, ping(number))
    eventually(lambda: rig.counters(3)["drop_tun_down"] == 1)
    assert [event.kind for event in rig.events()] == ["tun_error"]
    rig.attach(3)
    assert rig.ask(3, ping()) == echoed(ping())
    rig.engine.stop()


def test_a_tun_that_takes_no_more_costs_packets_and_nothing_else(model):
    rig = Rig(model, lanes=[0, 1])
    rig.ends[1].setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
    rig.engine.start()
    sender = rig.ends[1]
    for number in range(600):
        sender.send(ping(number))
    eventually(lambda: rig.counters(1)["packets_out"] == 600)
    counters = rig.counters(1)
    assert 0 < counters["drop_tun_full"] < 600
    assert counters["packets_in"] == 600
    assert rig.ask(0, ping()) == echoed(ping())
    rig.engine.stop()


def test_rubbish_from_a_tun_goes_no_further_than_its_lane(rig):
    for rubbish in (b"\0", b"\xff" * 1500, os.urandom(700), b"\x45" + bytes(30), b"x" * 1600):
        rig.ends[3].send(rubbish)
    rig.ends[3].send(ping())
    assert rig.ends[3].recv(2000) == echoed(ping())
    assert rig.counters(3)["drop_oversize"] == 1


def test_a_tiny_that_talks_unasked_is_heard_when_scans_are_on(model):
    rig = Rig(model, scan_ms=5)
    model.tune(3, chatter=5000)
    rig.engine.start()
    assert len(rig.ends[3].recv(2000)) == 20
    rig.engine.stop()


def test_stop_is_quick_safe_to_repeat_and_leaves_nothing(model):
    before = len(os.listdir("/proc/self/fd")), threading.active_count(), len(os.listdir("/proc/self/task"))
    for _ in range(3):
        rig = Rig(model)
        rig.engine.start()
        rig.ask(0, ping())
        rig.ends[0].send(ping())  # under way while it stops
        start = time.monotonic()
        rig.engine.stop()
        rig.engine.stop()
        assert time.monotonic() - start < 1
        assert model.resets == 0xFFFF
        assert rig.counters(0)["packets_out"] >= 1, "counters stay"
        for end in rig.ends.values():
            end.close()
        del rig
    assert (len(os.listdir("/proc/self/fd")), threading.active_count(), len(os.listdir("/proc/self/task"))) == before


def test_an_engine_may_start_again_after_stop(rig):
    rig.engine.stop()
    rig.attach(3)
    rig.engine.start()
    assert rig.ask(3, ping()) == echoed(ping())
    with pytest.raises(TinymuxError, match="already"):
        rig.engine.start()


def test_an_engine_that_is_just_dropped_ends_cleanly(model):
    rig = Rig(model)
    rig.engine.start()
    rig.ask(0, ping())
    del rig
    assert model.resets == 0xFFFF


def test_wrong_numbers_are_refused(rig, model):
    for call in (rig.engine.reset, rig.engine.detach, rig.engine.counters):
        for board, lane in ((0, 16), (0, -1), (1, 0), (-1, 0)):
            with pytest.raises(BoardError):
                call(board, lane)
    with pytest.raises(BoardError):
        rig.engine.board_counters(1)
    with pytest.raises(BoardError):
        rig.engine.attach(0, 0, 9999)
    with pytest.raises(TinymuxError, match="option"):
        Engine().add_board(model.capsule, model, no_such=1)
    with pytest.raises(ValueError):
        Engine().add_board(object(), model)


def test_many_threads_may_command_it_at_once(rig):
    stop = threading.Event()
    failures: list[BaseException] = []

    def commands(seed: int) -> None:
        try:
            while not stop.is_set():
                rig.engine.reset(0, 8 + seed)
                rig.engine.control(0, 0xC0, 1, 0, 0, 4)
                rig.engine.counters(0, seed)
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=commands, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for number in range(100):
        assert rig.ask(number % 8, ping(number)) == echoed(ping(number))
    stop.set()
    for thread in threads:
        thread.join(PATIENCE)
    assert not failures
