"""The engine on real tuns, in a network namespace that each test has for itself."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCENARIOS = Path(__file__).with_name("tun_scenarios.py")
NAMES = ("every_lane", "down_and_up", "vanishes_and_comes_back", "waits_in_the_queue")
INSIDE = ["unshare", "--net"] if os.geteuid() == 0 else ["unshare", "--user", "--map-root-user", "--net"]


@pytest.mark.parametrize("name", NAMES)
def test_on_real_tuns(name, model_library):
    command = [*INSIDE, sys.executable, str(SCENARIOS), model_library._name, name]
    environment = {**os.environ, "PYTHONPATH": str(SCENARIOS.parents[2])}
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
