"""`tinymux image`: look at images before they are flashed."""

from __future__ import annotations

from pathlib import Path

import click

from tinymux.errors import ImageError
from tinymux.images.gate import check as gate
from tinymux.images.gate import check_fuses
from tinymux.images.manifest import Manifest, load_checked
from tinymux.images.sizes import sizes

FILE = click.argument("file", type=click.Path(path_type=Path))


@click.group()
def image() -> None:
    """Look at an image before it is flashed.

    \b
      tinymux image check hello.elf
      tinymux image size hello.elf
      tinymux image show hello.elf
    """


@image.command()
@FILE
def check(file: Path) -> None:
    """Whether the image is admitted, and why.

    It is decoded, its worst stack and its cycles from bit to bit are worked out, and it runs for a
    second of board time at 7.2 and 8.8 MHz while it is spoken to. Status 0 if it is admitted.

    \b
      tinymux image check hello.elf
    """
    check_fuses(file)
    verdict = gate(load_checked(file))
    for finding in verdict.findings:
        print(f"{'no ' if finding.bad else 'ok '} {finding.text}")
    if not verdict.admitted:
        raise ImageError(f"{file}: not admitted: {verdict.refused[0].text}")


@image.command()
@FILE
def size(file: Path) -> None:
    """Where the bytes of an ELF file went: each label's, the largest first.

    \b
      tinymux image size hello.elf
    """
    rows = sizes(file)
    for name, address, count in sorted(rows, key=lambda row: -row[2]):
        print(f"{count:5} bytes  0x{address:03x}  {name}")
    print(f"{sum(row[2] for row in rows):5} bytes  of 1,024")


@image.command()
@FILE
def show(file: Path) -> None:
    """What the manifest beside the image says of it, checked against the image.

    \b
      tinymux image show hello.elf
    """
    loaded = load_checked(file)
    told = Manifest.read(file)
    if not told:
        raise ImageError(f"{file} has no manifest; 'tinymux image manifest {file}' writes one")
    stack = "without end" if told.stack is None else f"{told.stack} bytes"
    print(f"{told.program} {told.version or '(no version)'}, for an {told.part}, MTU {told.mtu}")
    print(f"{told.size} bytes, of them {told.code} of code; stack: at most {stack}")
    print(f"SHA-256 {told.sha256}, which is right for these {len(loaded.data)} bytes")
    changed = told.changed(Path())
    for name, sha256 in told.inputs.items():
        print(f"from {name}  {sha256[:16]}{'  (changed since)' if name in changed else ''}")


@image.command()
@FILE
@click.option("--version", default="", help="As the program's author counts.")
@click.option("--input", "inputs", multiple=True, type=click.Path(path_type=Path), help="File that it was built from.")
def manifest(file: Path, version: str, inputs: tuple[Path, ...]) -> None:
    """Write down what the image is, beside it: sizes, needs, SHA-256 of it and of what it was built from.

    Commands that load the image refuse it when it is not that one any more.

    \b
      tinymux image manifest hello.elf --version 1.2 --input hello.S
    """
    from tinymux.images import load

    print(Manifest.of(load(file), version, inputs).write(file))
