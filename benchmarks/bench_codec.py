"""SLIP and planes on this CPU, against memcpy and a plain byte loop in the same run (codec.c); SLIP in Python, against
sliplib, and against cobs, another framing of the same kind."""

from __future__ import annotations

import json
import random
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import sliplib
from cobs import cobs

from tinymux import slip

ROOT = Path(__file__).resolve().parent.parent
SIZES, ESCAPES = (100, 1500), (1, 10)
TURNS = 15
Rates = dict[tuple[str, str, int, int], float]


@pytest.fixture(scope="module")
def rates(tmp_path_factory: pytest.TempPathFactory) -> Rates:
    codec = tmp_path_factory.mktemp("codec") / "codec"
    engine = ROOT / "ext" / "engine"
    sources = [ROOT / "benchmarks" / "codec.c", *engine.glob("slip*.c"), *engine.glob("planes*.c")]
    subprocess.run(["cc", "-std=gnu11", "-O2", f"-I{engine}", "-o", codec, *sources], check=True, timeout=120)
    out = subprocess.run([codec], check=True, capture_output=True, text=True, timeout=120).stdout
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
    """The worst of encoding and decoding, 100 B and 1500 B."""
    if ("encode", "avx2", 100, 1) not in rates:
        pytest.skip("this CPU has no AVX2")
    for escapes, bound in zip(ESCAPES, (">= 4", ">= 2"), strict=True):
        ratio = min(
            rates[what, "avx2", size, escapes] / rates[what, "byteloop", size, escapes]
            for what in ("encode", "decode")
            for size in SIZES
        )
        figure("slip_avx2_vs_byteloop" + ("" if escapes == 1 else f"_{escapes}pc"), ratio, "x", bound)


def test_clock(rates: Rates, figure):
    """For what others measure in cycles (bench_model.py)."""
    figure("clock_ghz", rates["clock", "", 0, 0] / 1e9, "GHz while these were measured")


def test_planes(rates: Rates, figure):
    """Snapshots are planes: sixteen bits each."""
    speeds = {path: rate for (what, path, _, _), rate in rates.items() if what == "to_lanes"}
    hidden = speeds.pop("gfni-avx2, hidden", 0)
    path, best = next(iter(speeds.items()))
    figure("planes_in_snapshots_per_s", best, f"snapshots/s, {path}", ">= 12e9" if path.startswith("gfni") else "")
    if hidden:
        unit = "snapshots/s, gfni-avx2: this CPU has GFNI, but CPUID hides it, so that it is not chosen"
        figure("planes_in_snapshots_per_s_hidden", hidden, unit, ">= 12e9")
    if "avx2" in speeds:
        figure("planes_in_snapshots_per_s_avx2", speeds["avx2"], "snapshots/s", ">= 8e9")


def fastest(call: Callable[[bytes], object], items: list[bytes]) -> float:
    """Seconds for all items, the best of some turns."""
    took = []
    for _ in range(TURNS):
        start = time.perf_counter()
        for item in items:
            call(item)
        took.append(time.perf_counter() - start)
    return min(took)


@pytest.mark.parametrize("size", SIZES)
def test_python(figure, size):
    """One call a packet, noise with 1 % escapes; `x` is their time for ours."""
    noise = random.Random(1)
    plain = [byte for byte in range(256) if byte not in (0xC0, 0xDB)]
    weights = [0.99 / len(plain)] * len(plain) + [0.005] * 2
    packets = [bytes(noise.choices([*plain, 0xC0, 0xDB], weights, k=size)) for _ in range(300)]
    frames = [slip.encode(packet) for packet in packets]
    theirs = [sliplib.encode(packet) for packet in packets]
    encode, decode = fastest(slip.encode, packets), fastest(slip.decode, frames)
    figure(f"slip_python_encode_{size}", encode / len(packets) * 1e9, "ns a packet")
    figure(f"slip_python_decode_{size}", decode / len(packets) * 1e9, "ns a packet")
    figure(f"slip_python_encode_{size}_vs_sliplib", fastest(sliplib.encode, packets) / encode, "x")
    figure(f"slip_python_decode_{size}_vs_sliplib", fastest(sliplib.decode, theirs) / decode, "x")
    coded = [cobs.encode(packet) for packet in packets]
    figure(f"slip_python_encode_{size}_vs_cobs", fastest(cobs.encode, packets) / encode, "x")
    figure(f"slip_python_decode_{size}_vs_cobs", fastest(cobs.decode, coded) / decode, "x")
