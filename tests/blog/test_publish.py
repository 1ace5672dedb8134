"""Publishing onto the simulated board: real firmware, real tuns, real nginx."""

from __future__ import annotations

import base64
import re
import shutil
import time
import urllib.error
import urllib.request
from pathlib import Path

import feedparser
import pytest
from blog_site import load, published

from tinymux.errors import BlogError
from tinymux.outcomes import Outcome
from tinymux.programmer import Programmer

HERE = Path(__file__).parent
SETTINGS = """\
title = "Tiny stories"
url = "http://example.org"
microblog = true
credentials = "who"
"""


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
        with pytest.raises(BlogError, match=r"/posts: .* tinies, and there are 16: .*bad\.md:1: takes the most, 20$"):
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
