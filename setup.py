"""Build: constants from the tables, firmware with avr-gcc, then the three extensions over ext/."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent
sys.path.insert(0, str(ROOT / "ext"))
import tables  # noqa: E402

INCLUDE = ["build/include", "ext", "ext/engine", "ext/sim", "ext/usb"]
CFLAGS = ["-std=gnu11", "-O2", "-g", "-Wall", "-Wextra", "-Wno-unused-parameter", "-fvisibility=hidden"]


def sources(*patterns: str) -> list[str]:
    return sorted(str(path.relative_to(ROOT)) for pattern in patterns for path in (ROOT / "ext").glob(pattern))


def headers() -> list[str]:
    return sorted(str(path.relative_to(ROOT)) for path in (ROOT / "ext").rglob("*.h"))


def parts(name: str) -> list[str]:
    """The files that a .pyx includes."""
    text = (ROOT / "tinymux" / f"{name}.pyx").read_text(encoding="utf-8")
    return [f"tinymux/{part}" for part in re.findall(r'^include "(.+)"$', text, re.MULTILINE)]


def manual(section: str) -> list[str]:
    return sorted(str(path.relative_to(ROOT)) for path in ROOT.glob(f"docs/man/*.{section}"))


def extension(name: str, patterns: list[str], libraries: list[str]) -> Extension:
    return Extension(
        f"tinymux.{name}",
        [f"tinymux/{name}.pyx", *sources(*patterns)],
        include_dirs=INCLUDE,
        extra_compile_args=CFLAGS,
        libraries=libraries,
        depends=[*headers(), *parts(name), "board/wiring.toml", "atmega/protocol.toml"],
    )


class Build(build_ext):
    """Firmware too: the simulator is of no use without it."""

    def finalize_options(self) -> None:
        super().finalize_options()
        self.parallel = os.cpu_count()

    def run(self) -> None:
        firmware()
        super().run()


class BuildPython(build_py):
    """Firmware first: it is package data, and what is not there yet would be left out."""

    def run(self) -> None:
        firmware()
        super().run()


def firmware() -> None:
    """Build atmega/ and avr/ into tinymux/firmware: *.elf, manifests, and the layers for programs of one's own."""
    if not shutil.which("avr-gcc"):
        raise SystemExit("avr-gcc is missing: apt install gcc-avr avr-libc binutils-avr")
    target = ROOT / "tinymux" / "firmware"
    target.mkdir(exist_ok=True)
    for folder in ("atmega", "avr"):
        make = ["make", "--no-print-directory", "-s", "-C", folder, f"OUT={target}", f"PYTHON={sys.executable}"]
        subprocess.run(make, cwd=ROOT, check=True)


try:
    tables.generate()
except tables.TableError as error:
    raise SystemExit(str(error)) from None
setup(
    ext_modules=cythonize(
        [
            extension("_codec", ["engine/slip*.c", "engine/planes*.c"], []),
            extension("_simulator", ["sim/*.c"], []),
            extension("_engine", ["engine/*.c"], ["pthread"]),
            extension("_usb", ["usb/*.c"], ["usb-1.0"]),
        ],
        language_level=3,
        include_path=["tinymux"],
    ),
    data_files=[(f"share/man/man{section}", manual(section)) for section in "18"],
    cmdclass={"build_ext": Build, "build_py": BuildPython},
)
