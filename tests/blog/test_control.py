"""The socket by which a second command reaches the one that serves."""

from __future__ import annotations

import threading

import pytest

from tinymux.blog.control import FILE, Control, ask
from tinymux.errors import BlogError


def answered(folder, what, do):
    """What was told, while one answer is given."""
    lines = []
    with Control(folder) as control:
        thread = threading.Thread(target=control.serve, args=(5, do))
        thread.start()
        try:
            assert ask(folder, what, lines.append)
        finally:
            thread.join()
    return lines


def test_who_asks_is_told_each_line_and_the_end(tmp_path):
    def do(request, tell):
        tell(f"{request} begins")
        tell("and ends")

    assert answered(tmp_path, "publish", do) == ["publish begins", "and ends"]
    assert not (tmp_path / FILE).exists()


def test_a_failure_is_raised_where_it_was_asked_for(tmp_path):
    def do(request, tell):
        raise BlogError("a.md:3: wrong")

    with pytest.raises(BlogError, match=r"^a\.md:3: wrong$"):
        answered(tmp_path, "publish", do)


def test_where_nobody_serves_it_is_said(tmp_path):
    assert ask(tmp_path, "status", print) is False
    (tmp_path / FILE).touch()  # of one that was killed
    assert ask(tmp_path, "status", print) is False
    with Control(tmp_path):
        assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600


def test_a_folder_with_a_long_name_is_no_matter(tmp_path):
    folder = tmp_path / ("x" * 120)
    folder.mkdir()
    assert answered(folder, "status", lambda request, tell: tell("fine")) == ["fine"]


def test_a_folder_is_served_once(tmp_path):
    with Control(tmp_path) as control:
        thread = threading.Thread(target=control.serve, args=(5, lambda request, tell: None))
        thread.start()
        with pytest.raises(BlogError, match="is served already"):
            Control(tmp_path)
        thread.join()
