"""`tinymux flash`: put programs onto tinies."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import click

from tinymux.cli.nodes import pair
from tinymux.cli.programming import IMAGES, NODE, carry_out, programming_options
from tinymux.images import Image
from tinymux.images.gate import admit, check_fuses
from tinymux.images.manifest import load_checked


@click.command()
@IMAGES
@NODE
@click.option("--always", is_flag=True, help="Write even where everything matches already.")
@click.option("--force", is_flag=True, help="Flash what the gate keeps out; never a fuse that locks the chip.")
@programming_options
def flash(images: tuple[str, ...], nodes: tuple[str, ...], always: bool, force: bool, board: str, **shown: Any) -> None:
    """Write images into tinies and read them back, any number at the same time.

    IMAGE is an ELF, Intel HEX or raw file; the gate looks at it first (tinymux image check). A tiny
    that holds it already is left alone. One that fails is reset, tried again and then told of; the
    others are not held up. Status 0 if all tinies have what they should.

    \b
      tinymux flash blink.elf --node b0/3-7
      tinymux flash hello.elf@b0/0-7 echo.elf@b0/8-15
      tinymux flash hello.elf --node 3 --state my-board && tinymux up --state my-board
    """
    pairs = pair(images, nodes, board)
    targets = _loaded(pairs, force)
    carry_out(targets, lambda programmer, lanes: programmer.flash(lanes, always=always), **shown)


@click.command()
@IMAGES
@NODE
@programming_options
def verify(images: tuple[str, ...], nodes: tuple[str, ...], board: str, **shown: Any) -> None:
    """Compare what tinies hold with images, byte by byte.

    \b
      tinymux verify hello.elf --node b0/all
    """
    pairs = pair(images, nodes, board)
    targets = _loaded(pairs)
    carry_out(targets, lambda programmer, lanes: programmer.verify(lanes), **shown)


def _loaded(pairs: dict[str, dict[int, Path]], force: bool | None = None) -> dict[str, dict[int, Image]]:
    """The images in place of their files; each goes through the gate unless `force` is None."""
    files = list(dict.fromkeys(file for lanes in pairs.values() for file in lanes.values()))

    def load(file: Path) -> Image:
        image = load_checked(file)
        if force is not None:
            check_fuses(file)
            admit(image, force=force)
        return image

    with ThreadPoolExecutor() as pool:  # the gate takes half a second, most of it without the GIL
        loaded = dict(zip(files, pool.map(load, files), strict=True))
    return {name: {lane: loaded[file] for lane, file in lanes.items()} for name, lanes in pairs.items()}
