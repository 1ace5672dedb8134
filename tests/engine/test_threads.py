"""Several threads in one engine: boards spread over them; what is told, counted and asked for works for all."""

from __future__ import annotations

import os
import select
import socket
from pathlib import Path

import pytest
from model import Model, echoed, ping

from tinymux._engine import Capture, Engine, Event, Loopback
from tinymux.errors import TinymuxError

PATIENCE = 5.0  # s


class Rig:
    """Boards on an engine, lane 0 of each on a socket."""

    def __init__(self, library, boards: int, **settings) -> None:
        self.engine = Engine(**settings)
        self.models = [Model(library) for _ in range(boards)]
        self.ends = []
        for model in self.models:
            board = self.engine.add_board(model.capsule, model, startup_ms=1)
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            with theirs:
                self.engine.attach(board, 0, theirs.fileno())
            ours.settimeout(PATIENCE)
            self.ends.append(ours)

    def ask(self, board: int, packet: bytes) -> bytes:
        self.ends[board].send(packet)
        return self.ends[board].recv(2000)

    def event(self) -> Event:
        assert select.select([self.engine.events_fd], [], [], PATIENCE)[0], "no event"
        (event,) = self.engine.events()
        return event


@pytest.fixture
def rig(model_library):
    rig = Rig(model_library, boards=3, threads=2)
    rig.engine.start()
    yield rig
    rig.engine.stop()
    for end in rig.ends:
        end.close()


def threads() -> dict[str, int]:
    """The engine's threads: name -> number of the task."""
    tasks = {int(task.name): (task / "comm").read_text().strip() for task in Path("/proc/self/task").iterdir()}
    return {name: task for task, name in tasks.items() if name.startswith("tinymux-engine")}


def cpu_ns(task: int) -> int:
    return int(Path(f"/proc/self/task/{task}/schedstat").read_text().split()[0])


def test_each_board_is_served_by_one_thread_in_turn(rig):
    assert sorted(threads()) == ["tinymux-engine", "tinymux-engine1"]
    for board in range(3):
        rig.ask(board, ping())
    for board, name in enumerate(["tinymux-engine", "tinymux-engine1", "tinymux-engine"]):
        before = {each: cpu_ns(task) for each, task in threads().items()}
        for number in range(20):
            assert rig.ask(board, ping(number)) == echoed(ping(number))
        took = {each: cpu_ns(task) - before[each] for each, task in threads().items()}
        assert took.pop(name) > 3 * max(took.values())


def test_commands_counters_and_control_reach_every_board(rig):
    for board, model in enumerate(rig.models):
        rig.ask(board, ping())
        rig.engine.reset(board, 0)
        assert rig.ask(board, ping(1)) == echoed(ping(1))
        assert rig.engine.control(board, 0xC0, 1, 0, 0, 4) == bytes([1, 16, 0, 1])
        assert (rig.engine.counters(board, 0)["resets"], rig.engine.counters(board, 0)["packets_out"]) == (1, 2)
        assert rig.engine.board_counters(board)["packets_in"] > 0
        rig.engine.detach(board, 0)
        assert model.resets == 0xFFFF


def test_events_of_all_boards_come_to_one_place(rig):
    for board, model in enumerate(rig.models):
        model.unplug()
        rig.ends[board].send(ping())
        assert rig.event() == Event("board_gone", board, -1, 19)


def test_a_board_that_comes_while_they_run_is_served(rig):
    assert rig.engine.add_board(Loopback()) == 3
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        rig.engine.attach(3, 0, theirs.fileno())
        ours.settimeout(PATIENCE)
        ours.send(ping())
        assert len(ours.recv(2000)) == len(ping())


def test_one_capture_has_the_packets_of_all_threads(rig, tmp_path):
    path = tmp_path / "all.pcapng"
    with path.open("wb", buffering=0) as file:
        capture = Capture(rig.engine, file.fileno(), {(board, 0): f"board{board}" for board in range(3)})
        for number in range(30):
            for board in range(3):
                rig.ends[board].send(ping(number))
        for _ in range(30):
            for board in range(3):
                rig.ends[board].recv(2000)
        capture.close()
    blocks = path.read_bytes()
    assert all(blocks.count(f"board{board}".encode()) == 1 for board in range(3))
    assert blocks.count(ping()[:4]) >= 180


def test_they_start_again_after_stop_and_leave_nothing(model_library):
    before = len(os.listdir("/proc/self/fd")), len(os.listdir("/proc/self/task"))
    rig = Rig(model_library, boards=2, threads=3)
    for _ in range(2):
        rig.engine.start()
        with pytest.raises(TinymuxError, match="already"):
            rig.engine.start()
        assert len(threads()) == 3
        rig.engine.stop()
        rig.engine.stop()
        assert not threads()
    for end in rig.ends:
        end.close()
    del rig
    assert (len(os.listdir("/proc/self/fd")), len(os.listdir("/proc/self/task"))) == before


def test_pinned_threads_have_a_cpu_each_as_far_as_there_are_some(model_library):
    rig = Rig(model_library, boards=1, threads=2, pinned=True)
    rig.engine.start()
    ours = sorted(os.sched_getaffinity(0))
    at = [os.sched_getaffinity(task) for _, task in sorted(threads().items())]
    rig.engine.stop()
    assert at == [{ours[0]}, {ours[1 % len(ours)]}]


@pytest.mark.parametrize("settings", [{"threads": 0}, {"threads": 11}, {"spin_us": -1}, {"spin_us": 2_000_000}])
def test_what_cannot_be_is_refused(settings):
    with pytest.raises(TinymuxError, match="1 to 10 threads"):
        Engine(**settings)


def test_commands_while_packets_flow_on_two_threads(program):
    assert program("stress_threads", "thread", "3", "2") == "ok\n"
