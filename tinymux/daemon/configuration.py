"""tinymuxd's TOML file: read, checked to the last key, and turned into what it asks for."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tinymux.boards import Board, find
from tinymux.bridge import NETWORK, PREFIX, Bridge
from tinymux.errors import NetworkError, TinymuxError
from tinymux.network import NODES_PER_BOARD, Plan, interface_names

LISTEN = "127.0.0.1:8080"
THREADS = 10  # at most, ext/engine/engine.h
NAMES = ("simulated", "serial", "path", "label")


class ConfigurationError(TinymuxError):
    """A file that cannot be followed; the message names file and key."""


@dataclass(frozen=True)
class BoardEntry:
    """One [[board]] table: which one, and what its tinies run."""

    name: str
    image: str | None

    def find(self) -> Board:
        """The board as it is now; BoardError if it is not here."""
        given = {"image": self.image} if self.image else {}
        return find(self.name, **given)


@dataclass(frozen=True)
class Configuration:
    """All that the file says. Two that are equal ask for the same."""

    boards: tuple[BoardEntry, ...]
    network: str = NETWORK
    prefix: str = PREFIX
    netns: str | None = None
    listen: str | None = LISTEN
    blog: Path | None = None
    threads: int = 1
    pinned: bool = False
    spin_us: int = 0
    options: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def load(cls, file: Path) -> Configuration:
        """Read and check a file."""
        try:
            given = tomllib.loads(file.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
            raise ConfigurationError(f"{file} cannot be read: {reason}") from error
        except tomllib.TOMLDecodeError as error:
            raise ConfigurationError(f"{file}: {error}") from error
        try:
            return cls._of(given)
        except ConfigurationError as error:
            raise ConfigurationError(f"{file}: {error}") from None

    @classmethod
    def _of(cls, given: dict[str, Any]) -> Configuration:
        tables = _take(given, "board", list) or []
        nginx = _take(given, "nginx", dict) or {}
        listen = _take(nginx, "listen", str, "nginx.")
        blog = _take(given, "blog", dict) or {}
        folder = _take(blog, "folder", str, "blog.")
        threads = _take(given, "threads", dict) or {}
        options = _take(given, "options", dict) or {}
        made = cls(
            boards=tuple(_board(table, number) for number, table in enumerate(tables, 1)),
            network=_take(given, "network", str) or NETWORK,
            prefix=_take(given, "prefix", str) or PREFIX,
            netns=_take(given, "netns", str),
            listen=LISTEN if listen is None else listen or None,
            blog=Path(folder) if folder else None,
            threads=_within(threads, "count", 1, THREADS),
            pinned=_take(threads, "pinned", bool, "threads.") or False,
            spin_us=_within(threads, "spin_us", 0, 1_000_000),
            options={name: _take(options, name, int, "options.") for name in list(options)},
        )
        for left, where in ((given, ""), (nginx, "nginx."), (blog, "blog."), (threads, "threads.")):
            if left:
                raise ConfigurationError(f"{where}{next(iter(left))}: there is no such key")
        if not made.boards:
            raise ConfigurationError("no [[board]]: name one, or write 'simulated = true' in one")
        if made.blog and not made.listen:
            raise ConfigurationError("blog.folder: is served by nginx, and nginx.listen says that there is none")
        nodes = NODES_PER_BOARD * len(made.boards)
        try:
            Plan.parse(made.network, nodes)
            interface_names(made.prefix, nodes)
        except NetworkError as error:
            raise ConfigurationError(str(error)) from error
        return made

    def bridge(self, **more: Any) -> Bridge:
        """A Bridge as the file asks for; BoardError while a board is not here."""
        found = [entry.find() for entry in self.boards]
        return Bridge(
            *found,
            network=self.network,
            prefix=self.prefix,
            netns=self.netns,
            options=self.options,
            threads=self.threads,
            pinned=self.pinned,
            spin_us=self.spin_us,
            **more,
        )


def _take(table: dict[str, Any], key: str, kind: type, where: str = "") -> Any:
    """Take a key out of a table, or None; wrong types are refused."""
    value = table.pop(key, None)
    if value is not None and (not isinstance(value, kind) or (kind is int and isinstance(value, bool))):
        named = {str: "text", int: "a number", bool: "true or false", list: "tables, [[board]]", dict: "a table"}
        raise ConfigurationError(f"{where}{key}: must be {named[kind]}")
    return value


def _within(table: dict[str, Any], key: str, least: int, most: int) -> int:
    """A number of [threads], by default its least."""
    value = _take(table, key, int, "threads.")
    if value is not None and not least <= value <= most:
        raise ConfigurationError(f"threads.{key}: must be from {least} to {most}")
    return least if value is None else int(value)


def _board(table: Any, number: int) -> BoardEntry:
    where = f"board {number}: "
    if not isinstance(table, dict):
        raise ConfigurationError(f"{where}must be a table, [[board]]")
    simulated = _take(table, "simulated", bool, where)
    names = {key: _take(table, key, str, where) for key in NAMES[1:]}
    image = _take(table, "image", str, where)
    if table:
        raise ConfigurationError(f"{where}{next(iter(table))}: there is no such key")
    if simulated:
        return BoardEntry("simulated", image)
    name = names["serial"] or names["path"]
    if not name:
        raise ConfigurationError(f"{where}says neither serial nor path, nor simulated = true")
    return BoardEntry(name, image)
