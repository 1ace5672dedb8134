"""`tinymux new` starts a program that builds, runs and passes the gate."""

from __future__ import annotations

import subprocess
import sys


def tinymux(*words, status=0):
    command = [sys.executable, "-m", "tinymux", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_a_new_program_builds_simulates_and_passes_the_gate(tmp_path):
    tinymux("new", tmp_path / "lamp")
    for target in ("all", "sim", "size"):
        done = subprocess.run(
            ["make", "-s", "-C", str(tmp_path / "lamp"), target],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "lamp" / "lamp.manifest.json").exists()
    assert "is there already" in tinymux("new", tmp_path / "lamp", status=1)
    assert "no name for a program" in tinymux("new", tmp_path / "Big Lamp", status=1)
