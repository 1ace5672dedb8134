"""The loop's short spin: latency of a round trip through it with and without, and what it costs."""

from __future__ import annotations

import socket
import time
from statistics import median

import pytest
from links import engine_cpu

from tinymux._engine import Engine, Loopback

PACKET = bytes.fromhex("4500001c00000000401166cf0a0000010a000002000700070008") + bytes(2)
PAUSE = 0.0003  # s between round trips
ROUND_TRIPS, ROUNDS = 300, 7


def round_trips(spin_us: int) -> tuple[float, float]:
    """Median latency in us, and the thread's share of a CPU in per cent."""
    engine = Engine(spin_us=spin_us)
    engine.add_board(Loopback())
    near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with near, far:
        engine.attach(0, 0, far.fileno())
        engine.start()
        took, start, cpu = [], time.perf_counter(), engine_cpu()
        for _ in range(ROUND_TRIPS):
            sent = time.perf_counter()
            near.send(PACKET)
            near.recv(2000)
            took.append(time.perf_counter() - sent)
            time.sleep(PAUSE)
        share = (engine_cpu() - cpu) / (time.perf_counter() - start)
        engine.stop()
    return 1e6 * median(took), 100 * share


@pytest.mark.parametrize("spin_us", [0, 1000])
def test_latency(benchmark, figure, spin_us):
    """3,000 packets a second through a socket and back; the best of some rounds, as others only add to it."""
    rounds = benchmark.pedantic(lambda: [round_trips(spin_us) for _ in range(ROUNDS)], rounds=1)
    latency, share = min(rounds)
    name = "spin" if spin_us else "sleep"
    figure(f"latency_{name}_us", latency, f"us, p50, spin_us = {spin_us}")
    figure(f"latency_{name}_cpu_percent", share, "% of a core")
