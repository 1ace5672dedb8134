"""`tinymux up`: a board up, nginx in front of it, until a signal ends it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tinymux.cli.options import LISTEN, bridge_options, make_bridge
from tinymux.cli.session import Session
from tinymux.cli.view import FORMATS, view
from tinymux.errors import BoardError

if TYPE_CHECKING:
    from tinymux._engine import Capture


@click.command()
@bridge_options
@LISTEN
@click.option("--no-web", is_flag=True, help="Interfaces only, no nginx.")
@click.option("--duration", type=click.FloatRange(min=0), metavar="SECONDS", help="End by itself after so long.")
@click.option(
    "--interval",
    type=click.FloatRange(min=0.05),
    default=1.0,
    show_default=True,
    metavar="SECONDS",
    help="Between updates of what is shown.",
)
@click.option(
    "-o",
    "--output",
    type=click.Choice(FORMATS),
    default="auto",
    show_default=True,
    help="auto: a table on a terminal, plain lines elsewhere; json: one object per line.",
)
@click.option("--capture", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Write a pcapng file.")
@click.option("--capture-node", type=int, multiple=True, metavar="N", help="Of this node only. Repeatable.")
def up(
    *,
    listen: str,
    no_web: bool,
    duration: float | None,
    interval: float,
    output: str,
    capture: Path | None,
    capture_node: tuple[int, ...],
    **bridge: Any,
) -> None:
    """Bring a board up: an interface for each tiny, and nginx in front of them all.

    Needs root, CAP_NET_ADMIN, or a user and network namespace of its own. Ctrl-C and SIGTERM end it
    and take everything away again.

    \b
      tinymux up                               the simulated board at http://127.0.0.1:8080/
      tinymux up --image hello.elf --no-web    your own program; ping and curl it at 10.16.0.16
      tinymux up --netns tinies                interfaces apart from the host's own; nginx stays reachable
      tinymux up -o json --duration 10         counters as JSON lines, for scripts
      tinymux up --capture all.pcapng          every packet of every node, for Wireshark
      tinymux up --faults drop=0.05,seed=1     how your client bears it if one packet in twenty is lost
      tinymux up --board tty:/dev/ttyUSB0,/dev/ttyUSB1 --no-web   whatever speaks SLIP there
      unshare -Urn tinymux up                  without root, to be used from inside
    """
    made = make_bridge(**bridge)
    if wrong := [number for number in capture_node if not 0 <= number < len(made.nodes)]:
        raise BoardError(f"--capture-node {wrong[0]}: nodes are 0 to {len(made.nodes) - 1}")
    with ExitStack() as stack:
        session = stack.enter_context(Session(made, None if no_web else listen))
        if capture:
            taken = stack.enter_context(made.capture(capture, [made.nodes[number] for number in capture_node]))
        shown = stack.enter_context(view(output, session))
        run(session, _watching(taken, capture, shown.update) if capture else shown.update, interval, duration)


def _watching(taken: Capture, path: Path, update: Callable[[], None]) -> Callable[[], None]:
    """The same update, which also tells, once, that the file takes no more."""
    told = False

    def updated() -> None:
        nonlocal told
        if taken.error and not told:
            told = True
            click.echo(f"tinymux: {path}: capture has ended, the nodes go on: {os.strerror(taken.error)}", err=True)
        update()

    return updated


def run(session: Session, update: Any, interval: float, duration: float | None) -> None:
    """Update what is shown until a signal comes or the time is over."""
    end = None if duration is None else time.monotonic() + duration
    while True:
        left = None if end is None else end - time.monotonic()
        if left is not None and left <= 0:
            break
        if session.signals.seen(interval if left is None else min(interval, left)):
            break
        session.check()
        update()
    update()
