"""Which tiny gets which pages: replicas spread over boards, and as little moved as can be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tinymux.blog.packing import Bundle
from tinymux.errors import BlogError


@dataclass(frozen=True)
class Held:
    """What a tiny has been flashed with: its image's digest, and for each of the blog's paths what to ask it for."""

    digest: str
    asks: Mapping[str, str]

    @classmethod
    def of(cls, bundle: Bundle) -> Held:
        """What a tiny holds after this bundle's image was flashed."""
        return cls(bundle.digest, bundle.asks())


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
        kept = {path for other in bundles for path in other.paths}
        spare = [node for node in free if node not in held or not kept & set(held[node].asks)]
        own = [node for node in free if node in held and set(held[node].asks) & set(bundle.paths)]
        for candidates in (spare, own, free):
            more = _spread([node for node in candidates if node not in chosen], boards, missing, has)
            for node in more:
                chosen[node] = bundle
            has += more
            missing -= len(more)
    return Placement(chosen, dict(held))


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
    """Who answers a path: what to ask for, the nodes, and the digest of the image that they all have."""

    ask: str
    nodes: tuple[int, ...]
    digest: str


def waves(placement: Placement) -> list[tuple[int, ...]]:
    """The changed nodes in the order of flashing, any number at once, so that each path that is served now, and shall
    be served afterwards, always is. BlogError where that cannot be."""
    pending = list(placement.changed)
    kept = {path for has in placement.held.values() for path in has.asks}
    kept &= {path for bundle in placement.bundles.values() for path in bundle.paths}
    done: set[int] = set()
    order: list[tuple[int, ...]] = []
    while pending:
        wave: list[int] = []
        for node in pending:
            now = serving(placement, done, {*wave, node})
            if all(path in now for path in kept):
                wave.append(node)
        if not wave:
            lost = sorted({path for node in pending for path in placement.held[node].asks} & kept)
            raise BlogError(
                f"{', '.join(lost)}: could not be served while its tiny is flashed, for no other has it and none is"
                " spare: give it one replica more, or free a tiny"
            )
        order.append(tuple(wave))
        done.update(wave)
        pending = [node for node in pending if node not in done]
    return order


def serving(placement: Placement, done: set[int], away: set[int]) -> dict[str, Serving]:
    """Who answers each path when `done` of the changed nodes are flashed and those of `away` are being flashed.

    As soon as one node has the new version of a page, none with an old one is asked any more.
    """
    changed = set(placement.changed)
    new: dict[str, Serving] = {}
    old: dict[str, dict[tuple[str, str], list[int]]] = {}
    for node, bundle in sorted(placement.bundles.items()):
        if node not in away and (node in done or node not in changed):
            for path, ask in bundle.asks().items():
                new[path] = Serving(ask, (*(new[path].nodes if path in new else ()), node), bundle.digest)
    for node, has in sorted(placement.held.items()):
        if node not in away and node not in done:
            for path, ask in has.asks.items():
                old.setdefault(path, {}).setdefault((has.digest, ask), []).append(node)
    for path, versions in old.items():
        if path not in new:
            (digest, ask), nodes = max(versions.items(), key=lambda version: len(version[1]))
            new[path] = Serving(ask, tuple(nodes), digest)
    return new
