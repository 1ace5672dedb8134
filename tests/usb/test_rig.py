"""Where the rig cannot be built its tests skip, and say what is missing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
WITHOUT = """
import sys
sys.path.insert(0, "tests/usb")
import guest, pytest
guest.NEEDS["/nowhere"] = "qemu-of-tomorrow"
TESTS = ["tests/usb/inside/test_install.py", "tests/usb/test_suspend.py"]
sys.exit(pytest.main(["-q", "-rs", "-p", "no:cacheprovider", *TESTS]))
"""


def test_without_qemu_it_says_so_and_skips() -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT], capture_output=True, text=True, timeout=60, check=False, cwd=HERE.parents[1]
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "usb rig: missing: qemu-of-tomorrow" in done.stdout
    assert "5 skipped" in done.stdout
