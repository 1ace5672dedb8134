"""What was published where, kept beside the blog: it lets the next publishing move as little as can be."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tinymux.blog.placement import Held
from tinymux.errors import BlogError

FILE = "published.json"


def read_record(folder: Path) -> dict[int, Held]:
    """What each node was flashed with at the end of the last publishing; nothing where there was none."""
    path = folder / FILE
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
        return {int(row["node"]): _held(row) for row in rows}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BlogError(
            f"{path}: damaged or not readable ({error}): remove it, all tinies are then compared"
        ) from error


def _held(row: Mapping[str, Any]) -> Held:
    asks = dict(row["asks"])
    encodings = dict.fromkeys(asks, "br") | dict(row.get("encodings", {}))  # there was only "br" before
    return Held(str(row["digest"]), asks, encodings)


def write_record(folder: Path, held: Mapping[int, Held]) -> None:
    """Keep it, the file replaced as a whole."""
    rows = [
        {"node": node, "digest": has.digest, "asks": dict(has.asks), "encodings": dict(has.encodings)}
        for node, has in sorted(held.items())
    ]
    path = folder / FILE
    new = path.with_suffix(".new")
    try:
        new.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
        os.replace(new, path)
    except OSError as error:
        raise BlogError(f"{path}: cannot be written: {error.strerror}") from error
