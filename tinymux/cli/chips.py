"""`tinymux identify`, `read` and `erase`: what is on tinies, and away with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from tinymux.cli.nodes import parse
from tinymux.cli.programming import NODE, carry_out, programming_options
from tinymux.errors import BoardError, TinymuxError


@click.command()
@NODE
@programming_options
def identify(nodes: tuple[str, ...], board: str, **shown: Any) -> None:
    """Tell each tiny's part, configuration, calibration and lock bits; all of the board without --node.

    \b
      tinymux identify --board b0
    """
    carry_out(parse(nodes or ["all"], board), lambda programmer, lanes: programmer.identify(lanes), **shown)


@click.command()
@click.argument("target", type=click.Path(path_type=Path))
@NODE
@programming_options
def read(target: Path, nodes: tuple[str, ...], board: str, **shown: Any) -> None:
    """Read tinies' flash into TARGET: a file for one node, a folder for several.

    The file is Intel HEX where its name ends so, else the 1,024 raw bytes. In a folder each node has a
    file BOARD-NODE.bin.

    \b
      tinymux read page.hex --node b0/3
      tinymux read backup/ --node b0/all
    """
    chosen = parse(nodes, board)
    if not chosen:
        raise BoardError("which nodes? for example --node 3 or --node b0/all")
    outcomes = carry_out(chosen, lambda programmer, lanes: programmer.read(lanes), **shown)
    try:
        if len(outcomes) == 1 and not target.is_dir():
            _write(target, outcomes[0].data)
            return
        target.mkdir(parents=True, exist_ok=True)
        for outcome in outcomes:
            _write(target / f"{outcome.board}-{outcome.lane}.bin", outcome.data)
    except OSError as error:
        raise TinymuxError(f"{error.filename or target}: cannot be written: {error.strerror}") from error


def _write(file: Path, data: bytes) -> None:
    if file.suffix.lower() not in (".hex", ".ihx", ".ihex"):
        file.write_bytes(data)
        return
    from intelhex import IntelHex

    records = IntelHex()
    records.frombytes(data)
    records.write_hex_file(str(file))


@click.command()
@NODE
@programming_options
def erase(nodes: tuple[str, ...], board: str, **shown: Any) -> None:
    """Erase flash and lock bits of tinies; they stay in reset until they are flashed.

    \b
      tinymux erase --node b0/3-7
    """
    chosen = parse(nodes, board)
    if not chosen:
        raise BoardError("which nodes? for example --node 3 or --node b0/all")
    carry_out(chosen, lambda programmer, lanes: programmer.erase(lanes), **shown)
