"""Posts as a person writes them: Markdown files with a few lines of front matter."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from tinymux.errors import BlogError

FENCE = "---"
KEYS = ("title", "date", "slug", "replicas")
SLUG = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
LONGEST_SLUG = 64
MOST_REPLICAS = 256
LARGEST_FILE = 1 << 20  # bytes; a post of that size would take some 2,000 tinies
RESERVED = frozenset({"feed", "style", "now", "index"})  # paths of the blog's own


@dataclass(frozen=True)
class Post:
    """One post. `line` is where its text begins in the file, for messages; replicas None means the blog's own."""

    title: str
    date: date
    slug: str
    text: str
    replicas: int | None = None
    path: Path = Path()
    line: int = 1

    def where(self, line: int | None = None) -> str:
        """File and line, as every message begins."""
        return f"{self.path}:{self.line if line is None else line}"


def read_posts(folder: Path) -> tuple[Post, ...]:
    """All posts of a folder, newest first; BlogError with file and line where one is not right."""
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix == ".md" and not path.name.startswith("."))
    except OSError as error:
        raise BlogError(f"{folder}: cannot be read: {error.strerror}") from error
    if not paths:
        raise BlogError(f"{folder}: no posts in it: write one with 'tinymux blog new'")
    posts = [read_post(path) for path in paths]
    first: dict[str, Post] = {}
    for post in posts:
        before = first.setdefault(post.slug, post)
        if before is not post:
            raise BlogError(f"{post.where(1)}: the slug {post.slug!r} is that of {before.path} too: give it another")
    return tuple(sorted(posts, key=lambda post: (-post.date.toordinal(), post.slug)))


def read_post(path: Path) -> Post:
    """One post from its file."""
    text = read_text(path)
    fields, start = _front_matter(path, text.splitlines())
    values = {key: value for key, (value, _) in fields.items()}
    for key in ("title", "date"):
        if not values.get(key):
            raise BlogError(f"{path}:1: the front matter has no {key}")
    lines = text.splitlines()[start:]
    start += next((number for number, line in enumerate(lines) if line.strip()), 0)
    body = "\n".join(lines).strip()
    if not body:
        raise BlogError(f"{path}:{start + 1}: the post has no text")
    return Post(
        title=values["title"],
        date=_date(path, fields),
        slug=_slug(path, fields),
        text=body,
        replicas=_replicas(path, fields),
        path=path,
        line=start + 1,
    )


def read_text(path: Path) -> str:
    """A file's text, with line and byte told where it is not UTF-8 or has control characters."""
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_FILE + 1)
    except OSError as error:
        raise BlogError(f"{path}: cannot be read: {error.strerror}") from error
    if len(content) > LARGEST_FILE:
        raise BlogError(f"{path}: more than {LARGEST_FILE} bytes: no post is that long")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        byte = content[error.start]
        raise BlogError(
            f"{path}:{line}: byte {error.start} ({byte:#04x}) is not UTF-8: save the file as UTF-8"
        ) from None
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    for match in re.finditer(r"[\x00-\x08\x0b-\x1f\x7f]", text):
        line = text.count("\n", 0, match.start()) + 1
        raise BlogError(f"{path}:{line}: a control character ({ord(match[0]):#04x}): remove it")
    return text


Fields = Mapping[str, tuple[str, int]]  # key -> value and its line


def _front_matter(path: Path, lines: list[str]) -> tuple[Fields, int]:
    """The fields between the fences, and how many lines they take."""
    if not lines or lines[0].strip() != FENCE:
        raise BlogError(f"{path}:1: no front matter: begin with a line {FENCE}, then 'title: ...' and 'date: ...'")
    fields: dict[str, tuple[str, int]] = {}
    for number, line in enumerate(lines[1:], start=2):
        if line.strip() == FENCE:
            return fields, number
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        key, colon, value = line.partition(":")
        key = key.strip()
        if not colon:
            raise BlogError(f"{path}:{number}: {line.strip()!r} is no 'key: value'")
        if key not in KEYS:
            raise BlogError(f"{path}:{number}: unknown key {key!r}: known are {', '.join(KEYS)}")
        if key in fields:
            raise BlogError(f"{path}:{number}: {key} stands twice")
        fields[key] = _unquoted(value.strip()), number
    raise BlogError(f"{path}:{len(lines)}: the front matter does not end: a line {FENCE} is missing")


def _unquoted(value: str) -> str:
    quoted = len(value) >= 2 and value[0] == value[-1] and value[0] in "\"'"
    return value[1:-1] if quoted else value


def _date(path: Path, fields: Fields) -> date:
    value, line = fields["date"]
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise BlogError(f"{path}:{line}: {value!r} is no date: write it as 2026-03-31") from None


def _slug(path: Path, fields: Fields) -> str:
    value, line = fields.get("slug", (slug_of(fields["title"][0]), fields["title"][1]))
    if not SLUG.fullmatch(value) or len(value) > LONGEST_SLUG:
        raise BlogError(
            f"{path}:{line}: {value!r} is no slug: use up to {LONGEST_SLUG} of a-z, 0-9 and single hyphens,"
            " for example 'slug: my-post'"
        )
    if value in RESERVED or value.isdigit():
        raise BlogError(f"{path}:{line}: the slug {value!r} is the blog's own: give the post another")
    return value


def _replicas(path: Path, fields: Fields) -> int | None:
    if "replicas" not in fields:
        return None
    value, line = fields["replicas"]
    if not (value.isascii() and value.isdigit() and 1 <= int(value) <= MOST_REPLICAS):
        raise BlogError(f"{path}:{line}: replicas is a number from 1 to {MOST_REPLICAS}, not {value!r}")
    return int(value)


def slug_of(title: str) -> str:
    """A slug made from a title; empty where nothing of it can be in one."""
    return "-".join(re.findall(r"[a-z0-9]+", title.lower().replace("'", "").replace("’", "")))[:LONGEST_SLUG].strip("-")
