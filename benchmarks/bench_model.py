"""What kernels for other CPUs would do, computed by llvm-mca from their machine code: a model, no measurement.

It knows each instruction's ports and latencies, takes all data to be in the first cache, and no branch to be
mispredicted. How far it is to be trusted: it is also asked about kernels that this CPU may run, whose figures stand
beside it (`clock_ghz` for the cycles).
"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
ENGINE = HERE.parent / "ext" / "engine"
CPUS = ("icelake-server", "znver4")
TOOLS = [f"llvm-mca-{version}" for version in range(22, 13, -1)] + ["llvm-mca"]
ITERATIONS = 300


def assembly(source: Path, *flags: str) -> str:
    line = ["gcc", "-std=gnu11", "-O2", f"-I{ENGINE}", *flags, "-S", "-o", "-", str(source)]
    return subprocess.run(line, check=True, capture_output=True, text=True, timeout=60).stdout


def loop(text: str, function: str) -> str:
    """The function's shortest loop: from a label to the last jump back to it, without the compiler's directives."""
    lines = text[text.index(f"\n{function}:") :].split("\t.size\t", maxsplit=1)[0].splitlines()
    labels = {line[:-1]: i for i, line in enumerate(lines) if line.startswith(".L") and line.endswith(":")}
    jumps = [(i, re.match(r"\tj\w+\t(\.L\w+)$", line)) for i, line in enumerate(lines)]
    loops = [(labels[jump[1]], i) for i, jump in jumps if jump and labels.get(jump[1], i) < i]
    first, last = min(loops, key=lambda ends: ends[1] - ends[0])
    return "\n".join(line for line in lines[first : last + 1] if not re.match(r"\t?\.|\s*#", line))


@pytest.fixture(scope="module")
def cycles():
    """Cycles of one iteration of a function's loop on a CPU."""
    tool = next((tool for tool in TOOLS if shutil.which(tool)), None)
    if not tool:
        pytest.skip("no llvm-mca: apt install llvm-16")
    texts = [
        assembly(HERE / "model.c", "-DMODEL_VBMI2"),
        assembly(HERE / "model.c"),
        assembly(ENGINE / "planes_gfni.c"),
        assembly(ENGINE / "planes_x86.c"),
    ]

    def ask(function: str, cpu: str) -> float:
        code = loop(next(text for text in texts if f"\n{function}:" in text), function)
        line = [tool, f"-mcpu={cpu}", f"-iterations={ITERATIONS}"]
        done = subprocess.run(line, input=code, capture_output=True, text=True, timeout=60, check=False)
        if "is not a recognized processor" in done.stderr:
            pytest.skip(f"{tool} has no model of {cpu}: apt install llvm-16")
        assert done.returncode == 0, done.stderr
        return int(re.search(r"Total Cycles:\s+(\d+)", done.stdout)[1]) / ITERATIONS

    return ask


def at_most_one(share: float, size: int) -> float:
    """The share of blocks in which no byte or one is special, when each is with this probability."""
    return (1 - share) ** size + size * share * (1 - share) ** (size - 1)


@pytest.mark.parametrize("cpu", CPUS)
def test_slip_with_vbmi2(cycles, figure, cpu):
    """Against copying in the same model: up to 64 bytes a cycle, which memory beyond the first cache never gives."""
    copy, one, more = cycles("copy_64", cpu), cycles("escape_one_64", cpu), 2 * cycles("escape_more_32", cpu)
    for percent, needs in ((1, (0.55, 0.4)), (10, (0.3, 0.25))):
        few = at_most_one(percent / 100, 64)
        times = {"encode": few * one + (1 - few) * more, "decode": cycles("unescape_64", cpu)}
        for (what, took), need in zip(times.items(), needs, strict=True):
            suffix = "" if percent == 1 else f"_{percent}pc"
            unit = f"x copying in the first cache ({64 / took:.1f} B a cycle), computed for {cpu}; VBMI2 needs {need}"
            figure(f"model_slip_{what}_vs_memcpy{suffix}_{cpu}", copy / took, unit)


@pytest.mark.parametrize("cpu", CPUS)
@pytest.mark.parametrize(
    ("function", "planes"), [("to_lanes_gfni", 64), ("to_lanes_gfni_avx2", 64), ("to_lanes_avx2", 128)]
)
def test_planes(cycles, figure, cpu, function, planes):
    figure(f"model_planes_{function}_{cpu}", planes / cycles(function, cpu), f"planes a cycle, computed for {cpu}")


@pytest.mark.parametrize("cpu", CPUS)
def test_slip_with_avx2(cycles, figure, cpu):
    """Not needed: to be compared with what is measured where this CPU is one of them."""
    for what, function in (("plain", "plain_32"), ("escapes", "unescape_special_32")):
        figure(f"model_slip_decode_avx2_{what}_{cpu}", 32 / cycles(function, cpu), f"B a cycle, computed for {cpu}")
