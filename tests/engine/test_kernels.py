"""Which kernels a CPU gets, and that none of them touches a byte beyond its buffers."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from pathlib import Path

import pytest

ENGINE = Path(__file__).resolve().parents[2] / "ext" / "engine"
AVX2, AVX512, VBMI, VBMI2, GFNI = (1 << bit for bit in range(5))  # enum cpu_feature


def names(library: ctypes.CDLL, which: str, features: int) -> list[str]:
    """The paths, best first, that the library chooses among for a CPU with these features."""
    listed = getattr(library, f"{which}_paths")
    listed.restype = ctypes.POINTER(ctypes.c_char_p)
    getattr(library, f"{which}_choose")(features)
    found, paths = [], listed()
    while paths[len(found)]:
        found.append(paths[len(found)].decode())
    return found


@pytest.fixture
def library(codec):
    yield codec
    features = codec.cpu_features_for_tests()
    codec.slip_choose(features)
    codec.planes_choose(features)


@pytest.mark.parametrize(
    ("features", "slip", "planes"),
    [
        (0, ["sse2"], ["sse2"]),
        (AVX2, ["avx2", "sse2"], ["avx2", "sse2"]),
        (AVX2 | GFNI, ["avx2", "sse2"], ["gfni-avx2", "avx2", "sse2"]),
        (AVX2 | AVX512, ["avx2", "sse2"], ["avx2", "sse2"]),
        (AVX2 | AVX512 | VBMI, ["avx2", "sse2"], ["avx2", "sse2"]),
        (AVX2 | AVX512 | VBMI2, ["vbmi2", "avx2", "sse2"], ["avx2", "sse2"]),
        (AVX2 | AVX512 | VBMI | VBMI2 | GFNI, ["vbmi2", "avx2", "sse2"], ["gfni", "gfni-avx2", "avx2", "sse2"]),
    ],
)
def test_a_cpu_gets_the_best_kernels_of_its_features(library, features, slip, planes):
    assert names(library, "slip", features) == [*slip, "portable"]
    assert names(library, "planes", features) == [*planes, "portable"]


def test_a_kernel_that_the_cpu_lacks_is_refused(library):
    library.slip_choose(AVX2)
    library.planes_choose(AVX2)
    assert library.slip_use(b"vbmi2") < 0 and library.slip_use(b"avx2") == 0
    assert library.planes_use(b"gfni") < 0 and library.planes_use(b"gfni-avx2") < 0 and library.planes_use(b"avx2") == 0


def test_no_kernel_goes_beyond_its_buffers(codec_edges):
    assert "slip portable" in codec_edges("address")


def test_no_kernel_by_hand_goes_beyond_its_buffers(codec_edges):
    assert {"slip vbmi2", "planes gfni", "planes gfni-avx2"} <= set(codec_edges("address by hand").splitlines())


def test_neon_does_the_same_on_an_emulated_arm(tmp_path):
    compiler, emulator = "aarch64-linux-gnu-gcc", "qemu-aarch64"
    if not shutil.which(compiler) or not shutil.which(emulator):
        pytest.skip("apt install gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user")
    sources = [*ENGINE.glob("slip*.c"), *ENGINE.glob("planes*.c"), Path(__file__).with_name("codec_edges.c")]
    line = [compiler, "-std=gnu11", "-O2", "-static", "-Wall", "-Wextra", "-Werror", f"-I{ENGINE}", *map(str, sources)]
    subprocess.run([*line, "-o", str(tmp_path / "edges")], check=True, timeout=60)
    done = subprocess.run([emulator, tmp_path / "edges"], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.split("\n")[:-1] == ["slip neon", "slip portable", "planes neon", "planes portable"]
