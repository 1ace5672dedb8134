"""Collects the figures that benchmarks measure, prints one table and writes figures.json.

The table compares with released.json, which `./run bench --release` writes: done, and committed, with each release.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import figures
import pytest
from rich.console import Console

HERE = Path(__file__).resolve().parent
Record = Callable[[str, float, str, str], None]
_figures: list[figures.Figure] = []


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--release", action="store_true", help="keep the figures as this release's, to compare with")


@pytest.fixture
def figure() -> Record:
    """Record one figure: key, value, unit, needed."""

    def record(key: str, value: float, unit: str, needed: str = "") -> None:
        _figures.append(figures.Figure(key, float(f"{value:.5g}"), unit, needed))

    return record


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Print the table; keep it as JSON when all benchmarks ran."""
    if not _figures:
        return
    _figures.sort(key=lambda figure: figure.key != "icmp_pps_per_tiny")  # the one that heads the table
    Console(width=130).print(figures.table(_figures, figures.Release.last()))
    if {item.path for item in session.items} != set(HERE.glob("bench_*.py")):
        return
    figures.save(_figures)
    if session.config.getoption("--release"):
        values = {figure.key: figure.value for figure in _figures}
        figures.Release(figures.version(), figures.cpu(), values).save()
