"""The gate on speed: what the engine's work costs in instructions, which no other load on the machine changes.

Each program of counted/ runs under callgrind and says what it did; counts.json holds what that cost when it was last
recorded (`./run counts`). More is a failure, less a warning that there is something to record. Another compiler makes
other code: then all is measured against a plain byte loop of the same run, and more room is left.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import warnings
from dataclasses import dataclass
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
PROGRAMS = sorted(HERE.glob("counted/*.c"))
RECORD = HERE / "counted" / "counts.json"
VECTORS = ("avx2", "sse2")  # kernels that another CPU may not have
GROWTH, OTHER_COMPILER = 0.03, 0.15


@dataclass(frozen=True)
class Counts:
    """Instructions for each unit of work, by the name of the case."""

    compiler: str
    cases: dict[str, float]

    def grown(self, then: Counts) -> dict[str, float]:
        """By what share each case costs more (or less) than it did; only what is beyond the tolerance."""
        scale, most = 1.0, GROWTH
        if self.compiler != then.compiler:
            scale, most = then.cases["scale"] / self.cases["scale"], OTHER_COMPILER
        changes = {
            name: count * scale / then.cases[name] - 1 for name, count in self.cases.items() if name in then.cases
        }
        return {name: change for name, change in changes.items() if abs(change) > most}


def compiler() -> str:
    return subprocess.run(["gcc", "--version"], capture_output=True, text=True, check=True).stdout.splitlines()[0]


def counts_of(program: Path, scratch: Path) -> Counts:
    """Run it; callgrind writes a file for each case, which holds the case's name and its instructions."""
    line = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={scratch / 'out'}", str(program)]
    done = subprocess.run(line, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    units = {name: float(amount) for name, amount, _ in (row.split("\t") for row in done.stdout.splitlines())}
    cases = {}
    for path in scratch.glob("out.*"):
        text = path.read_text()
        name = re.search(r"^desc: Trigger: Client Request: (.*)$", text, re.M)
        if name:
            cases[name[1]] = int(re.search(r"^(?:summary|totals): (\d+)", text, re.M)[1]) / units[name[1]]
    assert cases.keys() == units.keys()
    return Counts(compiler(), {name: float(f"{cases[name]:.4g}") for name in units})


def told(changes: dict[str, float], now: Counts, then: Counts) -> str:
    return "".join(
        f"\n  {name}: {now.cases[name]:g} instructions, {then.cases[name]:g} were recorded: {change:+.1%}"
        for name, change in sorted(changes.items(), key=lambda item: -item[1])
    )


@pytest.mark.parametrize("source", PROGRAMS, ids=lambda path: path.stem)
def test_no_work_takes_more_instructions_than_recorded(counted, tmp_path, source):
    now = counts_of(counted(source), tmp_path)
    record = json.loads(RECORD.read_text()) if RECORD.exists() else {}
    if os.environ.get("RECORD_COUNTS"):
        record[source.stem] = {"compiler": now.compiler, "cases": now.cases}
        RECORD.write_text(json.dumps(record, indent=1, sort_keys=True) + "\n")
        return
    assert source.stem in record, "not recorded: ./run counts"
    then = Counts(**record[source.stem])
    assert not now.cases.keys() - then.cases.keys(), "not recorded: ./run counts"
    gone = {name for name in then.cases.keys() - now.cases.keys() if not name.endswith(VECTORS)}
    assert not gone, "recorded, but not measured any more: ./run counts"
    changes = now.grown(then)
    more = {name: change for name, change in changes.items() if change > 0}
    assert not more, f"slower{told(more, now, then)}\nIf that is meant: ./run counts"
    if changes:
        warnings.warn(f"{source.stem} is faster: ./run counts{told(changes, now, then)}", stacklevel=1)


def test_a_count_that_grew_is_told_with_its_share():
    then = Counts("gcc 12", {"scale": 4.0, "encode": 2.0, "decode": 1.0})
    now = Counts("gcc 12", {"scale": 4.0, "encode": 2.04, "decode": 1.1})
    assert now.grown(then) == {"decode": pytest.approx(0.1)}
    assert "decode: 1.1 instructions, 1 were recorded: +10.0%" in told(now.grown(then), now, then)


def test_another_compiler_is_measured_against_the_byte_loop():
    then = Counts("gcc 12", {"scale": 4.0, "encode": 2.0, "decode": 1.0})
    assert not Counts("gcc 13", {"scale": 8.0, "encode": 4.0, "decode": 2.2}).grown(then)
    grown = Counts("gcc 13", {"scale": 4.0, "encode": 2.0, "decode": 1.2}).grown(then)
    assert grown == {"decode": pytest.approx(0.2)}
