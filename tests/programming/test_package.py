"""What is installed has all that programming needs: firmware, manifests, and the layers for programs of one's own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from setuptools.command.egg_info import FileList

ROOT = Path(__file__).resolve().parents[2]


def test_a_wheel_has_firmware_manifests_and_layers(tmp_path):
    command = [sys.executable, "setup.py", "-q", "build_py", "--build-lib", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, timeout=100, capture_output=True)
    names = {str(path.relative_to(tmp_path / "tinymux")) for path in tmp_path.rglob("*.*")}
    for program in ("server", "blog", "microblog", "hello", "echo", "blink", "selftest"):
        assert {f"firmware/{program}.elf", f"firmware/{program}.manifest.json"} <= names
    assert {"firmware/pump.elf", "firmware/lib/lane.inc", "firmware/lib/wiring.h", "_tables.py"} <= names
    assert not [name for name in names if name.endswith((".pyx", ".pxi", ".c", ".d"))]


def test_a_source_distribution_has_what_the_build_reads(monkeypatch):
    """MANIFEST.in, against the sources that extensions and firmware are made of."""
    monkeypatch.chdir(ROOT)
    files = FileList()
    for line in (ROOT / "MANIFEST.in").read_text().splitlines():
        if line and not line.startswith("#"):
            files.process_template_line(line)
    listed = set(map(str, files.files))
    needed = [
        *ROOT.glob("tinymux/*.px[di]"), *ROOT.glob("tinymux/*.pyx"), *ROOT.glob("ext/**/*.[ch]"),
        *ROOT.glob("avr/**/*.[iS]*"), *ROOT.glob("a*/Makefile"), *ROOT.glob("avr/*.py"), *ROOT.glob("atmega/*.[chS]"),
        ROOT / "ext/tables.py", ROOT / "atmega/protocol.toml", ROOT / "board/wiring.toml",
    ]  # fmt: skip
    assert {str(path.relative_to(ROOT)) for path in needed} <= listed
