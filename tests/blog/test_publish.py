"""Publishing onto the simulated board: real firmware, real tuns, real nginx, and a real browser."""

from __future__ import annotations

import base64
import contextlib
import gzip
import http.client
import re
import shutil
import subprocess
import threading
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

import feedparser
import pytest

import tinymux
from tinymux.blog.compress import decompress
from tinymux.blog.plain import Plain
from tinymux.blog.publisher import PLAIN_SOCKET, Publisher
from tinymux.errors import BlogError
from tinymux.outcomes import Outcome
from tinymux.programmer import Programmer
from tinymux.web import Listener, Nginx

HERE = Path(__file__).parent
SETTINGS = """\
title = "Tiny stories"
url = "http://example.org"
microblog = true
credentials = "who"
"""


@dataclass(frozen=True)
class TimedBoard(tinymux.SimulatedBoard):
    """The simulated board, which tells its own time, in seconds."""

    opened: list = field(default_factory=list, compare=False)

    def open(self):
        opened = super().open()
        self.opened.append(opened.owner)
        return opened

    @property
    def time(self):
        return self.opened[-1].time


class Site:
    """A published blog: the folder, its publisher, and who serves it."""

    def __init__(self, folder, bridge, board, stack):
        self.folder, self.bridge, self.board = folder, bridge, board
        self.told = []
        self.publisher = Publisher(folder, self.told.append)
        listener = stack.enter_context(Listener("127.0.0.1:0"))
        self.nginx = stack.enter_context(Nginx(listener, self.publisher.start(bridge), bridge.namespace))
        stack.enter_context(Plain(self.nginx.folder / PLAIN_SOCKET, listener.address))
        self.address, self.url = listener.address, listener.url

    def get(self, path="/", accept="br"):
        """Status and text."""
        host, port = self.address.rsplit(":", 1)
        connection = http.client.HTTPConnection(host, int(port), timeout=20)
        with contextlib.closing(connection):
            connection.request("GET", path, headers={"Accept-Encoding": accept})
            answer = connection.getresponse()
            self.encoding = encoding = answer.headers["Content-Encoding"]
            decode = {"br": decompress, "gzip": gzip.decompress, None: bytes}[encoding]
            return answer.status, decode(answer.read()).decode()

    def edit(self, name, before, after):
        path = self.folder / "posts" / f"{name}.md"
        text = path.read_text()
        assert before in text
        path.write_text(text.replace(before, after))

    def publish(self):
        self.told.clear()
        self.publisher.publish(self.bridge, self.nginx)

    def written(self):
        return [line for line in self.told if line.endswith(": written")]


@contextlib.contextmanager
def published(folder, **bridge):
    board = TimedBoard()
    with contextlib.ExitStack() as stack:
        bridge = stack.enter_context(tinymux.Bridge(board, **bridge))
        yield Site(folder, bridge, board, stack)


@contextlib.contextmanager
def load(site, paths, clients=4, accept="br"):
    """Clients that ask for these pages without end; yields each answer's status that was not 200, and a count."""
    stop, bad, count = threading.Event(), [], [0]

    def ask(number):
        while not stop.is_set():
            path = paths[(number + count[0]) % len(paths)]
            status, text = site.get(path, accept)
            count[0] += 1
            if status != 200 or "</title>" not in text:
                bad.append((path, status))

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    try:
        yield bad, count
    finally:
        stop.set()
        for thread in threads:
            thread.join()


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Three of the test posts on a board, for all tests that leave it as it was or better."""
    folder = tmp_path_factory.mktemp("blog")
    (folder / "posts").mkdir()
    for name in ("night-bus", "bread-on-sunday", "the-sound-of-fog"):
        shutil.copy(HERE / "posts" / f"{name}.md", folder / "posts")
    (folder / "blog.toml").write_text(SETTINGS)
    (folder / "who").write_text("ann:s3cret\n")
    (folder / "who").chmod(0o600)
    with published(folder) as site:
        yield site


def test_every_page_is_served_with_and_without_brotli(site):
    pages = site.publisher.plan.blog.pages
    assert len(pages) >= 9
    for page in pages:
        if page.path == "/now":
            continue
        status = 404 if page.path == "/404" else 200
        assert site.get(page.path) == (status, page.text.decode())
        assert site.get(page.path, "gzip") == (status, page.text.decode())
    assert site.get("/nothing-like-that")[0] == 404


def test_a_feed_reader_reads_the_feed_of_a_running_blog(site):
    feed = feedparser.parse(f"{site.url}feed")
    assert not feed.bozo
    assert feed.status == 200
    assert [entry.title for entry in feed.entries] == ["Bread on Sunday", "Night bus", "The sound of fog"]


def test_publishing_again_flashes_nothing(site):
    site.publish()
    assert site.written() == []
    assert any(line.startswith("0 of ") for line in site.told)


def test_one_changed_post_is_published_without_a_failed_request(site):
    paths = [page.path for page in site.publisher.plan.blog.pages if page.path not in ("/404", "/feed")]
    assert "/now" in paths
    with load(site, paths) as (bad, count):
        time.sleep(0.2)
        site.edit("night-bus", "six years", "nine years")
        began = site.board.time
        site.publish()
        seconds = site.board.time - began
        time.sleep(0.2)
    print(f"publish_post_s {seconds:.2f}, {count[0]} requests meanwhile")
    assert bad == []
    assert count[0] > 20
    assert len(site.written()) <= 2
    assert "nine years" in site.get("/night-bus")[1]
    assert seconds <= 6  # 3 where nobody else needs the processors: benchmarks/bench_blog.py


def test_a_post_without_spare_tinies_is_rolled_over_its_replicas_under_load(tmp_path):
    (tmp_path / "posts").mkdir()
    for number in range(7):
        text = f"---\ntitle: Post {number}\ndate: 2026-01-0{number + 1}\nreplicas: 2\n---\n"
        body = " ".join(f"Word {n * 7919 % 1000}." for n in range(80))
        (tmp_path / "posts" / f"{number}.md").write_text(f"{text}{body} First version.\n")
    (tmp_path / "blog.toml").write_text("index_replicas = 1\n")
    apart = published(tmp_path, network="10.17.0.0/24", prefix="roll")
    with apart as site, load(site, ["/", "/post-3"]) as (bad, _):
        site.publisher.broken = set(range(16)) - set(site.publisher.held)  # so that none is spare
        site.edit("3", "First", "Second")
        site.publish()
        assert len(site.written()) == 2
        assert "Second version" in site.get("/post-3")[1]
    assert bad == []


def test_each_client_gets_pages_as_it_takes_them_also_while_that_changes(tmp_path):
    """br and gzip from tinies that have them so, plain text by nginx's own gunzip; then gzip alone."""
    (tmp_path / "posts").mkdir()
    shutil.copy(HERE / "posts" / "bread-on-sunday.md", tmp_path / "posts")
    settings = tmp_path / "blog.toml"
    settings.write_text('encodings = ["br", "gzip"]\nindex_replicas = 1\n')
    with published(tmp_path, network="10.19.0.0/24", prefix="enc") as site:
        pages = {page.path: page for page in site.publisher.plan.blog.pages if not page.also}
        paths = [path for path in pages if path != "/404"]
        both = {page.path for page in site.publisher.plan.blog.pages if page.also}
        assert len(both) >= 4
        for path, page in pages.items():
            for accepted, encoding in (("gzip, br", "br"), ("gzip", "gzip"), ("identity", None)):
                assert site.get(path, accepted) == (404 if path == "/404" else 200, page.text.decode())
                if path in both or encoding != "gzip":
                    assert site.encoding == encoding
        settings.write_text('encodings = ["gzip"]\nindex_replicas = 1\n')
        with load(site, [path for path in paths if path in both and path != "/feed"], accept="gzip") as (bad, count):
            site.publish()
        assert bad == []
        assert count[0] > 10
        for path in ("/", "/bread-on-sunday"):
            for accepted, encoding in (("gzip, br", "gzip"), ("gzip", "gzip"), ("identity", None)):
                assert site.get(path, accepted)[0] == 200
                assert site.encoding == encoding


def test_what_cannot_be_published_is_refused_before_anything_is_flashed(site):
    bad = site.folder / "posts" / "bad.md"
    bad.write_text("---\ntitle: Night bus\ndate: 2026-01-01\n---\nThe same slug.\n")
    try:
        with pytest.raises(BlogError, match="the slug 'night-bus' is that of"):
            site.publish()
        bad.write_text("---\ntitle: Many\ndate: 2026-01-01\nreplicas: 20\n---\nText.\n")
        with pytest.raises(BlogError, match="tinies, and there are 16"):
            site.publish()
    finally:
        bad.unlink()
    assert site.told == []
    assert site.get("/night-bus")[0] == 200


def test_a_tiny_that_cannot_be_flashed_is_left_out_and_another_one_takes_its_place(site, monkeypatch):
    flash = Programmer.flash
    failed = []

    def fails_once(programmer, images, **options):
        if failed:
            return flash(programmer, images, **options)
        failed.extend(images)
        return [Outcome("simulated", lane, "failed", reason="no answer") for lane in images]

    monkeypatch.setattr(Programmer, "flash", fails_once)
    site.edit("bread-on-sunday", "four lines", "five lines")
    site.publish()
    assert failed
    assert not set(failed) & set(site.publisher.held)
    assert "five lines" in site.get("/bread-on-sunday")[1]
    status = site.publisher.status(site.bridge)
    assert all(status[node].endswith("failed") for node in failed)


@pytest.mark.skipif(not shutil.which("chromium"), reason="needs Debian's chromium")
def test_a_browser_reads_the_index_and_follows_it_to_a_post(site, tmp_path):
    assert ">Night bus</a>" in browser(tmp_path, site.url, "--dump-dom")
    link = f"{site.url}night-bus"
    shown = browser(tmp_path, link, "--dump-dom")
    assert "<title>Night bus</title>" in shown
    assert "</p>" in shown  # parsed by a browser: the end tags that were left out are there
    picture = tmp_path / "post.png"
    browser(tmp_path, link, f"--screenshot={picture}", "--window-size=800,600")
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_an_entry_is_posted_by_who_may_and_is_seen(site):
    def post(text, user="ann:s3cret"):
        login = "Basic " + base64.b64encode(user.encode()).decode()
        request = urllib.request.Request(f"{site.url}now", f"t={text}\r\n".encode(), {"Authorization": login})
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status

    assert post("Hello, world") == 200
    assert re.search(r"<pre>Visit [ \d]{3} Hello, world    ", site.get("/now")[1])
    assert re.search(r"<pre>Visit [ \d]{3} Hello, world    ", site.get("/now", "gzip")[1])
    with pytest.raises(urllib.error.HTTPError, match="401"):
        post("Not me", "ann:guess")
    assert post("Sixteen letters!") == 200
    assert re.search(r"<pre>Visit [ \d]{3} Sixteen letters!", site.get("/now")[1])


@pytest.mark.skipif(not shutil.which("chromium"), reason="needs Debian's chromium")
def test_a_browser_posts_an_entry_and_shows_it(site, tmp_path):
    form = (
        f'<form method=post enctype=text/plain action="http://ann:s3cret@{site.address}/now">'
        '<input name=t value="From a browser"></form><script>document.forms[0].submit()</script>'
    )
    (tmp_path / "form.html").write_text(form)
    shown = browser(tmp_path, f"file://{tmp_path}/form.html", "--dump-dom", "--virtual-time-budget=3000")
    assert re.search(r"<pre>Visit [ \d]{3} From a browser  ", shown)


def browser(folder, url, *what):
    """Run Chromium without a screen, on a page; what it prints."""
    command = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder}/profile"]
    command += ["--no-first-run", "--disable-background-networking", "--disable-dev-shm-usage", "--timeout=15000"]
    done = subprocess.run([*command, *what, url], capture_output=True, text=True, timeout=60, check=True)
    return done.stdout
