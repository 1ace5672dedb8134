"""Builds of the simulator's tests, made once and kept under build/tests/: the fixtures are in conftest.py."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
SIM = ROOT / "ext" / "sim"
BUILD = ROOT / "build" / "tests"
CORE = sorted(SIM.glob("avr*.c"))
TINY = [*CORE, SIM / "attiny10.c", *sorted(SIM.glob("tiny_*.c"))]
CFLAGS = ["-std=gnu11", "-g", "-Wall", "-Wextra", "-Wno-unused-parameter", "-Werror"]
SANITIZE = ["-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]

ASM = "assembler-with-cpp"

CompileC = Callable[..., Path]
Assemble = Callable[..., bytes]


def built(name: str, parts: list[str], depends: list[Path], command: Callable[[Path], list[str]]) -> Path:
    """The file `name` made by `command(target)`, made again only when the parts or a file it depends on changed."""
    digest = hashlib.sha256("\0".join(parts).encode())
    for path in depends:
        digest.update(path.read_bytes())
    target = BUILD / f"{name}-{digest.hexdigest()[:16]}"
    if not target.exists():
        BUILD.mkdir(parents=True, exist_ok=True)
        scratch = target.with_suffix(".new")
        subprocess.run(command(scratch), check=True, cwd=ROOT, timeout=120)
        scratch.rename(target)
    return target
