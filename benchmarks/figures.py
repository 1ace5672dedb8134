"""Figures: what was measured, what is needed, and what the last release did, in one table."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.table import Table

HERE = Path(__file__).resolve().parent
FIGURES = HERE / "figures.json"
RELEASED = HERE / "released.json"


@dataclass(frozen=True)
class Figure:
    key: str
    value: float
    unit: str
    needed: str = ""

    def mark(self) -> str:
        if not self.needed:
            return ""
        return "[green]ok[/]" if holds(self.value, self.needed) else "[red]short[/]"


@dataclass(frozen=True)
class Release:
    """The figures of a release, and the CPU that they were measured on."""

    version: str
    cpu: str
    figures: dict[str, float]

    @staticmethod
    def last() -> Release | None:
        return Release(**json.loads(RELEASED.read_text())) if RELEASED.exists() else None

    def save(self) -> None:
        RELEASED.write_text(json.dumps(asdict(self), indent=1) + "\n")

    def times(self, figure: Figure) -> str:
        """How many times as much a figure is as it was then."""
        then = self.figures.get(figure.key)
        return f"{figure.value / then:.2f} x" if then else ""


def holds(value: float, needed: str) -> bool:
    """Whether a value meets a need such as '>= 520', '<= 600' or '' for none."""
    if not needed:
        return True
    relation, bound = needed.split()
    return value >= float(bound) if relation == ">=" else value <= float(bound)


def cpu() -> str:
    found = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.M)
    return found[1] if found else "unknown"


def version() -> str:
    return re.search(r'^version = "(.*)"$', (HERE.parent / "pyproject.toml").read_text(), re.M)[1]


def save(figures: list[Figure]) -> None:
    FIGURES.write_text(json.dumps([asdict(figure) for figure in figures], indent=1) + "\n")


def table(figures: list[Figure], release: Release | None) -> Table:
    made = Table("key", "value", "unit", "needed", "", title="tinymux figures")
    made.columns[1].justify = made.columns[3].justify = "right"
    if release:
        made.add_column(release.version if release.cpu == cpu() else f"{release.version}, on {release.cpu}")
    for figure in figures:
        then = [release.times(figure)] if release else []
        made.add_row(figure.key, f"{figure.value:,}", figure.unit, figure.needed, figure.mark(), *then)
    return made
