"""How a command line names nodes: BOARD/LANES, for example b0/3-7,9; and images with the nodes they are for."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from tinymux.errors import BoardError

LANES = 16
HELP = "for example 3-7,9 or b0/3-7 or b0/all (a board's serial number, path or label)"

Nodes = dict[str, list[int]]  # board's name -> lanes


def parse(selectors: Iterable[str], board: str) -> Nodes:
    """The nodes that these selectors name; `board` is meant where one names none."""
    found: dict[str, set[int]] = {}
    for selector in selectors:
        name, slash, lanes = selector.rpartition("/")
        if not slash and not re.fullmatch(r"[\d,\- ]+|all", selector):
            name, lanes = selector, "all"
        if slash and not name:
            raise BoardError(f"{selector!r} names no board; nodes are written {HELP}")
        found.setdefault(name or board, set()).update(_lanes(lanes, selector))
    return {name: sorted(lanes) for name, lanes in found.items()}


def _lanes(text: str, selector: str) -> set[int]:
    if text == "all":
        return set(range(LANES))
    lanes: set[int] = set()
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d{1,4})(?:\s*-\s*(\d{1,4}))?\s*", part)
        if not match:
            raise BoardError(f"{selector!r} names no nodes: they are written {HELP}")
        first, last = int(match[1]), int(match[2] or match[1])
        if last >= LANES or first > last:
            raise BoardError(f"{selector!r}: a board has nodes 0 to {LANES - 1}")
        lanes.update(range(first, last + 1))
    return lanes


def pair(texts: Iterable[str], selectors: Iterable[str], board: str) -> dict[str, dict[int, Path]]:
    """IMAGE@NODES pairs, or one IMAGE for the selected nodes: board's name -> lane -> file."""
    pairs: dict[str, dict[int, Path]] = {}
    selectors = list(selectors)
    for text in texts:
        file, at, nodes = text.rpartition("@")
        if not at or Path(text).exists():
            file, nodes = text, ""
        if bool(nodes) == bool(selectors):
            doubt = "nodes both in it and in --node" if nodes else "no nodes: --node all, or IMAGE@NODES"
            raise BoardError(f"{text}: {doubt}; {HELP}")
        for name, lanes in parse([nodes] if nodes else selectors, board).items():
            for lane in lanes:
                if lane in pairs.setdefault(name, {}):
                    raise BoardError(f"{name}/{lane} is to get two images: {pairs[name][lane]} and {file}")
                pairs[name][lane] = Path(file)
    return pairs
