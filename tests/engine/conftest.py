"""What tests of the engine share: C code built once under build/tests/, and the model board as Python sees it."""

from __future__ import annotations

import ctypes
import hashlib
import os
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from model import Model

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
ENGINE = ROOT / "ext" / "engine"
BUILD = ROOT / "build" / "tests"
SOURCES = sorted(ENGINE.glob("*.c"))
CFLAGS = ["-std=gnu11", "-g", "-Wall", "-Wextra", "-Wno-unused-parameter", "-Werror", "-pthread"]
CFLAGS += [f"-I{path}" for path in (ROOT / "ext", ENGINE, ROOT / "build" / "include", HERE)]
BY_HAND = ["-O1", "-mavx2", "-mbmi", "-mpopcnt", "-include", "immintrin.h", "-include", "avx512_by_hand.h"]
ADDRESS = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
SANITIZE = {
    "address": ["-O1", *ADDRESS],
    "address by hand": [*BY_HAND, *ADDRESS],
    "thread": ["-O1", "-fsanitize=thread"],
    "undefined": ["-O1", "-fsanitize=undefined", "-fno-sanitize-recover=all", "-fPIC", "-shared"],
    "by hand": [*BY_HAND, "-fPIC", "-shared"],
    "none": ["-O2", "-fPIC", "-shared"],
    "counted": ["-O2"],
}


def built(name: str, sources: list[Path], sanitize: str) -> Path:
    """The program or library `name`, compiled again only when something it is made of has changed."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        objects = list(pool.map(lambda source: compiled(source, SANITIZE[sanitize]), sources))
    return made(name, objects, [*CFLAGS, *SANITIZE[sanitize]])


def compiled(source: Path, flags: list[str]) -> Path:
    """One file's object, which programs share."""
    headers = [*ENGINE.glob("*.h"), *HERE.rglob("*.h"), *(ROOT / "build" / "include").glob("*.h")]
    return made(f"{source.stem}.o", [source], [*CFLAGS, *(flag for flag in flags if flag != "-shared"), "-c"], headers)


def made(name: str, sources: list[Path], flags: list[str], headers: Sequence[Path] = ()) -> Path:
    digest = hashlib.sha256(" ".join([*flags, *map(str, sources)]).encode())
    for path in sorted([*sources, *headers]):
        digest.update(path.read_bytes())
    target = BUILD / f"{digest.hexdigest()[:16]}-{name}"
    if not target.exists():
        BUILD.mkdir(parents=True, exist_ok=True)
        scratch = target.with_suffix(".new")
        subprocess.run(["gcc", *flags, *map(str, sources), "-o", str(scratch)], check=True, timeout=300)
        scratch.rename(target)
    return target


CODEC = sorted([*ENGINE.glob("slip*.c"), *ENGINE.glob("planes*.c")])


@pytest.fixture(scope="session")
def codec() -> ctypes.CDLL:
    """slip, planes and bits with the undefined-behaviour sanitizer, which ends the process where it finds any."""
    return ctypes.CDLL(str(built("codec", [*CODEC, HERE / "bits_for_tests.c"], "undefined")))


@pytest.fixture(scope="session")
def codec_by_hand(codec: ctypes.CDLL) -> ctypes.CDLL:
    """The same, with the AVX-512 paths on any CPU that has AVX2: each of their instructions is a function in C."""
    if codec.slip_use(b"avx2") < 0:
        pytest.skip("this CPU has no AVX2")
    return ctypes.CDLL(str(built("codec-by-hand", CODEC, "by hand")))


@pytest.fixture(scope="session")
def codec_edges(codec: ctypes.CDLL):
    """Run codec_edges.c with the address sanitizer, by hand or as this CPU is; its output."""

    def run(sanitize: str) -> str:
        if "by hand" in sanitize and codec.slip_use(b"avx2") < 0:
            pytest.skip("this CPU has no AVX2")
        path = built("codec_edges", [*CODEC, HERE / "codec_edges.c"], sanitize)
        done = subprocess.run(["setarch", "-R", str(path)], capture_output=True, text=True, timeout=100, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


@pytest.fixture(scope="session")
def counted():
    """A program of counted/ with the engine, as it is released."""
    return lambda source: built(source.stem, [*SOURCES, source], "counted")


@pytest.fixture(scope="session")
def model_library() -> ctypes.CDLL:
    return Model.declare(ctypes.CDLL(str(built("model", [HERE / "model_board.c"], "none"))))


@pytest.fixture
def model(model_library: ctypes.CDLL) -> Model:
    return Model(model_library)


@pytest.fixture(scope="session")
def program():
    """A C program of this folder with the engine, run to its end under a sanitizer; its output."""

    def run(name: str, sanitize: str, *arguments: str, timeout: float = 60) -> str:
        path = built(name, [*SOURCES, HERE / "model_board.c", HERE / f"{name}.c"], sanitize)
        # The thread sanitizer's shadow memory needs addresses that are not randomized too far.
        command = ["setarch", "-R", str(path), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run
