"""The engine on real tuns, in a network namespace that each test has for itself."""

from __future__ import annotations

from pathlib import Path

import pytest
from inside import run_inside

SCENARIOS = Path(__file__).with_name("tun_scenarios.py")
NAMES = ("every_lane", "down_and_up", "vanishes_and_comes_back", "waits_in_the_queue")


@pytest.mark.parametrize("name", NAMES)
def test_on_real_tuns(name, model_library):
    run_inside(SCENARIOS, model_library._name, name)
