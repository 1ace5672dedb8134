"""The loop's short spin before it sleeps: what it costs, and that it ends."""

from __future__ import annotations

import socket
import time
from pathlib import Path

import pytest
from model import ping

from tinymux._engine import Engine, Loopback

SPIN = 0.2  # s


@pytest.fixture
def spinning():
    engine = Engine(spin_us=int(SPIN * 1e6))
    engine.add_board(Loopback())
    near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    near.settimeout(2)
    engine.attach(0, 0, far.fileno())
    far.close()
    engine.start()
    yield engine, near
    engine.stop()
    near.close()


def cpu() -> float:
    """Seconds that the engine's thread has had, or has waited for a CPU: what others leave to it is no matter here."""
    for task in Path("/proc/self/task").iterdir():
        if (task / "comm").read_text().strip() == "tinymux-engine":
            return sum(map(int, (task / "schedstat").read_text().split()[:2])) / 1e9
    raise AssertionError("no engine runs")


def test_it_spins_after_a_packet_and_stops_when_nothing_comes(spinning):
    _, near = spinning
    time.sleep(2 * SPIN)
    before = cpu()
    near.send(ping())
    assert len(near.recv(2000)) == len(ping())
    time.sleep(2 * SPIN)
    spun = cpu()
    assert SPIN / 2 < spun - before < 1.5 * SPIN
    time.sleep(SPIN)
    assert cpu() - spun < 0.01, "it sleeps"


def test_packets_and_stop_are_prompt_while_it_spins(spinning):
    engine, near = spinning
    for _ in range(100):
        near.send(ping())
        near.recv(2000)
    start = time.monotonic()
    engine.stop()
    assert time.monotonic() - start < SPIN / 2
