"""`tinymux new`: a folder with a program of one's own, from a template that builds, simulates and passes the gate."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

import click

from tinymux.errors import TinymuxError
from tinymux.images import firmware

MAKEFILE = """\
# make: build and check; make sim: see it answer; make up: serve it; make flash NODE=b0/3: onto a tiny
TINYMUX ?= {tinymux}
NODE ?= 0
VERSION ?= 0.1

all: check

{name}.elf: {name}.S $(wildcard lib/*)
\tavr-gcc -mmcu=attiny10 -nostartfiles -nostdlib -x assembler-with-cpp -Wa,-gdwarf-2 -Ilib -o $@ $<
\t$(TINYMUX) image manifest $@ --version $(VERSION) $(^:%=--input %)

check: {name}.elf
\t$(TINYMUX) image check $<

size: {name}.elf
\t$(TINYMUX) image size $<

sim: {name}.elf
\t$(TINYMUX) sim $<

up: {name}.elf
\t$(TINYMUX) up --image $< --no-web

flash: {name}.elf
\t$(TINYMUX) flash $< --node $(NODE)

.PHONY: all check size sim up flash
"""
PROGRAM = """\
; {name}: answers a ping, until you make it do more. The layers in lib/ say what each needs; avr/README.md of tinymux
; has the seams. slip.inc comes last.

#include "tiny.inc"

.macro protocols                ; where a packet goes, by `proto`; what falls through is dropped
        cpi proto,ICMP
        breq icmp
.endm

        tiny_start
#include "lane.inc"
#include "ip.inc"
#include "icmp.inc"
#include "slip.inc"
"""


@click.command()
@click.argument("folder", metavar="NAME", type=click.Path(path_type=Path))
def new(folder: Path) -> None:
    """Start a program of your own in the folder NAME.

    It answers a ping. 'make' in there builds it and checks it as the gate does, 'make sim' runs it,
    'make up' puts it onto a simulated board with interfaces, 'make flash NODE=b0/3' onto a tiny.

    \b
      tinymux new lamp && make -C lamp
    """
    name = folder.name
    if not re.fullmatch(r"[a-z][a-z0-9_-]{0,30}", name):
        raise TinymuxError(f"{name!r} is no name for a program: lower case letters, digits, - and _, a letter first")
    if folder.exists():
        raise TinymuxError(f"{folder} is there already: choose another name")
    layers = firmware("lib")
    try:
        shutil.copytree(layers, folder / "lib")
        (folder / f"{name}.S").write_text(PROGRAM.format(name=name), encoding="utf-8")
        makefile = MAKEFILE.format(name=name, tinymux=f"{sys.executable} -m tinymux")
        (folder / "Makefile").write_text(makefile, encoding="utf-8")
    except OSError as error:
        raise TinymuxError(f"{error.filename or folder}: cannot be written: {error.strerror}") from error
    print(f"{folder}/{name}.S is the program; 'make -C {folder}' builds and checks it")
