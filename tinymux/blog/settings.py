"""A blog's settings: blog.toml beside its posts. Every key has a default, so an empty file will do."""

from __future__ import annotations

import stat
import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any

from tinymux.blog.compress import ENCODINGS
from tinymux.blog.posts import MOST_REPLICAS, read_text
from tinymux.errors import BlogError

FILE = "blog.toml"
# string.Template: $title and $date of the post, $body its HTML, $links to the parts before and after, or nothing.
# Without its viewport a telephone shows a page as wide as a desk's, and as small: 36 characters of a post, well spent.
TEMPLATE = (
    '<!doctype html><meta name=viewport content="width=device-width"><title>$title</title><h1>$title</h1>$body$links'
)


@dataclass(frozen=True)
class Settings:
    """What blog.toml can say.

    url: where readers find the blog, for the feed's links. replicas: tinies for each post that says nothing else.
    index_replicas: tinies for index, feed and style sheet. template: file with the HTML around a post. style: file with
    a style sheet. cache_seconds: how long nginx may keep a page; 0 is not at all. microblog: whether there is a page
    /now with one short entry in a tiny's RAM. credentials: file with "user:password", mode 0600, for who may post such
    entries; without, nobody may. encodings: what pages are flashed as, each as all of these. spares: tinies without a
    page that are kept ready for the next one.
    """

    title: str = "A blog from tinies"
    url: str = "http://localhost:8080"
    author: str = "the author"
    replicas: int = 1
    index_replicas: int = 2
    template: str = ""
    style: str = ""
    cache_seconds: int = 0
    microblog: bool = False
    credentials: str = ""
    encodings: tuple[str, ...] = ("br",)
    spares: int = 4
    folder: Path = Path()

    def read(self, name: str, otherwise: str = "") -> str:
        """The text of a file that a setting names, relative to the blog's folder."""
        return read_text(self.folder / name) if name else otherwise

    def user(self) -> tuple[str, str] | None:
        """User name and password for posting, or None. BlogError where others could read the file."""
        if not self.credentials:
            return None
        path = self.folder / self.credentials
        try:
            mode = path.stat().st_mode
        except OSError as error:
            raise BlogError(f"{path}: cannot be read: {error.strerror}") from error
        if not stat.S_ISREG(mode) or stat.S_IMODE(mode) & 0o177:
            raise BlogError(f"{path}: others may read or change it: chmod 600 {path}")
        user, colon, password = read_text(path).strip().partition(":")
        if not colon or not user or not password or "\n" in password:
            raise BlogError(f"{path}:1: write one line 'user:password'")
        return user, password


LEAST = {"replicas": 1, "index_replicas": 1, "cache_seconds": 0, "spares": 0}
MOST = {"replicas": MOST_REPLICAS, "index_replicas": MOST_REPLICAS, "cache_seconds": 86400, "spares": MOST_REPLICAS}


def read_settings(folder: Path) -> Settings:
    """Settings of the blog in this folder."""
    path = folder / FILE
    if not path.is_file():
        raise BlogError(f"{path}: there is none: make it, empty or with 'title = \"...\"', beside posts/")
    try:
        table = tomllib.loads(read_text(path))
    except tomllib.TOMLDecodeError as error:
        raise BlogError(f"{path}: {error}") from None
    return Settings(**_checked(path, table), folder=folder)


def _checked(path: Path, table: Mapping[str, Any]) -> dict[str, Any]:
    defaults = {field.name: field.default for field in fields(Settings) if field.name != "folder"}
    for key, value in table.items():
        default = defaults.get(key, MISSING)
        where = f"{path}:{_line(path, key)}"
        if default is MISSING:
            raise BlogError(f"{where}: unknown key {key!r}: known are {', '.join(defaults)}")
        if key == "encodings":
            _check_encodings(where, value)
            continue
        if type(value) is not type(default):
            kind = {int: "a number", bool: "true or false", str: "a string"}[type(default)]
            raise BlogError(f"{where}: {key} is {kind}, not {value!r}")
        if key in LEAST and not LEAST[key] <= value <= MOST[key]:
            raise BlogError(f"{where}: {key} is from {LEAST[key]} to {MOST[key]}, not {value}")
    url = table.get("url", "http://localhost")
    if not url.startswith(("http://", "https://")) or any(character in url for character in " \"'<>&\\"):
        raise BlogError(f"{path}:{_line(path, 'url')}: {url!r} is no address: write it as http://example.org")
    return {**table, **({"url": url.rstrip("/")} if "url" in table else {})}


def _check_encodings(where: str, value: Any) -> None:
    names = value if isinstance(value, list) else []
    if not names or any(name not in ENCODINGS for name in names) or len(set(names)) < len(names):
        raise BlogError(f"{where}: encodings is a list of some of {', '.join(ENCODINGS)}, not {value!r}")


def _line(path: Path, key: str) -> int:
    """Where a key stands: tomllib does not say."""
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        if line.partition("=")[0].strip() == key:
            return number
    return 1
