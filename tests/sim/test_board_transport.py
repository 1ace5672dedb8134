"""The simulated board as the engine's transport: depth, order, pace, latency, arrears (transport_driver.c)."""

from __future__ import annotations

import subprocess

import pytest
from boardbench import BUILD, driver, pump


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory):
    """ask(behaviour): what the driver printed, by name. It runs under the sanitizers."""
    program = driver("transport_driver.c")
    pump()

    def run(behaviour: str) -> dict[str, int]:
        command = [program, BUILD / "pump.bin", behaviour]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        lines = (line.rpartition(" ") for line in done.stdout.splitlines())
        return {name: int(value) for name, _, value in lines}

    return run


def test_free_running_moves_only_while_answers_are_expected(ask):
    got = ask("free")
    assert got["idle deadline"] == 1
    assert (got["idle service"], got["idle time"]) == (0, 0)
    assert got["queued"] == 8
    assert got["busy deadline"] == 0
    assert (got["arrived"], got["wrong"]) == (1000, 0)
    assert got["planes per ms"] >= 290
    assert got["idle again"] == 1


def test_depth_bounds_what_is_under_way_and_latency_comes_on_top(ask):
    got = ask("latency")
    assert got["second is refused"] == 1
    # one packet there and one back; the two latencies are not in a row, so it is one of them
    assert 990 <= got["added us"] <= 1100


def test_paced_follows_the_wall_clock(ask):
    got = ask("paced")
    assert got["ahead us"] <= 0
    assert got["behind us"] < 60_000  # a sanitized board on a busy machine; 50 ms are allowed
    assert got["expected"] == 0


def test_paced_gives_up_what_it_cannot_catch_up_with(ask):
    assert 150 <= ask("arrears")["arrears ms"] <= 1000


def test_paced_and_idle_keeps_up_at_little_cost(ask):
    got = ask("idle")
    assert 0 <= got["wakes within ms"] <= 50
    assert got["caught up"] == 1
    assert got["run to now"] == 1


def test_control_and_unplugging(ask):
    assert set(ask("control").values()) == {1}
