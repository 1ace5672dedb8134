"""`tinymux flash`: put programs onto tinies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from tinymux.cli.nodes import pair
from tinymux.cli.programming import NODE, carry_out, programming_options
from tinymux.images import load


@click.command()
@click.argument("images", nargs=-1, required=True, metavar="IMAGE[@NODES]...")
@NODE
@click.option("--always", is_flag=True, help="Write even where everything matches already.")
@programming_options
def flash(images: tuple[str, ...], nodes: tuple[str, ...], always: bool, board: str, **shown: Any) -> None:
    """Write images into tinies and read them back, any number at the same time.

    IMAGE is an ELF, Intel HEX or raw file. A tiny that holds it already is left alone. One that fails
    is reset, tried again and then told of; the others are not held up. Status 0 if all tinies have
    what they should.

    \b
      tinymux flash blink.elf --node b0/3-7
      tinymux flash hello.elf@b0/0-7 echo.elf@b0/8-15
      tinymux flash hello.elf --node 3 --state my-board && tinymux up --state my-board
    """
    pairs = pair(images, nodes, board)
    loaded = {file: load(file) for file in _files(pairs)}
    targets = {name: {lane: loaded[file] for lane, file in lanes.items()} for name, lanes in pairs.items()}
    carry_out(targets, lambda programmer, lanes: programmer.flash(lanes, always=always), **shown)


@click.command()
@click.argument("images", nargs=-1, required=True, metavar="IMAGE[@NODES]...")
@NODE
@programming_options
def verify(images: tuple[str, ...], nodes: tuple[str, ...], board: str, **shown: Any) -> None:
    """Compare what tinies hold with images, byte by byte.

    \b
      tinymux verify hello.elf --node b0/all
    """
    pairs = pair(images, nodes, board)
    loaded = {file: load(file) for file in _files(pairs)}
    targets = {name: {lane: loaded[file] for lane, file in lanes.items()} for name, lanes in pairs.items()}
    carry_out(targets, lambda programmer, lanes: programmer.verify(lanes), **shown)


def _files(pairs: dict[str, dict[int, Path]]) -> list[Path]:
    return list(dict.fromkeys(file for lanes in pairs.values() for file in lanes.values()))
