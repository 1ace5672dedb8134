"""The command `tinymux`: one file per subcommand, one line per error."""

from __future__ import annotations

import sys
from importlib import metadata

import click

from tinymux.cli.blog import blog
from tinymux.cli.board import board
from tinymux.cli.boards import boards
from tinymux.cli.chips import erase, identify, read
from tinymux.cli.demo import demo
from tinymux.cli.doctor import doctor
from tinymux.cli.flash import flash, verify
from tinymux.cli.image import image
from tinymux.cli.install import install, uninstall
from tinymux.cli.new import new
from tinymux.cli.sim import sim
from tinymux.cli.up import up
from tinymux.errors import TinymuxError


def _version() -> str:
    try:
        return metadata.version("tinymux")
    except metadata.PackageNotFoundError:
        return "from a folder, not installed"


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(_version(), message="%(prog)s %(version)s")
def commands() -> None:
    """Sixteen ATtiny10s behind one USB cable, each with its own Linux network interface.

    \b
    Without a board, the simulated one shows everything:
      tinymux demo                    1,000 pages and a ping of each tiny
      tinymux up                      until Ctrl-C; then open http://127.0.0.1:8080/
      unshare -Urn tinymux demo       the same without root
    """


BRING_UP = (up, demo, blog)
BOARDS = (boards, board, doctor, install, uninstall)
PROGRAMS = (flash, verify, identify, read, erase, image, new, sim)
for command in (*BRING_UP, *BOARDS, *PROGRAMS):
    commands.add_command(command)


def main() -> None:
    """Entry point: exit status 0, 1 with one line on stderr, or 2 for wrong usage."""
    try:
        commands(prog_name="tinymux")
    except TinymuxError as error:
        print(f"tinymux: error: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(1)
