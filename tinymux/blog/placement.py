"""Which tiny gets which pages: replicas spread over boards, and as little moved as can be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tinymux.blog.packing import Bundle
from tinymux.errors import BlogError


@dataclass(frozen=True)
class Held:
    """What a tiny has been flashed with: its image's digest, and for each page's key what to ask it for, and how the
    answer is encoded."""

    digest: str
    asks: Mapping[str, str]
    encodings: Mapping[str, str]

    @classmethod
    def of(cls, bundle: Bundle) -> Held:
        """What a tiny holds after this bundle's image was flashed."""
        return cls(bundle.digest, bundle.asks(), {page.key: page.encoding for page in bundle.pages})


@dataclass(frozen=True)
class Placement:
    """Bundles by node; nodes without one are spare."""

    bundles: Mapping[int, Bundle]
    held: Mapping[int, Held]  # what they hold so far, by node

    @property
    def changed(self) -> tuple[int, ...]:
        """Nodes that must be flashed."""
        return tuple(
            node
            for node, bundle in sorted(self.bundles.items())
            if node not in self.held or self.held[node].digest != bundle.digest
        )


def place(bundles: Sequence[Bundle], boards: Mapping[int, int], held: Mapping[int, Held]) -> Placement:
    """Find nodes for all replicas of all bundles.

    boards: the board of each node that may be used. A node that holds the right image already keeps it. What has
    changed goes to spare nodes where there are any, so that the old version is served until the new one is; else to
    where the old one is. BlogError where there are fewer tinies than replicas.
    """
    wanted = sum(bundle.replicas for bundle in bundles)
    if wanted > len(boards):
        pages = sum(len(bundle.pages) for bundle in bundles)
        raise BlogError(
            f"{pages} pages with their replicas take {wanted} tinies, and there are {len(boards)}:"
            f" {wanted - len(boards)} too many; fewer posts, shorter posts, or fewer replicas"
        )
    chosen: dict[int, Bundle] = {}
    # Whole boards of them first: the bundles with the most replicas are the hardest to spread.
    order = sorted(bundles, key=lambda bundle: -bundle.replicas)
    for bundle in order:
        same = [node for node in boards if node not in chosen and node in held and held[node].digest == bundle.digest]
        for node in _spread(same, boards, bundle.replicas, []):
            chosen[node] = bundle
    for bundle in order:
        has = [node for node, other in chosen.items() if other is bundle]
        missing = bundle.replicas - len(has)
        free = [node for node in boards if node not in chosen]
        kept = {key for other in bundles for key in other.keys}
        spare = [node for node in free if node not in held or not kept & set(held[node].asks)]
        own = [node for node in free if node in held and set(held[node].asks) & set(bundle.keys)]
        for candidates in (spare, own, free):
            more = _spread([node for node in candidates if node not in chosen], boards, missing, has)
            for node in more:
                chosen[node] = bundle
            has += more
            missing -= len(more)
    return Placement(chosen, dict(held))


def spares(placement: Placement, boards: Mapping[int, int], count: int) -> tuple[int, ...]:
    """So many nodes without a bundle, those that `place` would take next."""
    return tuple(_spread([node for node in boards if node not in placement.bundles], boards, count, []))


def _spread(candidates: Sequence[int], boards: Mapping[int, int], count: int, has: Sequence[int]) -> list[int]:
    """So many of the candidates, each from the board with the fewest of them so far."""
    used = [boards[node] for node in has]
    room = {board: [boards[node] for node in candidates].count(board) for board in set(boards.values())}
    left = list(candidates)
    taken: list[int] = []
    while left and len(taken) < count:
        node = min(left, key=lambda node: (used.count(boards[node]), -room[boards[node]], node))
        left.remove(node)
        taken.append(node)
        used.append(boards[node])
        room[boards[node]] -= 1
    return taken


@dataclass(frozen=True)
class Serving:
    """Who has a page: what to ask for, the nodes, the digest of the image that they all have, and the encoding."""

    ask: str
    nodes: tuple[int, ...]
    digest: str
    encoding: str


def waves(placement: Placement) -> list[tuple[int, ...]]:
    """The changed nodes in the order of flashing, any number at once, so that each page that is served now, and shall
    be served afterwards, always is. BlogError where that cannot be."""
    pending = list(placement.changed)
    kept = {key for has in placement.held.values() for key in has.asks}
    kept &= {key for bundle in placement.bundles.values() for key in bundle.keys}
    done: set[int] = set()
    order: list[tuple[int, ...]] = []
    while pending:
        wave: list[int] = []
        for node in pending:
            now = serving(placement, done, {*wave, node})
            if all(key in now for key in kept):
                wave.append(node)
        if not wave:
            lost = sorted({key for node in pending for key in placement.held[node].asks} & kept)
            raise BlogError(
                f"{', '.join(lost)}: could not be served while its tiny is flashed, for no other has it and none is"
                " spare: give it one replica more, or free a tiny"
            )
        order.append(tuple(wave))
        done.update(wave)
        pending = [node for node in pending if node not in done]
    return order


def serving(placement: Placement, done: set[int], away: set[int]) -> dict[str, Serving]:
    """Who has each page, by its key, when `done` of the changed nodes are flashed and those of `away` are on the way.

    As soon as one node has the new version of a page, none with an old one is asked any more.
    """
    changed = set(placement.changed)
    new: dict[str, Serving] = {}
    old: dict[str, dict[tuple[str, str, str], list[int]]] = {}
    for node, bundle in sorted(placement.bundles.items()):
        if node not in away and (node in done or node not in changed):
            has = Held.of(bundle)
            for key, ask in has.asks.items():
                others = new[key].nodes if key in new else ()
                new[key] = Serving(ask, (*others, node), has.digest, has.encodings[key])
    for node, has in sorted(placement.held.items()):
        if node not in away and node not in done:
            for key, ask in has.asks.items():
                old.setdefault(key, {}).setdefault((ask, has.digest, has.encodings[key]), []).append(node)
    for key, versions in old.items():
        if key not in new:
            (ask, digest, encoding), nodes = max(versions.items(), key=lambda version: len(version[1]))
            new[key] = Serving(ask, tuple(nodes), digest, encoding)
    return new
