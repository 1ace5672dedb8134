"""The machine sleeps while a Bridge runs, and wakes: inside/suspend.py, in a guest of its own, which ends with it."""

from __future__ import annotations

from typing import Any


def test_after_suspend_and_resume_traffic_goes_on(asleep: dict[str, Any]) -> None:
    assert asleep.get("error") is None, asleep
    assert asleep["all_before"]
    assert asleep["asleep_s"] > 1
    assert asleep["all_after"]
    before, after = asleep["before"], asleep["after"]
    assert after["resets"] > before["resets"], "the board has seen its bus reset"
    assert after["interfaces"] == before["interfaces"]
    assert after["nodes"] == before["nodes"], "it was never unplugged"
    assert "usb 1-1: reset full-speed USB device" in asleep["console"]
