"""How many boards at full line rate the engine's thread carries: planes, lanes, SLIP and real tuns, all of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
INSIDE = ["unshare", "--net"] if os.geteuid() == 0 else ["unshare", "--user", "--map-root-user", "--net"]
SIZE = 100  # bytes of a packet, each way
USB = ("duplex=0", "depth=16")  # every plane is driven and sampled; packets under way as in tinymux.boards.usb
DROPPED, SOCKET = "127.0.0.1", "10.0.0.1"  # where answers go: boards.py


def measured(boards: int, size: int, host: str, *options: str) -> dict[str, float]:
    command = [*INSIDE, sys.executable, str(HERE / "boards.py"), str(boards), str(size), host, *options]
    environment = {**os.environ, "PYTHONPATH": str(HERE.parent)}
    done = subprocess.run(command, capture_output=True, text=True, timeout=110, check=False, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    ("boards", "key", "needed"),
    [(1, "boards_per_core_of_1", ""), (16, "boards_per_core_of_16", ""), (64, "boards_per_core", ">= 64")],
)
def test_boards_at_line_rate(benchmark, figure, boards, key, needed):
    """294k planes a second on each board, its options those of a board on USB; the median of fifteen rounds."""
    got = benchmark.pedantic(measured, args=(boards, SIZE, DROPPED, *USB), rounds=1)
    assert got["lost"] == 0
    assert got["round_trips_per_s"] > 100, "the lanes are not busy all the time"
    figure(key, got["boards"], f"boards at 294k planes/s, {SIZE} B, {boards * 16} tuns", needed)


@pytest.mark.parametrize(
    ("key", "arguments"),
    [
        ("boards_per_core_to_sockets", (SIZE, SOCKET, *USB)),
        ("boards_per_core_one_way_runs", (SIZE, DROPPED, "depth=16")),
        ("boards_per_core_440_bytes", (440, DROPPED, *USB)),
        ("boards_per_core_depth_4", (SIZE, DROPPED, "duplex=0")),
    ],
)
def test_64_boards_otherwise(benchmark, figure, key, arguments):
    """With what the kernel does up to a socket; in runs that go one way, which pass half as much again; with pages;
    with few packets under way, so that the thread has to look after each board four times as often.
    """
    got = benchmark.pedantic(measured, args=(64, *arguments), rounds=1)
    assert got["lost"] == 0
    figure(key, got["boards"], f"boards, {arguments[0]} B, {got['round_trips_per_s']:.0f} round trips/s a lane")
