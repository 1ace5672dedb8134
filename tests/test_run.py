"""./run says what is missing where it cannot install, and changes nothing."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
BARE = ("sh", "dirname", "id", "sort", "tr", "cat", "cksum", "cut", "env", "rm", "mkdir")


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A folder for PATH with little more than a shell."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in BARE:
        (folder / name).symlink_to(shutil.which(name))
    return folder


def run(bare: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [shutil.which("sh"), str(ROOT / "run"), *words]
    return subprocess.run(command, env={"PATH": str(bare)}, capture_output=True, text=True, timeout=60, check=False)


def test_no_apt_get(bare: Path) -> None:
    done = run(bare, "build")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "gcc-avr" in line and "python3-venv" in line and "no apt-get" in line


def test_not_root(bare: Path) -> None:
    apt = bare / "apt-get"
    apt.write_text("#!/bin/sh\nexit 99\n")
    apt.chmod(0o755)
    (bare / "id").unlink()
    (bare / "id").write_text("#!/bin/sh\necho 1000\n")
    (bare / "id").chmod(0o755)
    done = run(bare, "demo")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "not root" in line and "sudo apt-get install" in line and "gcc-avr" in line


def test_an_unknown_task_shows_the_tasks(bare: Path) -> None:
    done = run(bare, "bake")
    assert done.returncode == 2 and "./run demo" in done.stderr
