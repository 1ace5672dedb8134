"""SLIP and planes on this CPU, against memcpy and a plain byte loop in the same run (benchmarks/codec.c)."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SIZES, ESCAPES = (100, 1500), (1, 10)
Rates = dict[tuple[str, str, int, int], float]


@pytest.fixture(scope="module")
def codec(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("codec") / "codec"
    engine = ROOT / "ext" / "engine"
    sources = [ROOT / "benchmarks" / "codec.c", *engine.glob("slip*.c"), *engine.glob("planes*.c")]
    subprocess.run(["cc", "-std=gnu11", "-O2", f"-I{engine}", "-o", target, *sources], check=True, timeout=120)
    return target


@pytest.fixture(scope="module")
def rates(codec: Path) -> Rates:
    out = subprocess.run([codec, "time"], check=True, capture_output=True, text=True, timeout=120).stdout
    rows = [json.loads(line) for line in out.splitlines()]
    return {(row["what"], row["path"], row["bytes"], row["escapes"]): row["per_s"] for row in rows}


@pytest.mark.parametrize(("what", "needed"), [("encode", (">= 0.55", ">= 0.3")), ("decode", (">= 0.4", ">= 0.25"))])
def test_slip_against_memcpy(rates: Rates, figure, what, needed):
    """The worst of 100 B and 1500 B; the need is that of the VBMI2 path, which not every CPU has."""
    path = next(path for name, path, _, _ in rates if name == what and path != "byteloop")
    for escapes, bound in zip(ESCAPES, needed, strict=True):
        ratio = min(rates[what, path, size, escapes] / rates["copy", "memcpy", size, escapes] for size in SIZES)
        suffix = "" if escapes == 1 else f"_{escapes}pc"
        figure(f"slip_{what}_vs_memcpy{suffix}", ratio, f"x memcpy, {path}", bound if path == "vbmi2" else "")


def test_slip_avx2_against_a_byte_loop(rates: Rates, figure):
    if ("encode", "avx2", 100, 1) not in rates:
        pytest.skip("this CPU has no AVX2")
    for escapes, bound in zip(ESCAPES, (">= 4", ">= 2"), strict=True):
        ratio = min(
            rates[what, "avx2", size, escapes] / rates[what, "byteloop", size, escapes]
            for what in ("encode", "decode")
            for size in SIZES
        )
        figure("slip_avx2_vs_byteloop" + ("" if escapes == 1 else f"_{escapes}pc"), ratio, "x", bound)


def test_planes(rates: Rates, figure):
    """Snapshots are planes: sixteen bits each. The bytes of the last SLIP run stand in the key, so any will do."""
    speeds = {path: rate for (what, path, _, _), rate in rates.items() if what == "to_lanes"}
    path, best = next(iter(speeds.items()))
    figure("planes_in_snapshots_per_s", best, f"snapshots/s, {path}", ">= 12e9" if path == "gfni" else "")
    if "avx2" in speeds:
        figure("planes_in_snapshots_per_s_avx2", speeds["avx2"], "snapshots/s", ">= 8e9")
