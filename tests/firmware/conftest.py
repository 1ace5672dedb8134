"""The pump firmware, built once for all its tests."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def pump_elf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("firmware")
    command = ["make", "--no-print-directory", "-C", str(ROOT / "atmega"), f"OUT={out}", "CC=avr-gcc -Werror"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return out / "pump.elf"
