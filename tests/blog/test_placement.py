"""Which tiny gets what, what is left alone, and the order of flashing that keeps every page served."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinymux.blog.packing import Bundle, pack
from tinymux.blog.pages import NOT_FOUND, Page
from tinymux.blog.placement import Held, place, serving, spares, waves
from tinymux.errors import BlogError

ONE_BOARD = dict.fromkeys(range(16), 0)
TWO_BOARDS = {node: node // 16 for node in range(32)}

pytestmark = pytest.mark.usefixtures("flat")


def page(path, size=300, replicas=1, seed=0):
    """A page whose text does not compress."""
    import random

    return Page(path, random.Random(f"{path} {seed}").randbytes(size), replicas)


def held(placement):
    return {node: Held.of(bundle) for node, bundle in placement.bundles.items()}


def paths(placement):
    return {node: bundle.keys for node, bundle in placement.bundles.items()}


def test_small_pages_share_a_tiny_and_large_ones_do_not():
    bundles = pack([page("/a"), page("/b", 150), page("/c", 150), page("/d", 40)])
    assert sorted(bundle.keys for bundle in bundles) == [("/a", "/d"), ("/b", "/c")]
    assert all(bundle.room >= 0 for bundle in bundles)


def test_pages_with_different_replicas_do_not_share():
    assert len(pack([page("/a", 50), page("/b", 50, replicas=2)])) == 2


def test_each_page_of_a_tiny_has_a_name_of_its_own_and_404_has_none():
    asks = Bundle((page("/x", 50), page(NOT_FOUND, 50), page("/y", 50))).asks()
    assert asks == {"/x": "/", "/y": "/a", NOT_FOUND: "/~"}


def test_pages_that_shared_a_tiny_go_on_to_and_one_change_moves_no_other():
    pages = [page("/a", 200), page("/b", 100), page("/c", 60), page("/d", 300)]
    before = [bundle.keys for bundle in pack(pages)]
    pages[2] = page("/c", 62, seed=1)
    assert sorted(bundle.keys for bundle in pack(pages, before)) == sorted(before)


def test_replicas_are_spread_over_boards():
    placement = place(pack([page(f"/{name}", replicas=2) for name in "abcde"]), TWO_BOARDS, {})
    for name in "abcde":
        nodes = [node for node, bundle in placement.bundles.items() if bundle.keys == (f"/{name}",)]
        assert sorted(TWO_BOARDS[node] for node in nodes) == [0, 1]


def test_the_spares_that_are_kept_ready_are_those_that_are_taken_next():
    posts = [page(f"/{name}", replicas=2) for name in "abc"]
    for boards in (ONE_BOARD, TWO_BOARDS):
        first = place(pack(posts), boards, {})
        changed = [page("/a", replicas=2, seed=1), *posts[1:]]
        second = place(pack(changed), boards, held(first))
        assert set(second.changed) == set(spares(first, boards, 2))
        assert spares(first, boards, 0) == ()


def test_what_is_there_already_is_not_flashed_again():
    bundles = pack([page(f"/{name}") for name in "abc"])
    first = place(bundles, ONE_BOARD, {})
    assert len(first.changed) == 3
    again = place(bundles, ONE_BOARD, held(first))
    assert again.changed == ()
    assert paths(again) == paths(first)
    assert waves(again) == []


def test_a_changed_post_goes_to_spare_tinies_all_at_once():
    posts = [page("/a", replicas=2), page("/b")]
    first = place(pack(posts), ONE_BOARD, {})
    second = place(pack([page("/a", replicas=2, seed=1), posts[1]]), ONE_BOARD, held(first))
    assert len(second.changed) == 2
    assert not set(second.changed) & set(first.bundles)
    assert waves(second) == [second.changed]
    before = serving(second, set(), set(second.changed))
    assert set(before["/a"].nodes) <= set(first.bundles)
    after = serving(second, set(second.changed), set())
    assert after["/a"].nodes == second.changed


def test_without_spare_tinies_replicas_are_flashed_one_after_the_other():
    posts = [page(f"/{n}", replicas=2) for n in "abcdefgh"]
    first = place(pack(posts), ONE_BOARD, {})
    posts[0] = page("/a", replicas=2, seed=1)
    second = place(pack(posts), ONE_BOARD, held(first))
    order = waves(second)
    assert [len(wave) for wave in order] == [1, 1]
    assert sorted(node for wave in order for node in wave) == list(second.changed)
    # After the first step only the new version is asked for, in the second step nobody asks the other tiny.
    assert serving(second, {order[0][0]}, {order[1][0]})["/a"].nodes == order[0]


def test_a_post_on_one_tiny_without_a_spare_is_refused():
    posts = [page(f"/{n}") for n in range(16)]
    first = place(pack(posts), ONE_BOARD, {})
    posts[3] = page("/3", seed=1)
    with pytest.raises(BlogError, match=r"^/3: could not be served while its tiny is flashed.*one replica more"):
        waves(place(pack(posts), ONE_BOARD, held(first)))


def test_more_than_there_are_tinies_for_is_refused():
    with pytest.raises(BlogError, match="17 pages with their replicas take 18 tinies, and there are 16: 2 too many"):
        place(pack([page("/0", replicas=2), *(page(f"/{n}") for n in range(1, 17))]), ONE_BOARD, {})


def test_a_tiny_that_may_not_be_used_gets_nothing():
    boards = {node: 0 for node in range(16) if node != 0}
    placement = place(pack([page(f"/{n}") for n in range(15)]), boards, {})
    assert 0 not in placement.bundles


@settings(max_examples=60, deadline=None)
@given(
    sizes=st.lists(st.tuples(st.integers(20, 390), st.integers(1, 3)), min_size=1, max_size=9),
    edits=st.lists(st.tuples(st.integers(0, 8), st.integers(1, 9)), max_size=9),
    dropped=st.sets(st.integers(0, 8), max_size=4),
)
def test_whatever_changes_every_page_stays_served_or_the_plan_is_refused(sizes, edits, dropped):
    """Step by step: nothing that was served and shall be is ever without a tiny, nor is one asked that is away."""
    before = [page(f"/{n}", size, replicas) for n, (size, replicas) in enumerate(sizes)]
    after = [p for n, p in enumerate(before) if n not in dropped] or before[:1]
    for at, seed in edits:
        chosen = after[at % len(after)]
        after[at % len(after)] = replace(page(chosen.path, len(chosen.text), chosen.replicas, seed))
    try:
        first = place(pack(before), TWO_BOARDS, {})
        second = place(pack(after, [bundle.keys for bundle in first.bundles.values()]), TWO_BOARDS, held(first))
        order = waves(second)
    except BlogError:
        return
    assert sorted(node for wave in order for node in wave) == sorted(second.changed)
    kept = {p.path for p in before} & {p.path for p in after}
    done = set()
    for wave in order:
        now = serving(second, done, set(wave))
        assert kept <= set(now)
        assert not any(set(wave) & set(way.nodes) for way in now.values())
        done |= set(wave)
    final = serving(second, done, set())
    assert {path: len(way.nodes) for path, way in final.items() if path in {p.path for p in after}} == {
        p.path: p.replicas for p in after
    }
