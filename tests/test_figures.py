"""The table of figures: what is short is marked, and the last release stands beside it."""

from __future__ import annotations

import io

import figures
import pytest
from rich.console import Console

MEASURED = [
    figures.Figure("fast", 20.0, "x", ">= 10"),
    figures.Figure("slow", 5.0, "us", "<= 2"),
    figures.Figure("new", 1.0, "x"),
]


@pytest.fixture
def released(tmp_path, monkeypatch):
    monkeypatch.setattr(figures, "RELEASED", tmp_path / "released.json")
    assert figures.Release.last() is None

    def release(cpu: str) -> figures.Release:
        figures.Release("0.9.1", cpu, {"fast": 16.0, "slow": 5.0, "gone": 1.0}).save()
        return figures.Release.last()

    return release


def printed(release: figures.Release | None) -> list[str]:
    console = Console(width=150, record=True, file=io.StringIO())
    console.print(figures.table(MEASURED, release))
    return console.export_text().splitlines()


def row(lines: list[str], key: str) -> list[str]:
    (line,) = [line for line in lines if f" {key} " in line]
    return [cell.strip() for cell in line.strip("│").split("│")]


def test_needs_are_marked():
    lines = printed(None)
    assert row(lines, "fast") == ["fast", "20.0", "x", ">= 10", "ok"]
    assert row(lines, "slow") == ["slow", "5.0", "us", "<= 2", "short"]
    assert row(lines, "new") == ["new", "1.0", "x", "", ""]


def test_the_last_release_is_a_column(released):
    lines = printed(released(figures.cpu()))
    assert row(lines, "fast")[-1] == "1.25 x"
    assert row(lines, "slow")[-1] == "1.00 x"
    assert row(lines, "new")[-1] == ""
    assert any("0.9.1" in line for line in lines)


def test_another_cpu_is_named(released):
    assert any("0.9.1, on abacus" in line for line in printed(released("abacus")))


def test_the_version_is_the_package_s():
    assert figures.version().count(".") == 2
