"""Runs the tests under inside/ in the guest and brings their reports home.

To pytest they are tests like any other: selected by name, counted, shown with their tracebacks. Before the first test
of all the guest boots and runs all of them that were selected; each report is told when it is its test's turn.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import guest  # noqa: E402
import rig  # noqa: E402

TIMEOUT = 300  # s, for all of them together
REPORTS = "reports"
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
    """On this machine: runs the guest once and tells its reports."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.reports: dict[str, list[pytest.TestReport]] = {}
        self.account = ""
        self.unavailable = ""

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> None:
        names = [item.nodeid for item in session.items if is_inside(item)]
        if names and not self.config.option.collectonly:
            self.run(names)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> bool | None:
        if not is_inside(item):
            return None
        item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        for report in self.reports.get(item.nodeid) or [self.missing(item)]:
            item.ihook.pytest_runtest_logreport(report=report)
        item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
        return True

    def run(self, names: list[str]) -> None:
        words = [rig.python(), "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(guest.ROOT), *names]
        try:
            if terminal := self.config.pluginmanager.get_plugin("terminalreporter"):
                terminal.write_line(f"usb rig: {len(names)} tests in the guest, about two minutes")
            with rig.Run(" ".join(f"'{word}'" for word in words), timeout=TIMEOUT) as run:
                self.account = run.account()
                lines = run.out / REPORTS
                for line in lines.read_text().splitlines() if lines.exists() else []:
                    report = pytest.TestReport._from_json(json.loads(line))
                    self.reports.setdefault(report.nodeid, []).append(report)
        except guest.Unavailable as reason:
            self.unavailable = f"usb rig: {reason}"

    def missing(self, item: pytest.Item) -> pytest.TestReport:
        """For a test that the guest has not told of."""
        if self.unavailable:
            outcome, text = "skipped", (str(item.path), item.location[1] or 0, self.unavailable)
        else:
            outcome, text = "failed", self.account
        return pytest.TestReport(item.nodeid, item.location, {}, outcome, text, "call")
