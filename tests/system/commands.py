"""The command tinymux as tests run it."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RUN_SECONDS = 60


@dataclass
class Result:
    """How a command ended."""

    status: int
    output: str
    errors: str


def command(*arguments, before=()):
    """The command line for tinymux, run as a user would but from this checkout."""
    return [*before, sys.executable, "-m", "tinymux", *map(str, arguments)]


def run(*arguments, before=(), **options):
    """Run tinymux to its end."""
    done = subprocess.run(
        command(*arguments, before=before),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=RUN_SECONDS,
        check=False,
        **options,
    )
    return Result(done.returncode, done.stdout, done.stderr)


class Up:
    """`tinymux up -o json` as it runs."""

    def __init__(self, process):
        self.process = process
        self.first = self.event("up")

    def event(self, kind=None):
        """The next event, or the next of that kind."""
        for line in self.process.stdout:
            event = json.loads(line)
            if kind in (None, event["event"]):
                return event
        raise AssertionError(f"it has ended: {self.process.stderr.read()}")

    @property
    def url(self):
        return self.first["url"]

    @property
    def place(self):
        """Host and port of its web."""
        return self.url.removeprefix("http://").rstrip("/")

    def end(self, number=signal.SIGTERM):
        """Send a signal and wait: exit status and what is on stderr."""
        self.process.send_signal(number)
        _, errors = self.process.communicate(timeout=20)
        return self.process.returncode, errors


@contextlib.contextmanager
def up(*arguments, before=(), listen="127.0.0.1:0"):
    """Run `tinymux up` for the length of a with."""
    line = command("up", "-o", "json", "--interval", "0.2", "--listen", listen, *arguments, before=before)
    with subprocess.Popen(line, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield Up(process)
        finally:
            if process.poll() is None:
                process.terminate()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.communicate(timeout=20)
                process.kill()
