"""Faults for a whole Bridge, from Python and from the command line, in a network namespace of their own."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from inside import run_inside
from test_tty_replug import Device, answers

import tinymux
from tinymux.boards import TtyBoard
from tinymux.errors import TinymuxError


def answered(node: tinymux.Node, count: int = 40) -> list[int]:
    """Which of so many echo requests have an answer."""
    ping = ["ping", "-i", "0.005", "-c", str(count), "-W", "0.2", str(node.address)]
    done = subprocess.run(ping, check=False, capture_output=True, text=True)
    return [int(number) for number in re.findall(r"icmp_seq=(\d+)", done.stdout)]


def of_a_seed(folder: Path) -> None:
    """The same packets are lost each time the seed is the same, whatever the timing; others with another."""

    def lost(seed: int) -> list[list[int]]:
        board = TtyBoard([str(device.path) for device in devices])
        with tinymux.Bridge(board, faults={"drop": 0.3, "seed": seed}) as bridge:
            got = [answered(node) for node in bridge.nodes]
            (counters,) = bridge.fault_counters()
        assert counters["drop"] == sum(40 - node.counters.packets_out for node in bridge.nodes) + sum(
            node.counters.packets_in - len(one) for node, one in zip(bridge.nodes, got, strict=True)
        )
        assert bridge.fault_counters() == [counters], "they stay readable"
        return got

    devices = [Device(folder / f"port{number}") for number in range(2)]
    first = lost(7)
    assert all(5 < len(one) < 35 for one in first)
    assert first[0] != first[1], "each lane has its own"
    assert lost(7) == first
    assert lost(8) != first


def each_kind(folder: Path) -> None:
    """From nothing to everything, as ping sees it."""
    device = Device(folder / "port")

    def pinged(**faults: float) -> list[int]:
        with tinymux.Bridge(TtyBoard([str(device.path)]), faults=faults) as bridge:
            return answered(bridge.nodes[0], 5)

    assert pinged() == [1, 2, 3, 4, 5]
    assert pinged(drop=1.0) == []
    assert sorted(set(pinged(duplicate=1.0))) == [1, 2, 3, 4, 5]
    assert len(pinged(duplicate=1.0)) > 10
    assert sorted(pinged(reorder=0.5, delay=0.2, delay_ms=15, seed=3)) == [1, 2, 3, 4, 5]
    bridge = tinymux.Bridge(TtyBoard([str(device.path)]))
    with bridge:
        assert answers(bridge.nodes[0])
    assert bridge.fault_counters() == []
    for wrong in ({"drop": 2}, {"rot": 0.1}, {"drop": 0.1, "seed": -1}, {"delay": 0.1, "delay_ms": -1}):
        with pytest.raises(TinymuxError), tinymux.Bridge(TtyBoard([str(device.path)]), faults=wrong):
            pass


def on_the_command_line(folder: Path) -> None:
    """--faults, and what they did in each form of output; the same seed, the same again."""
    device = Device(folder / "port")
    program = [sys.executable, "-m", "tinymux", "up", "--no-web", "--board", f"tty:{device.path}", "--faults"]

    def up(form: str) -> str:
        command = [*program, "drop=0.3,delay=0.2,delay_ms=2,seed=7", "-o", form, "--interval", "0.1"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
            first = running.stdout.readline()
            ping = ["ping", "-q", "-i", "0.005", "-c", "40", "-W", "0.2", "10.16.0.16"]
            subprocess.run(ping, check=False, stdout=subprocess.DEVNULL)
            running.terminate()
            rest = running.stdout.read()
        assert running.returncode == 0
        return first + rest

    faults = [json.loads(line).get("faults") for line in up("json").splitlines()]
    assert faults[0] is faults[-1] is None, "up and down"
    (last,) = faults[-2]
    assert (last["corrupt"], last["overrun"]) == (0, 0)
    assert last["drop"] > 5 < last["delay"]
    assert f"faults: drop {last['drop']}, delay {last['delay']}" in up("plain").splitlines()[-2]
    for wrong in ("drop", "rot=1"):
        done = subprocess.run([*program, wrong], capture_output=True, text=True, check=False)
        assert (done.returncode, len(done.stderr.splitlines())) == (1, 1), done.stderr


SCENARIOS = (of_a_seed, each_kind, on_the_command_line)


@pytest.mark.parametrize("scenario", [scenario.__name__ for scenario in SCENARIOS])
def test_faults(scenario, tmp_path):
    run_inside(__file__, scenario, tmp_path)


if __name__ == "__main__":
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    globals()[sys.argv[1]](Path(sys.argv[2]))
