"""Collects the figures that benchmarks measure, prints one table and writes figures.json."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console
from rich.table import Table

FIGURES = Path(__file__).with_name("figures.json")
Record = Callable[[str, float, str, str], None]
_figures: list[dict[str, object]] = []


def holds(value: float, needed: str) -> bool:
    """Whether a value meets a need such as '>= 520', '<= 600' or '' for none."""
    if not needed:
        return True
    relation, bound = needed.split()
    return value >= float(bound) if relation == ">=" else value <= float(bound)


@pytest.fixture
def figure() -> Record:
    """Record one figure: key, value, unit, needed."""

    def record(key: str, value: float, unit: str, needed: str = "") -> None:
        _figures.append({"key": key, "value": float(f"{value:.5g}"), "unit": unit, "needed": needed})

    return record


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Print the table; keep it as JSON when all benchmarks ran."""
    if not _figures:
        return
    _figures.sort(key=lambda row: row["key"] != "icmp_pps_per_tiny")  # the one that heads the table
    table = Table("key", "value", "unit", "needed", "", title="tinymux figures")
    table.columns[1].justify = table.columns[3].justify = "right"
    for row in _figures:
        good = holds(float(str(row["value"])), str(row["needed"]))
        mark = "" if not row["needed"] else "[green]ok[/]" if good else "[red]short[/]"
        table.add_row(str(row["key"]), f"{row['value']:,}", str(row["unit"]), str(row["needed"]), mark)
    Console(width=110).print(table)
    if not session.config.getoption("keyword"):
        FIGURES.write_text(json.dumps(_figures, indent=1) + "\n")
