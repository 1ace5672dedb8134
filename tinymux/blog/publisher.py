"""A folder onto the tinies of a running Bridge: planned, flashed where it changed, routed, and never out of service."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path

from tinymux.blog.packing import pack, room
from tinymux.blog.pages import HTML, KINDS, MICROBLOG, NOT_FOUND, Blog
from tinymux.blog.placement import Held, Placement, Serving, place, serving, spares, waves
from tinymux.blog.record import read_record, write_record
from tinymux.blog.settings import Settings
from tinymux.bridge import Bridge
from tinymux.errors import BlogError
from tinymux.images import Image
from tinymux.images.blog import bare_image
from tinymux.outcomes import Outcome
from tinymux.programmer import Programmer
from tinymux.web import Nginx, Route, Routes

PLAIN_SOCKET = "plain.sock"  # in nginx's folder; see plain.py

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Plan:
    """What shall be: a blog, its placement, in which order the changed tinies are flashed, and which are kept ready."""

    blog: Blog
    placement: Placement
    waves: tuple[tuple[int, ...], ...]
    spares: tuple[int, ...]

    @classmethod
    def make(cls, folder: Path, boards: Mapping[int, int], held: Mapping[int, Held], rolling: bool) -> Plan:
        """Plan for the nodes in `boards`, with what they hold now. rolling: what is served must stay served."""
        usable = {node: has for node, has in held.items() if node in boards}
        blog = Blog.read(folder, room)
        together = dict.fromkeys(tuple(has.asks) for has in usable.values())
        try:
            placement = place(pack(blog.pages, tuple(together)), boards, usable)
        except BlogError as error:
            raise BlogError(f"{folder / 'posts'}: {error}{_longest(blog)}") from None
        order = waves(placement) if rolling else [placement.changed] if placement.changed else []
        return cls(blog, placement, tuple(order), spares(placement, boards, blog.settings.spares))

    def lines(self) -> list[str]:
        """The plan for a person: each node, what it will have, and what happens to it."""
        wave_of = {node: number for number, wave in enumerate(self.waves, start=1) for node in wave}
        lines = []
        for node, bundle in sorted(self.placement.bundles.items()):
            what = f"flash in step {wave_of[node]}" if node in wave_of else "unchanged"
            lines.append(f"node {node:2}: {', '.join(bundle.keys)}; {bundle.room} bytes left: {what}")
        lines += [f"node {node:2}: no page; gets the program, and waits for one" for node in sorted(self.spares)]
        changed = len(self.placement.changed)
        lines.append(f"{changed} of {len(self.placement.bundles)} tinies to flash, in {len(self.waves)} steps")
        return lines

    def routes(self, now: Mapping[str, Serving], addresses: Mapping[int, IPv4Address]) -> Routes:
        """nginx's routes for who serves what now."""
        served = {page.key: now[page.key] for page in self.blog.pages if page.key in now}
        return routes(self.blog.settings, served, addresses)


def routes(settings: Settings, now: Mapping[str, Serving], addresses: Mapping[int, IPv4Address]) -> Routes:
    """nginx's routes for pages, by their keys, and who has them."""
    made = []
    for key, way in now.items():
        path = key.partition(" ")[0]
        tinies = tuple(addresses[node] for node in way.nodes)
        kind = KINDS.get(path, HTML)
        made.append(Route(path, way.ask, tinies, kind, way.digest, path == MICROBLOG, way.encoding))
    return Routes(
        tuple(route for route in made if route.path != NOT_FOUND),
        tuple(route for route in made if route.path == NOT_FOUND),
        post=MICROBLOG,
        credentials=settings.user(),
        plain=f"../{PLAIN_SOCKET}",
        cache_seconds=settings.cache_seconds,
    )


class Publisher:
    """Keeps the tinies of a Bridge as a blog's folder says.

    `start` is for tinies that serve nothing yet; `publish` for when nginx is in front of them; `prepare` for whenever
    there is time. tell: gets each line of news.
    """

    def __init__(self, folder: Path, tell: Tell = print) -> None:
        self.folder, self.tell = folder, tell
        self.held: dict[int, Held] = {}
        self.broken: set[int] = set()  # could not be flashed; not used any more
        self.ready: set[int] = set()  # spare, and prepared
        self.plan: Plan | None = None
        self.routes: Routes | None = None

    def start(self, bridge: Bridge) -> Routes:
        """Flash all tinies that differ, at once, and say how nginx shall route. For a Bridge that has just started."""
        expected = read_record(self.folder)
        while True:
            plan = Plan.make(self.folder, self._boards(bridge), expected, rolling=False)
            for line in plan.lines():
                self.tell(line)
            # What the record says is only believed after a look at the tinies: those that match are not written.
            failed = self._flash(bridge, _images(plan, plan.placement.bundles))
            if not failed:
                break
            self._lost(failed)
        return self._settled(bridge, plan)

    def publish(self, bridge: Bridge, nginx: Nginx) -> None:
        """Bring the tinies from what they hold to what the folder says, step by step, without any path failing."""
        began = time.monotonic()
        while not self._roll(bridge, nginx):
            pass
        self.tell(f"published in {time.monotonic() - began:.1f} s")

    def prepare(self, bridge: Bridge) -> None:
        """Write the program without pages into spare tinies, so that the next publishing has only pages to write, in
        half the time. They stay in reset until then."""
        wanted = set(self.plan.spares) - self.ready - self.broken if self.plan else set()
        failed = self._flash(bridge, dict.fromkeys(wanted, bare_image()), start=False, tell=lambda line: None)
        self.ready |= wanted - set(failed)
        self.broken.update(failed)

    def _roll(self, bridge: Bridge, nginx: Nginx) -> bool:
        """One plan carried out; False where a tiny failed, so that there must be another."""
        plan = Plan.make(self.folder, self._boards(bridge), self.held, rolling=True)
        for line in plan.lines():
            self.tell(line)
        done: set[int] = set()
        failed: list[int] = []
        for wave in plan.waves:
            self._route(bridge, nginx, plan, done, set(wave))
            nginx.settle()  # no worker is left that would ask one of these
            # Where none is prepared, all are known to differ, and need no look first.
            failed = self._flash(bridge, _images(plan, wave), always=not self.ready & set(wave))
            done.update(set(wave) - set(failed))
            for node in wave:
                self.held.pop(node, None)
                if node not in failed:
                    self.held[node] = Held.of(plan.placement.bundles[node])
            if failed:
                break
        self._route(bridge, nginx, plan, done, set(failed))
        nginx.settle()  # nobody gets an older version any more
        self._lost(failed)
        if not failed:
            self._settled(bridge, plan)
        return not failed

    def _boards(self, bridge: Bridge) -> dict[int, int]:
        return {node.index: node.board for node in bridge.nodes if node.index not in self.broken}

    def _route(self, bridge: Bridge, nginx: Nginx, plan: Plan, done: set[int], away: set[int]) -> None:
        routes = plan.routes(serving(plan.placement, done, away), {n.index: n.address for n in bridge.nodes})
        if routes != self.routes:
            nginx.reload(routes)
            self.routes = routes

    def _settled(self, bridge: Bridge, plan: Plan) -> Routes:
        self.plan = plan
        done = set(plan.placement.bundles)
        self.routes = plan.routes(serving(plan.placement, done, set()), {n.index: n.address for n in bridge.nodes})
        # What a tiny without a part in this plan still has is an older version, which nobody shall get: it is spare.
        self.held = {node: Held.of(bundle) for node, bundle in plan.placement.bundles.items()}
        write_record(self.folder, self.held)
        return self.routes

    def _flash(
        self,
        bridge: Bridge,
        images: Mapping[int, Image],
        *,
        always: bool = False,
        start: bool = True,
        tell: Tell | None = None,
    ) -> list[int]:
        """Flash these nodes, all boards at the same time; those that failed."""
        boards: dict[int, dict[int, int]] = {}
        for node in images:
            boards.setdefault(bridge.nodes[node].board, {})[bridge.nodes[node].lane] = node
            self.ready.discard(node)
        if not boards:
            return []

        def one(board: int) -> list[Outcome]:
            lanes = {lane: images[node] for lane, node in boards[board].items()}
            return Programmer.on(bridge, board).flash(lanes, always=always, start=start)

        failed = []
        with ThreadPoolExecutor(max_workers=len(boards)) as pool:
            for board, outcomes in zip(boards, pool.map(one, boards), strict=True):
                for outcome in outcomes:
                    node = boards[board][outcome.lane]
                    told = f"node {node:2}: {outcome.action}{f': {outcome.reason}' if outcome.reason else ''}"
                    (tell or self.tell)(told)
                    if not outcome.ok:
                        failed.append(node)
        return failed

    def _lost(self, failed: Iterable[int]) -> None:
        """Plan without these tinies from now on."""
        for node in failed:
            self.broken.add(node)
            self.held.pop(node, None)

    def status(self, bridge: Bridge) -> list[str]:
        """Each node and what it has."""
        if not self.plan:
            raise BlogError("nothing is published yet")
        return status_lines(self.held, self.broken, len(bridge.nodes))


def _longest(blog: Blog) -> str:
    """Which post takes the most tinies, where one takes several."""
    takes = {post: sum(page.replicas for page in blog.pages if page.source == str(post.path)) for post in blog.posts}
    post, count = max(takes.items(), key=lambda item: item[1])
    return f"; {post.where(1)}: takes the most, {count}" if count > 1 else ""


def _images(plan: Plan, nodes: Iterable[int]) -> dict[int, Image]:
    return {node: plan.placement.bundles[node].image() for node in nodes}


def status_lines(held: Mapping[int, Held], broken: Collection[int], count: int) -> list[str]:
    """What is where, a line for each node."""
    return [
        f"node {node:2}: " + (", ".join(held[node].asks) if node in held else "failed" if node in broken else "spare")
        for node in range(count)
    ]
