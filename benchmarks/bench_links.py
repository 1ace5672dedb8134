"""What the loop and serial ports cost, on real tuns, against what the machine and python-pytun with sliplib can do."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
INSIDE = ["unshare", "--net"] if os.geteuid() == 0 else ["unshare", "--user", "--map-root-user", "--net"]
ROUND_TRIPS = 400  # per s and node: 800 packets/s, both ways counted, is what a lane passes at line rate


@pytest.fixture(scope="module")
def measured():
    """Run a scenario of links.py in a network namespace of its own."""
    program = ROOT / "build" / "tests" / "reflect"
    program.parent.mkdir(parents=True, exist_ok=True)
    engine = ROOT / "ext" / "engine"
    sources = [HERE / "reflect.c", *engine.glob("slip*.c")]
    line = ["gcc", "-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", f"-I{engine}", *map(str, sources)]
    subprocess.run([*line, "-o", str(program)], check=True, timeout=60)

    def run(scenario: str) -> dict[str, float]:
        command = [*INSIDE, sys.executable, str(HERE / "links.py"), scenario, str(program)]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(command, capture_output=True, text=True, timeout=110, check=False, env=environment)
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout)

    return run


def test_reflect(benchmark, figure, measured):
    """Synthetic nodes through the full loop, against a raw blocking loop, per CPU second; the median of five turns."""
    got = benchmark.pedantic(measured, args=("reflect",), rounds=1)
    figure("tun_reflect_ratio", got["ratio"], "x of the raw blocking loop", ">= 0.95")
    figure("tun_reflect_us", got["us"], "us of CPU per packet")
    figure("tun_raw_us", got["us"] * got["ratio"], "us of CPU per packet, raw blocking loop")


def test_many_boards(benchmark, figure, measured):
    """64 boards of synthetic nodes on 1,024 tuns against one on 16; the lanes' planes are not part of it."""
    got = benchmark.pedantic(measured, args=("many",), rounds=1)
    figure("cpu_per_packet_1024_vs_16", got["ratio"], "x", "<= 1.2")
    figure("loop_boards_per_core", 1e6 / got["us"] / (16 * ROUND_TRIPS), "boards, loop and tuns without planes")


def test_serial_ports(benchmark, figure, measured):
    """16 nodes on ptys, packets of 100 bytes, 32 of each node on the way."""
    got = benchmark.pedantic(measured, args=("ttys",), rounds=1)
    figure("tty16_round_trips", got["rate"], "round trips/s")
    figure("tty16_vs_pytun_sliplib", got["rate"] / got["peer_rate"], "x", ">= 5")
    figure("tty16_cpu_us", got["us"], "us of CPU per round trip", "<= 2.2")


def test_idle(benchmark, figure, measured):
    """16 simulated boards attached, nothing to do."""
    got = benchmark.pedantic(measured, args=("idle",), rounds=1)
    figure("idle_cpu_percent", got["percent"], "% of a core", "<= 1")
