"""What a running Bridge shows: a live table on a terminal, plain lines or JSON lines elsewhere."""

from __future__ import annotations

import json
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

from tinymux.bridge import Bridge
from tinymux.cli.session import Session
from tinymux.counters import Counters

if TYPE_CHECKING:
    from rich.table import Table

FORMATS = ("auto", "table", "plain", "json")


class View(ABC):
    """Shown in a `with` statement and told of news by `update`."""

    def __init__(self, session: Session) -> None:
        self.session, self.bridge = session, session.bridge
        self.started = time.monotonic()

    @property
    def seconds(self) -> float:
        """How long it has been shown."""
        return time.monotonic() - self.started

    def counters(self) -> list[Counters]:
        """Those of all nodes, as they are now."""
        return [node.counters for node in self.bridge.nodes]

    def faults(self) -> str:
        """What the faults did so far, on all boards together, as words; "" where there are none."""
        boards = self.bridge.fault_counters()
        sums = {name: sum(board[name] for board in boards) for name in (boards[0] if boards else ())}
        return ", ".join(f"{name} {count:,}" for name, count in sums.items() if count)

    @abstractmethod
    def __enter__(self) -> Self: ...

    @abstractmethod
    def __exit__(self, *_: Any) -> None: ...

    @abstractmethod
    def update(self) -> None:
        """Show the counters as they are now."""


def view(form: str, session: Session) -> View:
    """The view of that name; auto is a table on a terminal, else plain lines."""
    if form == "auto":
        form = "table" if sys.stdout.isatty() else "plain"
    kinds: Mapping[str, type[View]] = {"table": TableView, "plain": PlainView, "json": JsonView}
    return kinds[form](session)


class TableView(View):
    """One row per node, refreshed in place; the last one stays on the screen."""

    def __enter__(self) -> Self:
        from rich.live import Live

        self._last: tuple[float, list[Counters]] | None = None
        self._live = Live(auto_refresh=False)
        self._live.__enter__()
        self.update()
        return self

    def update(self) -> None:
        """Draw the table anew."""
        now, counters = self.seconds, self.counters()
        rates = [0.0] * len(counters)
        if self._last:
            passed = max(now - self._last[0], 1e-3)
            rates = [(_packets(new) - _packets(old)) / passed for new, old in zip(counters, self._last[1], strict=True)]
        self._last = now, counters
        self._live.update(self._table(counters, rates), refresh=True)

    def _table(self, counters: list[Counters], rates: list[float]) -> Table:
        from rich.box import SIMPLE_HEAD
        from rich.table import Table

        where = self.session.url or f"network {self.bridge.plan.network}"
        drawn = Table(title=f"{where}   Ctrl-C ends it", title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
        if faults := self.faults():
            drawn.caption, drawn.caption_justify = f"faults: {faults}", "left"
        for name in ("node", "interface", "address"):
            drawn.add_column(name, no_wrap=True, min_width=len("10.255.255.255") if name == "address" else None)
        for name in ("packets/s", "out", "in", "dropped", "resets", "pages"):
            drawn.add_column(name, justify="right")
        pages = self.session.pages()
        for node, count, rate in zip(self.bridge.nodes, counters, rates, strict=True):
            numbers = (
                count.packets_out,
                count.packets_in,
                count.dropped,
                count.resets,
            )
            cells = [f"{number:,}" for number in (*numbers, pages.get(node.index, 0))]
            drawn.add_row(str(node.index), node.interface, str(node.address), f"{rate:.0f}", *cells)
        return drawn

    def __exit__(self, *_: Any) -> None:
        self._live.__exit__(None, None, None)


class PlainView(View):
    """A line at the start, one whenever the sums have changed, one at the end."""

    def __enter__(self) -> Self:
        first, last = self.bridge.nodes[0], self.bridge.nodes[-1]
        where = f" at {self.session.url}" if self.session.url else ""
        print(
            f"up{where}: {first.interface} to {last.interface}, {first.address} to {last.address},"
            f" board {', '.join(board.label for board in self.bridge.boards)}",
            flush=True,
        )
        self._last = ""
        return self

    def update(self) -> None:
        """Print the sums if they have changed."""
        counters = self.counters()
        line = (
            f"packets {sum(c.packets_out for c in counters)} out {sum(c.packets_in for c in counters)} in,"
            f" dropped {sum(c.dropped for c in counters)}, resets {sum(c.resets for c in counters)}"
        )
        if self.session.nginx:
            line += f", pages {sum(self.session.pages().values())}"
        if faults := self.faults():
            line += f", faults: {faults}"
        if line != self._last:
            print(f"{self.seconds:.0f} s: {line}", flush=True)
            self._last = line

    def __exit__(self, *_: Any) -> None:
        print("stopping", flush=True)


class JsonView(View):
    """One JSON object per line: {"event": "up"}, then {"event": "counters"} at each update, {"event": "down"}.

    With faults, "faults" has how often each befell a packet, one object per board.
    """

    def __enter__(self) -> Self:
        self._print("up", url=self.session.url, network=str(self.bridge.plan.network), nodes=_nodes(self.bridge))
        return self

    def update(self) -> None:
        """Print all counters of all nodes."""
        pages = self.session.pages()
        nodes = [
            {"node": node.index, **count.as_dict(), "pages": pages.get(node.index)}
            for node, count in zip(self.bridge.nodes, self.counters(), strict=True)
        ]
        faults = self.bridge.fault_counters()
        self._print("counters", nodes=nodes, **({"faults": faults} if faults else {}))

    def __exit__(self, *_: Any) -> None:
        self._print("down")

    def _print(self, event: str, **fields: Any) -> None:
        print(json.dumps({"event": event, "seconds": round(self.seconds, 3), **fields}), flush=True)


def _nodes(bridge: Bridge) -> list[dict[str, Any]]:
    return [{"node": n.index, "interface": n.interface, "address": str(n.address)} for n in bridge.nodes]


def _packets(count: Counters) -> int:
    return count.packets_out + count.packets_in
