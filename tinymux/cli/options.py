"""Options that commands share, and the Bridge that they describe."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from tinymux.boards import find
from tinymux.bridge import NETWORK, PREFIX, Bridge
from tinymux.errors import BoardError

Command = Callable[..., Any]

BRIDGE = (
    click.option("--board", default="simulated", show_default=True, metavar="NAME", help="Board to bring up."),
    click.option("--network", default=NETWORK, show_default=True, help="IPv4 network to take addresses from."),
    click.option("--netns", metavar="NAME", help="Network namespace for the interfaces; made where there is none."),
    click.option("--prefix", default=PREFIX, show_default=True, help="What interface names begin with."),
    click.option(
        "--plain-tcp/--no-plain-tcp",
        default=None,
        help="TCP without timestamps, SACK and window scaling in the namespace.  [default: only in one made here]",
    ),
    click.option(
        "--spin",
        type=click.IntRange(0, 1_000_000),
        default=0,
        metavar="US",
        help="Look for more packets for so long before sleeping: latency for CPU time.",
    ),
    click.option("--tune", multiple=True, metavar="NAME=NUMBER", help="Engine option, for example gap=4. Repeatable."),
    click.option(
        "--faults",
        metavar="NAME=NUMBER,...",
        help="What befalls packets, for example drop=0.01,delay=0.1,delay_ms=20,seed=7: probabilities drop, corrupt,"
        " byte_loss, duplicate, reorder, delay.",
    ),
)
IMAGE = click.option(
    "--image", type=click.Path(path_type=Path), help="What the tinies run: ELF, Intel HEX or raw file."
)
SIMULATION = (
    click.option("--state", type=click.Path(file_okay=False, path_type=Path), help="Folder that keeps their flashes."),
    click.option("--seed", type=int, help="Same seed, same trace."),
    click.option("--rc-error", type=int, metavar="PPM", help="How far the tinies' oscillators are off."),
    click.option("--lane-noise", type=float, metavar="P", help="Probability of a wrong level, per plane and lane."),
    click.option("--byte-loss", type=float, metavar="P", help="Probability that a byte on a lane is lost."),
)
LISTEN = click.option(
    "--listen", default="127.0.0.1:8080", show_default=True, metavar="ADDRESS:PORT", help="Where nginx listens."
)


def bridge_options(command: Command) -> Command:
    """Add all options that `make_bridge` understands."""
    return board_options(IMAGE(command))


def board_options(command: Command) -> Command:
    """The same for a command that knows itself what the tinies shall run."""
    for option in reversed(BRIDGE + SIMULATION):
        command = option(command)
    return command


def make_bridge(
    *,
    board: str,
    network: str,
    netns: str | None,
    prefix: str,
    plain_tcp: bool | None,
    spin: int,
    tune: tuple[str, ...],
    faults: str | None,
    **simulation: Any,
) -> Bridge:
    """The Bridge that the options ask for, not started yet."""
    given = {name: value for name, value in simulation.items() if value is not None}
    return Bridge(
        find(board, **given),
        network=network,
        netns=netns,
        prefix=prefix,
        plain_tcp=plain_tcp,
        spin_us=spin,
        options=dict(map(_tuned, tune)),
        faults=dict(map(_fault, faults.split(","))) if faults else None,
    )


def _tuned(text: str) -> tuple[str, int]:
    name, _, number = text.partition("=")
    try:
        return name, int(number)
    except ValueError:
        raise BoardError(f"--tune {text}: write it as NAME=NUMBER, for example gap=4") from None


def _fault(text: str) -> tuple[str, float]:
    name, _, number = text.partition("=")
    try:
        return name, int(number) if name == "seed" else float(number)
    except ValueError:
        raise BoardError(f"--faults {text}: write it as NAME=NUMBER, for example drop=0.01,seed=7") from None
