"""`tinymux blog`: from an empty folder to a served blog, and what is refused with one line."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from click.testing import CliRunner

from tinymux.cli import commands
from tinymux.errors import BlogError
from tinymux.images.blog import Page, blog_code_bytes, blog_room
from tinymux.images.program import firmware

ROOT = Path(__file__).resolve().parents[2]


def run(*arguments):
    """A command that ends by itself; its output."""
    return CliRunner().invoke(commands, ["blog", *map(str, arguments)], catch_exceptions=False).output


def line(*arguments):
    return [sys.executable, "-m", "tinymux", "blog", *map(str, arguments)]


def apart(*arguments):
    """The same as another process; status, output and what is on stderr."""
    done = subprocess.run(line(*arguments), cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout, done.stderr


def test_new_begins_a_blog_and_a_post_that_can_be_published(tmp_path):
    folder = tmp_path / "mine"
    path = folder / "posts" / "its-alive.md"
    assert run("new", folder, "It's alive!").strip() == str(path)
    assert path.read_text().startswith("---\ntitle: It's alive!\ndate: 2")
    assert (folder / "blog.toml").exists()
    with pytest.raises(BlogError, match="is there already"):
        run("new", folder, "It's alive!")
    with pytest.raises(BlogError, match="no slug can be made"):
        run("new", folder, "???")
    assert "/its-alive " in run("check", folder)


def test_check_tells_bytes_and_what_to_cut(blog, post):
    long = (Path(__file__).parent / "posts" / "night-bus.md").read_text()
    folder = blog({"short.md": post("Short"), "long.md": long})
    output = run("check", folder)
    row = next(row.split() for row in output.splitlines() if row.startswith("/short "))
    assert int(row[2]) + int(row[3]) > 300
    assert "long.md: takes " in output
    assert "characters to fit one" in output
    assert re.search(r"^[4-9] pages, with their replicas on [4-9] tinies$", output, re.M)


def test_check_tells_what_is_not_there_in_every_encoding(blog, post):
    long = (Path(__file__).parent / "posts" / "bread-on-sunday.md").read_text()
    folder = blog({"short.md": post("Short"), "long.md": long}, 'encodings = ["br", "gzip"]')
    output = run("check", folder)
    assert "/short gzip " in output
    assert re.search(r"^not in gzip, for it does not fit so: .*/bread-on-sunday\b", output, re.M)


def test_a_plan_is_shown_and_nothing_is_done(blog, post):
    folder = blog({"a.md": post("A")}, "index_replicas = 1")
    output = run("publish", folder, "--plan")
    assert "node  0: " in output
    assert re.fullmatch(r"(\d) of \1 tinies to flash, in 1 steps", output.splitlines()[-1])
    assert not (folder / "published.json").exists()


def test_the_docs_tell_how_1_kb_is_spent():
    """As the command prints it, and the sums are right."""
    docs = (ROOT / "docs" / "blog.md").read_text()
    told = CliRunner().invoke(commands, ["image", "size", str(firmware("blog.elf"))], catch_exceptions=False).output
    assert "\n".join(f"    {row}" for row in told.splitlines()) in docs
    code, header = blog_code_bytes(live=False), len(b"HTTP/1.0 200 \r\nContent-Encoding:br\r\n\r\n") + 5
    assert f"| the program | {code} |" in docs
    assert f" | {header} |" in docs
    assert blog_room([Page("", b"")]) == 1024 - code - header - 8
    assert f"| up to {blog_room([Page('', b'')])} |" in docs
    assert f"{blog_code_bytes(live=True)} bytes" in docs


def test_once_flashes_what_differs_and_ends(blog, post, tmp_path_factory):
    folder, state = blog({"a.md": post("A")}, "index_replicas = 1"), tmp_path_factory.mktemp("board")
    options = (folder, "--once", "--state", state, "--network", "10.21.0.0/24", "--prefix", "one")
    for action in ("written", "unchanged"):
        status, output, errors = apart("publish", *options)
        assert (status, errors) == (0, "")
        assert re.search(rf"^node  0: {action}$", output, re.M)
        assert "serving" not in output
    assert "not served now" in apart("status", folder)[1]


def test_what_is_wrong_is_one_line_and_status_1(blog, post):
    folder = blog({"a.md": post("A", date="never")})
    status, output, errors = apart("publish", folder)
    assert (status, output) == (1, "")
    assert errors == f"tinymux: error: {folder}/posts/a.md:3: 'never' is no date: write it as 2026-03-31\n"
    assert apart("status", folder)[0] == 1


def test_a_blog_is_served_until_a_signal_and_published_by_a_second_command(blog, post):
    folder = blog({"a.md": post("A", "Before.")})
    arguments = line("publish", folder, "--listen", "127.0.0.1:0", "--network", "10.18.0.0/24", "--prefix", "cmd")
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(arguments, cwd=ROOT, stdout=subprocess.PIPE, text=True, env=environment) as served:
        try:
            url = next(row.split()[-1] for row in served.stdout if row.startswith("serving at "))
            assert fetched(f"{url}a").endswith("<p>Before.")
            (folder / "posts" / "a.md").write_text(post("A", "After."))
            status, output, _ = apart("publish", folder)
            assert status == 0
            assert output.splitlines()[-1].startswith("published in ")
            assert fetched(f"{url}a").endswith("<p>After.")
            (folder / "posts" / "a.md").write_text("nothing")
            status, _, errors = apart("publish", folder)
            assert status == 1
            assert "a.md:1: no front matter" in errors
            assert any("/a" in row for row in apart("status", folder)[1].splitlines())
            served.terminate()
            assert served.wait(20) == 0
        finally:
            with contextlib.suppress(ProcessLookupError):
                served.kill()
    assert "not served now" in apart("status", folder)[1]
    assert {path for row in json.loads((folder / "published.json").read_text()) for path in row["asks"]} >= {"/", "/a"}


def test_the_preview_serves_until_a_signal(blog, post):
    folder = blog({"a.md": post("A", "Text.")})
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    arguments = line("preview", folder, "--port", "0")
    with subprocess.Popen(arguments, cwd=ROOT, stdout=subprocess.PIPE, text=True, env=environment) as served:
        try:
            url = served.stdout.readline().split()[-1]
            assert fetched(f"{url}a").endswith("<p>Text.")
            served.terminate()
            assert served.wait(10) == 0
        finally:
            with contextlib.suppress(ProcessLookupError):
                served.kill()


def fetched(url):
    for _ in range(50):
        with contextlib.suppress(ConnectionError), urllib.request.urlopen(url, timeout=20) as answer:
            return answer.read().decode()
        time.sleep(0.1)
    raise AssertionError(f"{url} is not served")
