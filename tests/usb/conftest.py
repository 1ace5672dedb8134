"""Runs the tests under inside/ in the guest and brings their reports home.

To pytest they are tests like any other: selected by name, counted, shown with their tracebacks. Before the first test
of all two guests boot and share those that were selected; in one of them systemd is the first process. A third one
sleeps and wakes. Each report is told when it is its test's turn.
"""

from __future__ import annotations

import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import guest  # noqa: E402
import rig  # noqa: E402

TIMEOUT = 300  # s, for all of a guest's
SYSTEMD = {"test_service.py"}  # where that is the first process
SUSPEND = HERE / "test_suspend.py"
MINUTES = "one and a half"
REPORTS = "reports"
WITHOUT = ["-p", "no:cacheprovider", "-p", "no:benchmark"]  # plugins that a slow guest does not need
INSIDE = os.environ.get("TINYMUX_GUEST")


def is_inside(item: pytest.Item) -> bool:
    return HERE / "inside" in item.path.parents


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Recorder(Path(INSIDE) / REPORTS) if INSIDE else Carrier(config), "usb-rig")


class Recorder:
    """In the guest: writes each report as a line."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @pytest.hookimpl
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        data = report._to_json()
        with self.path.open("a") as out:
            out.write(json.dumps(data, default=str) + "\n")


class Carrier:
    """On this machine: runs the guests once and tells their reports."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.reports: dict[str, list[pytest.TestReport]] = {}
        self.accounts: dict[str, str] = {}  # what became of a test that was not told of
        self.unavailable = ""
        self.asleep: dict[str, Any] = {}

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> None:
        items = [item for item in session.items if is_inside(item)]
        suspends = any(item.path == SUSPEND for item in session.items)
        if not (items or suspends) or self.config.option.collectonly:
            return
        systemd = [item.nodeid for item in items if item.path.name in SYSTEMD]
        if terminal := self.config.pluginmanager.get_plugin("terminalreporter"):
            terminal.write_line(f"usb rig: {len(items)} tests in three guests, about {MINUTES} minutes")
        try:
            self.built = guest.build(), rig.device(), rig.drive()
            with ThreadPoolExecutor(3) as guests:
                runs = [
                    guests.submit(self.run, [item.nodeid for item in items if item.nodeid not in systemd], False),
                    guests.submit(self.run, systemd, guest.SYSTEMD.exists()),
                ]
                if suspends:
                    runs.append(guests.submit(self.sleep))
            for run in runs:
                run.result()
        except guest.Unavailable as reason:
            self.unavailable = f"usb rig: {reason}"

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> bool | None:
        if not is_inside(item):
            return None
        item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        for report in self.reports.get(item.nodeid) or [self.missing(item)]:
            item.ihook.pytest_runtest_logreport(report=report)
        item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
        return True

    def run(self, names: list[str], systemd: bool) -> None:
        if not names:
            return
        words = [rig.python(), "-m", "pytest", "-q", *WITHOUT, "--rootdir", str(guest.ROOT), *names]
        command = f"export TINYMUX_DRIVE='{rig.drive()}'\n" + " ".join(f"'{word}'" for word in words)
        with rig.Run(command, timeout=TIMEOUT, systemd=systemd) as run:
            self.accounts |= dict.fromkeys(names, run.account())
            lines = run.out / REPORTS
            for line in lines.read_text().splitlines() if lines.exists() else []:
                report = pytest.TestReport._from_json(json.loads(line))
                self.reports.setdefault(report.nodeid, []).append(report)

    def sleep(self) -> None:
        script = HERE / "inside" / "suspend.py"
        command = f"TINYMUX_CONFIG=/none exec '{rig.python()}' -u '{script}' >/dev/console 2>&1"
        with rig.Run(command, timeout=TIMEOUT) as run:
            console = run.text("console", 100_000)
        told = [line for line in console.splitlines() if line.startswith("result ")]
        self.asleep = json.loads(told[-1].removeprefix("result ")) if told else {"error": "it did not wake"}
        self.asleep["console"] = console

    def missing(self, item: pytest.Item) -> pytest.TestReport:
        """For a test that the guest has not told of."""
        if self.unavailable:
            outcome, text = "skipped", (str(item.path), item.location[1] or 0, self.unavailable)
        else:
            outcome, text = "failed", self.accounts.get(item.nodeid, "")
        return pytest.TestReport(item.nodeid, item.location, {}, outcome, text, "call")


@pytest.fixture
def asleep(pytestconfig: pytest.Config) -> dict[str, Any]:
    """What suspend.py told."""
    carrier = pytestconfig.pluginmanager.get_plugin("usb-rig")
    if carrier.unavailable:
        pytest.skip(carrier.unavailable)
    return carrier.asleep
