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
    """Synthetic nodes through the full loop, against a raw blocking loop that has a process for itself, in turns."""
    got = benchmark.pedantic(measured, args=("reflect",), rounds=1)
    figure("tun_reflect_ratio", got["ratio"], "x of the raw blocking loop, per CPU second", ">= 0.95")
    figure("tun_reflect_rate_ratio", got["rate_ratio"], "x of the raw blocking loop, packets/s")
    figure("tun_reflect_us", got["us"], "us of CPU per packet")
    figure("tun_raw_us", got["raw_us"], "us of CPU per packet, raw blocking loop")


def test_many_boards(benchmark, figure, measured):
    """64 boards of synthetic nodes on 1,024 tuns against one on 16; the lanes' planes are not part of it."""
    got = benchmark.pedantic(measured, args=("many",), rounds=1)
    figure("cpu_per_packet_1024_vs_16", got["ratio"], "x", "<= 1.2")
    figure("loop_boards_per_core", 1e6 / got["us"] / (16 * ROUND_TRIPS), "boards, loop and tuns without planes")


def test_serial_ports(benchmark, figure, measured):
    """16 nodes on ptys, packets of 100 bytes, 32 of each node on the way.

    CPU is that of the engine's thread. The kernel forwards each packet within its write to the tun, so that this is
    part of it, as it is of the peer's and of the raw loop's: what a machine takes for that bounds it from below.
    """
    got = benchmark.pedantic(measured, args=("ttys",), rounds=1)
    figure("tty16_round_trips", got["rate"], "round trips/s")
    figure("tty16_vs_pytun_sliplib", got["ratio"], "x", ">= 5")
    figure("tty16_cpu_us", got["us"], "us of CPU per round trip", "<= 2.2")
    figure("tty16_peer_cpu_us", got["peer_us"], "us of CPU per round trip, python-pytun + sliplib")
    figure("tty16_vs_raw_tun", got["us"] / got["raw_us"], "x of the raw loop's CPU on a tun, without any port")


def test_idle(benchmark, figure, measured):
    """16 boards attached, 256 interfaces, nothing to do. Simulated boards' own time is part of the first figure."""
    got = benchmark.pedantic(measured, args=("idle",), rounds=1)
    figure("idle_cpu_percent", got["percent"], "% of a core", "<= 1")
    figure("idle_loop_percent", got["loop_percent"], "% of a core, the engine's thread with synthetic nodes")
    figure("idle_first_packet_us", got["first_us"], "us, p50, UDP to a synthetic node and back after 0.1 s of silence")
