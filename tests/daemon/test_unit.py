"""The systemd unit, as Debian's own tools judge it; tests/usb runs it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tinymux.install import SERVICE, install

EXPOSURE = 20  # tenths, of 100; systemd calls up to 40 "OK". The host's network and USB nodes are what it is for
pytestmark = pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd is not installed on this machine")


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    install(tmp_path)
    return next(tmp_path.rglob(SERVICE))


def analyze(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["systemd-analyze", *words], capture_output=True, text=True, timeout=60, check=False)


def test_it_has_no_mistakes(unit: Path) -> None:
    done = analyze("verify", "--man=no", "--recursive-errors=no", unit)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_it_is_hardened(unit: Path) -> None:
    done = analyze("security", "--offline=yes", "--no-pager", f"--threshold={EXPOSURE}", unit)
    assert done.returncode == 0, done.stdout
