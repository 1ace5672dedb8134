"""KiCad's text files: S-expressions, and the symbols of its libraries."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

SYMBOLS = Path("/usr/share/kicad/symbols")
FOOTPRINTS = Path("/usr/share/kicad/footprints")
TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[()]|[^\s()"]+')


class Text(str):
    """A quoted string, told apart from a bare word when it is written back."""


Node = list  # of Node, Text or str


def parse(text: str) -> Node:
    """The one expression of a file."""
    stack: list[Node] = [[]]
    for match in TOKEN.finditer(text):
        token = match.group()
        if token == "(":
            stack.append([])
        elif token == ")":
            done = stack.pop()
            stack[-1].append(done)
        elif token[0] == '"':
            stack[-1].append(Text(re.sub(r"\\(.)", lambda m: "\n" if m[1] == "n" else m[1], token[1:-1])))
        else:
            stack[-1].append(token)
    if len(stack) != 1 or len(stack[0]) != 1:
        raise ValueError("unbalanced brackets")
    return stack[0][0]


def dump(node: Node | str) -> str:
    if isinstance(node, list):
        return "(" + " ".join(dump(item) for item in node) + ")"
    if isinstance(node, Text):
        return '"' + node.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
    return node


def children(node: Node, name: str) -> list[Node]:
    """All direct members `(name ...)` of a node."""
    return [item for item in node if isinstance(item, list) and item and item[0] == name]


def child(node: Node, name: str) -> Node:
    return children(node, name)[0]


@dataclass(frozen=True)
class Pin:
    """A pin of a library symbol; x and y in mm, y upwards; angle points from the pin's end to the body."""

    number: str
    name: str
    kind: str
    x: float
    y: float
    angle: int


@dataclass(frozen=True)
class Symbol:
    """A library symbol with its pins, self-contained: what it extends is folded in."""

    name: str  # library:symbol
    node: Node
    pins: tuple[Pin, ...]

    def numbers(self, name: str) -> list[str]:
        """Numbers of the pins with exactly this name; the name may be one side of a slash."""
        found = [pin.number for pin in self.pins if name == pin.name or name in pin.name.split("/")]
        if not found:
            raise KeyError(f"{self.name} has no pin named {name}")
        return found


@cache
def library(name: str) -> str:
    return (SYMBOLS / f"{name}.kicad_sym").read_text(encoding="utf-8")


def in_library(lib: str, name: str) -> Node:
    """One symbol of a library, cut out by its indentation: parsing all of a library takes a second."""
    text = library(lib)
    start = text.index(f'\n  (symbol "{name}" ')
    return parse(text[start : text.index("\n  )\n", start) + 4])


def renamed(node: Node, old: str, new: str) -> Node:
    """A copy whose units are called after the new name."""
    copy: Node = []
    for item in node:
        if isinstance(item, list) and item[0] == "symbol":
            copy.append(["symbol", Text(item[1].replace(old, new, 1)), *item[2:]])
        else:
            copy.append(item)
    return copy


@cache
def symbol(full_name: str) -> Symbol:
    """A symbol such as `Device:R` from KiCad's own libraries."""
    lib, name = full_name.split(":")
    node = in_library(lib, name)
    if base := children(node, "extends"):
        own = {item[1]: item for item in children(node, "property")}
        parent = renamed(in_library(lib, base[0][1]), base[0][1], name)
        node = [own.get(item[1], item) if item[0] == "property" else item for item in parent if isinstance(item, list)]
    else:
        node = [item for item in node[2:] if isinstance(item, list)]
    pins = []
    for unit in children(node, "symbol"):
        for pin in children(unit, "pin"):
            x, y, angle = child(pin, "at")[1:4]
            pins.append(Pin(child(pin, "number")[1], child(pin, "name")[1], pin[1], float(x), float(y), int(angle)))
    return Symbol(full_name, ["symbol", Text(full_name), *node], tuple(pins))
