"""The fuzz targets for a moment: all inputs that are kept, then a fixed number of new ones, the same each time."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from fuzz import TARGETS, built, corpus, missing

# New inputs, worth about a second each.
RUNS = {"board": 150, "faults": 300, "planes": 8000, "slip": 6000, "tpi": 2000, "tty": 800, "usb": 4000}


def test_every_target_is_run():
    assert set(RUNS) == set(TARGETS)


@pytest.mark.skipif(bool(missing()), reason=f"{missing()} is not installed")
@pytest.mark.parametrize("target", TARGETS)
def test_nothing_is_found(target, tmp_path):
    program = str(built(target))
    limits = ["-timeout=20", f"-artifact_prefix={tmp_path}/"]
    kept = sorted(map(str, corpus(target).iterdir()))
    assert kept
    run(program, *limits, *kept)
    run(program, *limits, f"-runs={RUNS[target]}", "-seed=1", "-max_len=1024", str(corpus_of_its_own(target, tmp_path)))


def corpus_of_its_own(target: str, folder: Path) -> Path:
    """A copy: the fuzzer adds to the folder that it is given."""
    return Path(shutil.copytree(corpus(target), folder / "corpus"))


def run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, errors="replace", check=False)
    assert done.returncode == 0, done.stderr[-6000:]
