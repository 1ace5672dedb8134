"""tinymuxd's file: defaults, and one line that names file and key for whatever cannot be followed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tinymux.daemon.configuration import Configuration, ConfigurationError
from tinymux.install import FILES, install, uninstall


def load(folder: Path, text: str) -> Configuration:
    file = folder / "tinymux.toml"
    file.write_text(text)
    return Configuration.load(file)


def test_the_example_is_the_defaults(tmp_path: Path) -> None:
    example = next(file for file in FILES if file.name == "tinymux.toml")
    assert load(tmp_path, example.text()) == load(tmp_path, "[[board]]\nsimulated = true\n")


def test_boards_are_named_by_serial_or_path(tmp_path: Path) -> None:
    made = load(tmp_path, '[[board]]\nserial = "A1"\nlabel = "kitchen"\n[[board]]\npath = "1-2"\nimage = "x.elf"\n')
    assert [(board.name, board.image) for board in made.boards] == [("A1", None), ("1-2", "x.elf")]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "no [[board]]"),
        ("a = 1\n[[board]]\nsimulated = true", "a: there is no such key"),
        ("[[board]]\nserail = '3'", "board 1: serail: there is no such key"),
        ("[[board]]\nlabel = 'kitchen'", "board 1: says neither serial nor path"),
        ("board = 3", "board: must be tables"),
        ("network = 10\n[[board]]\nsimulated = true", "network: must be text"),
        ("network = '10.16.0.0/28'\n[[board]]\nsimulated = true", "has no room for 16 nodes"),
        ("prefix = 'much-too-long-a-prefix'\n[[board]]\nsimulated = true", "cannot begin interface names"),
        ("[[board]]\nsimulated = true\n[options]\ngap = true", "options.gap: must be a number"),
        ("[[board]]\nsimulated = true\n[threads]\ncount = 0", "threads.count: must be from 1 to 10"),
        ("[[board]]\nsimulated = true\n[threads]\nnumber = 2", "threads.number: there is no such key"),
        ("[[board]]\nsimulated = true\n[nginx]\nport = 3", "nginx.port: there is no such key"),
        ("[[board]]\nsimulated = true\n[blog]\nfolder = 3", "blog.folder: must be text"),
        ("[[board]]\nsimulated = true\n[blog]\npath = '/srv'", "blog.path: there is no such key"),
        (
            "[[board]]\nsimulated = true\n[blog]\nfolder = '/b'\n[nginx]\nlisten = ''",
            "blog.folder: is served by nginx",
        ),
        ("[[board", "Expected"),
    ],
)
def test_what_cannot_be_followed_is_named(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        load(tmp_path, text)
    assert told in str(error.value)
    assert str(error.value).startswith(str(tmp_path / "tinymux.toml"))
    assert "\n" not in str(error.value)


def test_installed_and_taken_away_again(tmp_path: Path) -> None:
    for _ in range(2):
        install(tmp_path)
    places = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert places == {str(file.place) for file in FILES}
    unit = (tmp_path / "etc/systemd/system/tinymuxd.service").read_text()
    assert "@PYTHON@" not in unit
    (tmp_path / "etc/tinymux/tinymux.toml").write_text("mine")
    install(tmp_path)
    uninstall(tmp_path)
    left = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert [path.read_text() for path in left] == ["mine"]
