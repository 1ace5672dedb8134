"""The manual pages say what the commands' help says, and are sound roff."""

from __future__ import annotations

import importlib.util
import re
import subprocess
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[1] / "docs"
AGAIN = "python docs/manual.py"


@pytest.fixture(scope="module")
def pages():
    spec = importlib.util.spec_from_file_location("manual", DOCS / "manual.py")
    manual = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(manual)
    return manual.pages()


def test_pages_are_those_of_the_commands_help(pages):
    there = {path.name: path.read_text() for path in DOCS.glob("man/*.1")}
    assert sorted(there) == sorted(pages), AGAIN
    for name, text in pages.items():
        assert there[name] == text, f"{name}: {AGAIN}"


@pytest.mark.parametrize("path", sorted(DOCS.glob("man/*.[18]")), ids=lambda path: path.name)
def test_a_page_is_sound(path):
    shown = subprocess.run(
        ["mandoc", "-Tlint", "-Wwarning", path], capture_output=True, text=True, check=False, timeout=20
    )
    assert shown.stdout + shown.stderr == ""


@pytest.mark.parametrize("path", sorted(DOCS.glob("man/*.[18]")), ids=lambda path: path.name)
def test_every_page_that_is_named_is_there(path):
    for name, section in re.findall(r"\\fB(tinymux[a-z\\-]*)\\fR\(([18])\)", path.read_text()):
        assert (path.parent / f"{name.replace(chr(92), '')}.{section}").exists()
