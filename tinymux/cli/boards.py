"""`tinymux boards`: what is plugged in, and in which state."""

from __future__ import annotations

import json
from dataclasses import asdict

import click
from rich.console import Console
from rich.table import Table

from tinymux.boards import UsbBoard
from tinymux.boards import boards as plugged_in

COLUMNS = ("serial", "path", "label", "firmware", "speed", "state")


@click.command("boards")
@click.option(
    "-o",
    "--output",
    type=click.Choice(("table", "json")),
    default="table",
    show_default=True,
    help="For people, or for machines.",
)
def boards(output: str) -> None:
    """List the boards on USB. Any column of the first three names a board for --board.

    Nothing is taken from whoever uses a board. Exit status 0, also where there is none.

    \b
      tinymux boards
      tinymux boards -o json
    """
    found = [row(board) for board in plugged_in()]
    if output == "json":
        print(json.dumps(found))
    elif not found:
        print("no board on USB; 'tinymux doctor' looks for reasons, --board simulated needs none")
    else:
        table = Table(*COLUMNS, box=None)
        for each in found:
            table.add_row(*(each[column] for column in COLUMNS))
        Console(width=None if Console().is_terminal else 120).print(table)


def row(board: UsbBoard) -> dict[str, str]:
    """One board by column."""
    facts = asdict(board) | {"label": board.name}
    return {column: facts[column] for column in COLUMNS}
