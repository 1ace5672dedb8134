"""Spare tinies get the program ahead of time; and a published blog is served by who has not published it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from blog_site import get, load, published
from hypothesis import given
from hypothesis import strategies as st

from tinymux.blog.service import published as routes_of
from tinymux.blog.service import serve
from tinymux.errors import BlogError
from tinymux.images.blog import bare_image
from tinymux.programmer import _added
from tinymux.web import Listener

POSTS = Path(__file__).parent / "posts"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("blog")
    (folder / "posts").mkdir()
    shutil.copy(POSTS / "night-bus.md", folder / "posts")
    (folder / "blog.toml").write_text("index_replicas = 1\n")
    with published(folder, network="10.20.0.0/24", prefix="spr") as site:
        yield site


def flash(site, node):
    return site.board.opened[-1].tiny(node).flash


def test_only_pages_are_written_into_a_prepared_spare(site):
    site.publisher.prepare(site.bridge)
    spare = site.publisher.ready
    assert len(spare) == 4
    assert not spare & set(site.publisher.held)
    assert spare == {int(line[5:7]) for line in site.told if "no page; gets the program" in line}
    spare = set(spare)
    bare = bare_image().data
    for node in spare:
        assert flash(site, node) == bare.ljust(1024, b"\xff")
        assert site.board.opened[-1].tiny(node).in_reset
        site.board.opened[-1].tune(node, erase_s=1.0)  # longer than is waited for: to erase one now would fail
    with load(site, ["/", "/night-bus"]) as (bad, count):
        site.edit("night-bus", "six years", "nine years")
        site.publish()
    assert site.publisher.broken == set()
    assert bad == []
    assert count[0] > 10
    assert "nine years" in site.get("/night-bus")[1]
    (node,) = (node for node in spare if node in site.publisher.held)
    bundle = site.publisher.plan.placement.bundles[node]
    assert flash(site, node) == bundle.image().data.ljust(1024, b"\xff")
    assert node not in site.publisher.ready
    assert not site.board.opened[-1].tiny(node).in_reset
    site.publisher.prepare(site.bridge)  # the one that had the old version, or another one
    assert len(site.publisher.ready) >= 4
    assert not site.publisher.ready & set(site.publisher.held)


@given(st.data())
def test_what_is_added_to_a_flash_makes_it_what_it_should_be_or_is_nothing(data):
    """Each word that is not as wanted is written once, and was erased before."""
    erased = b"\xff\xff"
    words = st.sampled_from([erased, b"\x00\x00", b"\xff\x00", b"\x12\x34"])
    found = data.draw(st.lists(words, min_size=1, max_size=8))
    wanted = [data.draw(st.one_of(st.just(word), words)) for word in found]
    added = _added(b"".join(found), b"".join(wanted))
    if added:
        after = bytes(a & b for a, b in zip(b"".join(found), added, strict=True))
        assert after == b"".join(wanted)
        parts = [added[at : at + 2] for at in range(0, len(added), 2)]
        assert all(has == erased for has, part in zip(found, parts, strict=True) if part != erased)
    else:
        assert any(has not in (want, erased) for has, want in zip(found, wanted, strict=True))


def test_what_was_published_is_served_without_looking_at_posts(site):
    """By whoever has the folder and a Bridge: the daemon, after a start of its own."""
    bad = site.folder / "posts" / "bad.md"
    bad.write_text("no front matter")
    try:
        with Listener("127.0.0.1:0") as listener, serve(site.folder, site.bridge, listener) as nginx:
            for path in ("/", "/night-bus", "/night-bus/2", "/feed"):
                for accepted in ("br", "identity"):
                    status, text, _ = get(listener.address, path, accepted)
                    assert (status, text) == site.get(path, accepted)
                    assert status == 200
            assert get(listener.address, "/nothing")[0] == 404
            nginx.check()
    finally:
        bad.unlink()


def test_what_was_not_published_here_is_said(site, tmp_path):
    (tmp_path / "blog.toml").touch()
    with pytest.raises(BlogError, match="nothing was published yet"):
        routes_of(tmp_path, site.bridge)
    record = '[{"node": 40, "digest": "x", "asks": {"/": "/"}}]'
    (tmp_path / "published.json").write_text(record)
    with pytest.raises(BlogError, match="on 41 tinies or more, and here are 16"):
        routes_of(tmp_path, site.bridge)
    (tmp_path / "published.json").write_text(record.replace("40", "3"))
    (route,) = routes_of(tmp_path, site.bridge).routes
    assert (route.path, route.encoding, route.tinies) == ("/", "br", (site.bridge.nodes[3].address,))
    (tmp_path / "published.json").write_text("[{}]")
    with pytest.raises(BlogError, match="damaged"):
        routes_of(tmp_path, site.bridge)


def test_replicas_are_on_both_of_two_boards(tmp_path):
    (tmp_path / "posts").mkdir()
    (tmp_path / "posts" / "a.md").write_text("---\ntitle: A\ndate: 2026-01-02\nreplicas: 2\n---\nText.\n")
    (tmp_path / "blog.toml").write_text("spares = 0\n")
    with published(tmp_path, boards=2, network="10.23.0.0/24", prefix="two") as site:
        nodes = site.bridge.nodes
        for path in ("/", "/a"):
            held = [node for node, has in site.publisher.held.items() if path in has.asks]
            assert {nodes[node].board for node in held} == {0, 1}
            assert len(held) == 2
        assert site.get("/a")[0] == 200
        site.edit("a", "Text.", "New.")
        site.publish()
        assert "New." in site.get("/a")[1]
        assert {nodes[node].board for node, has in site.publisher.held.items() if "/a" in has.asks} == {0, 1}
