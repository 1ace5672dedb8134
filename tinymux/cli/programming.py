"""What the programming commands share: options, boards opened side by side, progress and outcomes shown."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, TypeVar

import click
from click.shell_completion import CompletionItem

from tinymux.boards import Board, find
from tinymux.boards.usb import plugged
from tinymux.cli.session import Signals
from tinymux.errors import TinymuxError
from tinymux.outcomes import Outcome, Progress
from tinymux.programmer import Programmer

Lanes = TypeVar("Lanes")
COLOURS = {"written": "green", "unchanged": "green", "verified": "green", "failed": "red", "different": "red"}
Command = Callable[..., Any]


def complete_file(context: click.Context, parameter: click.Parameter, text: str) -> list[CompletionItem]:
    """For the shell: files, for an argument that may have more than a file's name."""
    return [CompletionItem(text, type="file")]


def complete_board(context: click.Context, parameter: click.Parameter, text: str) -> list[CompletionItem]:
    """For the shell: the boards that there are; an empty list rather than an error."""
    names = ["simulated"]
    with suppress(TinymuxError, ImportError):
        names += [board.label for board in plugged()]
    return [CompletionItem(name) for name in names if name.startswith(text)]


def complete_node(context: click.Context, parameter: click.Parameter, text: str) -> list[CompletionItem]:
    """For the shell: all, or all of a board."""
    boards = [f"{item.value}/all" for item in complete_board(context, parameter, "")]
    return [CompletionItem(name) for name in ("all", *boards) if name.startswith(text)]


OPTIONS = (
    click.option(
        "--board",
        default="simulated",
        show_default=True,
        metavar="NAME",
        help="Board of nodes without one.",
        shell_complete=complete_board,
    ),
    click.option(
        "--state",
        type=click.Path(file_okay=False, path_type=Path),
        metavar="DIR",
        help="Folder that keeps the simulated board's flashes.",
    ),
    click.option(
        "-o",
        "--output",
        type=click.Choice(("auto", "bars", "json")),
        default="auto",
        show_default=True,
        help="auto: bars on a terminal, JSON lines elsewhere.",
    ),
)
NODE = click.option(
    "--node",
    "nodes",
    multiple=True,
    metavar="NODES",
    help="Nodes, for example 3-7 or b0/3-7 or all.",
    shell_complete=complete_node,
)
IMAGES = click.argument("images", nargs=-1, required=True, metavar="IMAGE[@NODES]...", shell_complete=complete_file)


def programming_options(command: Command) -> Command:
    """Add the options that `carry_out` understands."""
    for option in reversed(OPTIONS):
        command = option(command)
    return command


def carry_out(
    targets: Mapping[str, Lanes],
    work: Callable[[Programmer, Lanes], list[Outcome]],
    *,
    state: Path | None,
    output: str,
) -> list[Outcome]:
    """Do the work on all boards at the same time, show how it goes and what came of it.

    Ends the program with status 1 where a tiny is not as was asked for. A signal gives up what is not finished.
    """
    boards = {name: _find(name, state) for name in targets}
    named: dict[str, str] = {}
    for name, board in boards.items():
        if named.setdefault(board.label, name) != name:
            raise TinymuxError(f"{named[board.label]} and {name} are the same board: name its nodes in one way")
    bars = output == "bars" or (output == "auto" and sys.stdout.isatty())
    with Signals() as signals, ExitStack() as stack:
        show = stack.enter_context(Bars()) if bars else None

        def one(name: str) -> list[Outcome]:
            tell = show.teller(name) if show else None
            with Programmer.open(boards[name], tell, lambda: signals.seen(0)) as programmer:
                outcomes = work(programmer, targets[name])
            if not bars:
                for outcome in outcomes:
                    print(json.dumps(described(outcome)), flush=True)
            return outcomes

        with ThreadPoolExecutor(max_workers=len(boards)) as pool:
            futures = {name: pool.submit(one, name) for name in targets}
        outcomes = [outcome for future in futures.values() if not future.exception() for outcome in future.result()]
    if bars:
        failed = [outcome for outcome in outcomes if not outcome.ok]
        _print(outcome for outcome in outcomes if outcome.action == "identified" or (outcome in failed and failed[1:]))
    for future in futures.values():
        future.result()  # raises what a board as a whole could not do
    if not all(outcome.ok for outcome in outcomes):
        raise TinymuxError(_failures(outcomes))
    return outcomes


def _find(name: str, state: Path | None) -> Board:
    if name == "simulated":
        return find(name, paced=False, **({"state": state} if state else {}))
    return find(name, **({"state": state} if state else {}))


def described(outcome: Outcome) -> dict[str, Any]:
    """An outcome as JSON has it."""
    row: dict[str, Any] = {"board": outcome.board, "node": outcome.lane, "ok": outcome.ok, "action": outcome.action}
    if outcome.step:
        row["step"] = outcome.step
    if outcome.reason:
        row["reason"] = outcome.reason
    if outcome.identity:
        chip = outcome.identity
        row |= {"part": chip.part, "signature": chip.signature.hex(), "configuration": chip.configuration}
        row |= {"calibration": chip.calibration, "lock": chip.lock}
    return row | {"attempts": outcome.attempts, "seconds": round(outcome.seconds, 3)}


def _print(outcomes: Iterable[Outcome]) -> None:
    for outcome in outcomes:
        chip = outcome.identity
        told = ""
        if chip and outcome.action == "identified":
            told = (
                f", configuration {chip.configuration:#04x}, calibration {chip.calibration:#04x}, lock {chip.lock:#04x}"
            )
            told = f": {chip.part}{told}"
        print(f"{outcome}{told}")


def _failures(outcomes: Iterable[Outcome]) -> str:
    failed = [outcome for outcome in outcomes if not outcome.ok]
    more = f", and {len(failed) - 1} more" if len(failed) > 1 else ""
    return f"{failed[0]}{more}"


class Bars:
    """A bar per tiny, for as long as it is being worked on."""

    def __enter__(self) -> Bars:
        from rich.progress import BarColumn, TaskProgressColumn, TextColumn
        from rich.progress import Progress as Drawn

        self._drawn = Drawn(
            TextColumn("{task.description:13}"), BarColumn(), TaskProgressColumn(), TextColumn("{task.fields[doing]}")
        )
        self._drawn.__enter__()
        self._tasks: dict[tuple[str, int], Any] = {}
        self._lock = threading.Lock()
        return self

    def teller(self, board: str) -> Callable[[Progress], None]:
        """What a Programmer of that board calls."""

        def tell(progress: Progress) -> None:
            with self._lock:
                key = board, progress.lane
                if key not in self._tasks:
                    self._tasks[key] = self._drawn.add_task(f"{board}/{progress.lane}", doing="")
                colour = COLOURS.get(progress.doing)
                doing = f"[{colour}]{progress.doing}[/]" if colour else progress.doing
                self._drawn.update(self._tasks[key], total=progress.total, completed=progress.done, doing=doing)

        return tell

    def __exit__(self, *_: Any) -> None:
        self._drawn.__exit__(None, None, None)
