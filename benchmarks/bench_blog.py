"""The blog: how long a post one tiny serves, and how soon a changed one is published while it is read."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
from pathlib import Path
from statistics import mean

import tinymux
from tinymux.blog.markdown import Document
from tinymux.blog.packing import room
from tinymux.blog.pages import Page
from tinymux.blog.posts import Post, read_posts
from tinymux.blog.publisher import Publisher
from tinymux.blog.settings import TEMPLATE
from tinymux.web import Listener, Nginx

POSTS = Path(__file__).resolve().parents[1] / "tests" / "blog" / "posts"
# A reader in a process of its own, so that it takes no time of the publisher's; prints requests and failures.
READER = """
import sys, time, urllib.request
count = failed = 0
while not sys.stdin in __import__("select").select([sys.stdin], [], [], 0)[0]:
    request = urllib.request.Request(sys.argv[1] + ("night-bus", "")[count % 2], headers={"Accept-Encoding": "br"})
    try:
        failed += not urllib.request.urlopen(request, timeout=20).read()
    except OSError:
        failed += 1
    count += 1
print(count, failed)
"""


def longest(post: Post) -> int:
    """Characters of a post's text that one tiny holds, in the template that is built in."""

    def fits(characters: int) -> bool:
        text = TEMPLATE.replace("$title", post.title).replace("$links", "")
        text = text.replace("$body", Document(post.text[:characters]).html())
        return room(Page("/", text.encode(), 1)) >= 0

    low, high = 0, len(post.text)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle) else (low, middle - 1)
    return low


def test_post_characters(figure):
    figure("post_characters", mean(map(longest, read_posts(POSTS))), "characters, ten English posts", ">= 700")


def test_publish(figure, tmp_path):
    """Onto a spare tiny that has been prepared, as it is while a blog is served; and again at once, when none has."""
    boards = []

    class Board(tinymux.SimulatedBoard):
        def open(self):
            opened = super().open()
            boards.append(opened.owner)
            return opened

    (tmp_path / "posts").mkdir()
    path = Path(shutil.copy(POSTS / "night-bus.md", tmp_path / "posts"))
    (tmp_path / "blog.toml").touch()
    publisher = Publisher(tmp_path, lambda line: None)
    with contextlib.ExitStack() as stack:
        bridge = stack.enter_context(tinymux.Bridge(Board()))
        listener = stack.enter_context(Listener("127.0.0.1:0"))
        nginx = stack.enter_context(Nginx(listener, publisher.start(bridge), bridge.namespace))
        command = [sys.executable, "-c", READER, listener.url]
        reader = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

        def seconds(before, after):
            path.write_text(path.read_text().replace(before, after))
            began = boards[0].time
            publisher.publish(bridge, nginx)
            return boards[0].time - began

        publisher.prepare(bridge)
        prepared, unprepared = seconds("six years", "nine years"), seconds("nine years", "four years")
        requests, failed = map(int, reader.communicate("end\n", timeout=30)[0].split())
    assert requests > 10
    assert failed == 0
    figure("publish_post_s", prepared, "s, one changed post, while it is read", "<= 3")
    figure("publish_unprepared_s", unprepared, "s, the same where no spare tiny is prepared")
