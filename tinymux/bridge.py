"""A board's lanes as network interfaces: Bridge brings them up, counts, and takes them away again."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from tinymux._tables import PROTOCOL
from tinymux.counters import Counters
from tinymux.errors import BoardError, TinymuxError
from tinymux.images import Image
from tinymux.namespace import Namespace
from tinymux.network import Plan, interface_names
from tinymux.watch import Watch

if TYPE_CHECKING:
    from tinymux._engine import Capture, Engine
    from tinymux.boards import Board, OpenBoard
    from tinymux.tuns import Interfaces, Keeper

NETWORK = "10.16.0.0/24"
PREFIX = "tmx"
NOT_RUNNING = "this Bridge is not running: call start() first, or use it in a with statement"
DEFAULT_MTU = 576  # where a tiny's image is not known; see images.Image


@dataclass(frozen=True)
class Node:
    """One tiny as the host sees it. `index` counts over all boards, `lane` within its own."""

    index: int
    board: int
    lane: int
    interface: str
    address: IPv4Address
    _bridge: Bridge = field(repr=False, compare=False)

    @property
    def image(self) -> Image | None:
        """What the tiny runs, or None where that is not known; after it was flashed, its new one."""
        return self._bridge._images[self.index]

    @property
    def mtu(self) -> int:
        """The interface's MTU: its image's."""
        return self.image.mtu if self.image else DEFAULT_MTU

    @property
    def counters(self) -> Counters:
        """Its counters as they are now; after the Bridge's end, as they were then."""
        return self._bridge._counters(self)

    def reset(self) -> None:
        """Hold the tiny in reset for a moment; it starts anew while the others go on."""
        self._bridge._running_engine().reset(self.board, self.lane)


class Bridge:
    """Boards on one side, one network interface per tiny on the other.

        with tinymux.Bridge(tinymux.SimulatedBoard()) as bridge:
            print(bridge.nodes[3].address, bridge.nodes[3].counters)

    network: IPv4 network to take addresses from; the host has its first, node n the one after 16 + n.
    netns: name of a network namespace (`ip netns`) for the interfaces; made, and removed again, where there is none
        of that name. The caller's, where None.
    prefix: what interface names begin with; node n has prefix + n.
    plain_tcp: turn TCP timestamps, SACK and window scaling off in the whole namespace, which saves a tenth of each
        request. By default only in a namespace made here.
    options: the engine's, by name (ext/engine/options.h).
    faults: what befalls all packets, by name, to see how programs bear it: probabilities `drop`, `corrupt`,
        `byte_loss`, `duplicate`, `reorder`, `delay` by `delay_ms`; the same `seed` gives the same. In docs/bridge.md.
    threads: how many serve the boards, which go to them in turn; pinned: each on a CPU of its own.
    spin_us: for so long they look for more after anything happened, before they sleep: latency for CPU time.
    keeper: keeps the interfaces when the Bridge stops, for the next one (tuns.Keeper).

    Nothing is made before `start`. Whatever fails on the way, nothing of it is left behind. A tiny that falls silent
    is reset, at growing intervals while that does not help.
    """

    def __init__(
        self,
        *boards: Board,
        network: str = NETWORK,
        netns: str | None = None,
        prefix: str = PREFIX,
        plain_tcp: bool | None = None,
        options: Mapping[str, int] | None = None,
        keeper: Keeper | None = None,
        faults: Mapping[str, float] | None = None,
        threads: int = 1,
        pinned: bool = False,
        spin_us: int = 0,
    ) -> None:
        if not boards:
            raise BoardError("a Bridge needs a board, for example tinymux.SimulatedBoard()")
        self.boards = boards
        lanes = [(number, lane) for number, board in enumerate(boards) for lane in range(len(board.images))]
        self._images = self._as_boards_say()
        self.plan = Plan.parse(network, len(lanes))
        self.netns, self.prefix = netns, prefix
        self._plain_tcp, self._options = plain_tcp, dict(options or {})
        self._keeper, self._faults = keeper, faults
        self._threads, self._pinned, self._spin_us = threads, pinned, spin_us
        names = interface_names(prefix, len(lanes))
        self.nodes = tuple(
            Node(index, board, lane, names[index], self.plan.node(index), self)
            for index, (board, lane) in enumerate(lanes)
        )
        self._lock = threading.RLock()
        self._capturing = threading.Lock()
        self._engine: Engine | None = None
        self._watch: Watch | None = None
        self._interfaces: Interfaces | None = None
        self._last: list[Counters] = []  # as they were at the end
        self._last_faults: list[dict[str, int]] = []
        self._running: ExitStack | None = None
        self._namespace = Namespace()

    @property
    def running(self) -> bool:
        """Whether the interfaces are there."""
        return self._running is not None

    @property
    def namespace(self) -> Namespace:
        """Where the interfaces are; `namespace.inside()` brings the calling thread there for a while."""
        return self._namespace

    def start(self) -> Self:
        """Make the interfaces, open the boards and let packets flow."""
        with self._lock, ExitStack() as stack:
            if self._running:
                raise TinymuxError("this Bridge runs already")
            try:
                # Only now: what else imports tinymux need not wait for pyroute2.
                from tinymux._engine import Engine
                from tinymux.tuns import Interfaces
            except ImportError as error:
                raise TinymuxError(f"tinymux is not built: './run build' in its folder ({error})") from error
            namespace = stack.enter_context(Namespace(self.netns))
            if namespace.made if self._plain_tcp is None else self._plain_tcp:
                namespace.plain_tcp()
            self._images = self._as_boards_say()
            names, mtus = zip(*((node.interface, node.mtu) for node in self.nodes), strict=True)
            interfaces = Interfaces(namespace, self.plan, names, mtus, self._keeper)
            stack.callback(interfaces.close)
            engine = Engine(threads=self._threads, pinned=self._pinned, spin_us=self._spin_us)
            opened = [self._add(engine, board, stack) for board in self.boards]
            for node, interface in zip(self.nodes, interfaces, strict=True):
                engine.attach(node.board, node.lane, interface.fd)
            stack.callback(engine.stop)
            engine.start()

            def remake(board: int, lane: int) -> None:
                (node,) = (node for node in self.nodes if (node.board, node.lane) == (board, lane))
                interfaces.remake(node.index, node.mtu)

            watch = Watch(engine, opened, remake)
            stack.callback(watch.close)
            self._engine, self._watch, self._namespace, self._interfaces = engine, watch, namespace, interfaces
            self._running = stack.pop_all()
        return self

    def _add(self, engine: Engine, board: Board, stack: ExitStack) -> OpenBoard:
        opened = board.open()
        stack.callback(opened.close)
        mtu = max(image.mtu if image else DEFAULT_MTU for image in board.images)
        stateless = sum(1 << lane for lane, image in enumerate(board.images) if image and image.stateless)
        options = {"mtu": mtu, "offload_acks": stateless, **opened.options, **self._options}
        engine.add_board(opened.transport, opened.owner, self._faults, **options)
        return opened

    def stop(self) -> None:
        """Take everything away again; the counters stay readable. Again is harmless."""
        with self._lock:
            running, self._running = self._running, None
            if running:
                running.close()
                self._last = [self._counters(node) for node in self.nodes]
                self._last_faults = self.fault_counters()
                self._engine = self._watch = self._interfaces = None

    def _as_boards_say(self) -> list[Image | None]:
        return [image for board in self.boards for image in board.images]

    def _changed(self, board: int, lane: int, image: Image | None) -> None:
        """A tiny was programmed: its node and its interface, and what its lane is spared, are those of this image."""
        (node,) = (node for node in self.nodes if (node.board, node.lane) == (board, lane))
        before, self._images[node.index] = node.mtu, image
        stateless = bool(image and image.stateless)
        if "offload_acks" in self._options:
            stateless = bool(self._options["offload_acks"] >> lane & 1)
        self._running_engine().programming(board).program(lane, node.mtu, stateless)
        if node.mtu != before and self._interfaces:
            self._interfaces.resize(node.index, node.mtu)

    def probe(self) -> None:
        """Come back once each of the engine's threads has answered, for whoever feeds a watchdog."""
        for board in range(min(self._threads, len(self.boards))):
            with suppress(BoardError):  # a board that is away is no fault of the thread's
                self._running_engine().control(board, 0xC0, PROTOCOL["requests"]["VERSION"], 0, 0, 4)

    def fault_counters(self) -> list[dict[str, int]]:
        """How often each of the `faults` befell a packet, one dict for each board; after the end, as they were then.

        Empty without faults. "overrun": packets that were to come late, lost because 256 of them did already.
        """
        if self._engine and self._faults:
            return [self._engine.fault_counters(board) for board in range(len(self.boards))]
        return self._last_faults

    def check(self) -> None:
        """Raise if a board is gone or refuses what the Bridge needs of it."""
        if self._watch and self._watch.failure:
            raise self._watch.failure

    @contextmanager
    def capture(self, path: Path, nodes: Iterable[Node] = ()) -> Iterator[Capture]:
        """Write packets of these nodes, or of all, into a pcapng file or named pipe while the context lasts.

        The nodes are not slowed: what comes faster than the file takes it is dropped and counted. One file at a time.
        Raises TinymuxError at the end if not all could be written, for example to a full disk; `error` of what this
        yields tells it at once.
        """
        from tinymux._engine import Capture

        lanes = {(node.board, node.lane): node.interface for node in nodes or self.nodes}
        if not self._capturing.acquire(blocking=False):
            raise TinymuxError(f"{path}: this Bridge captures already: one file at a time")
        try:
            fd = _for_capture(path)
            try:
                capture = Capture(self._running_engine(), fd, lanes)
            finally:
                os.close(fd)
            try:
                yield capture
            finally:
                try:
                    capture.close()
                except TinymuxError as error:
                    raise TinymuxError(f"{path}: {error}") from error
        finally:
            self._capturing.release()

    def _counters(self, node: Node) -> Counters:
        engine = self._engine
        if engine:
            return Counters.of(engine.counters(node.board, node.lane), engine.board_counters(node.board))
        if self._last:
            return self._last[node.index]
        raise TinymuxError(NOT_RUNNING)

    def _running_engine(self) -> Engine:
        if not self._engine:
            raise TinymuxError(NOT_RUNNING)
        return self._engine

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: Any) -> None:
        self.stop()


def _for_capture(path: Path) -> int:
    """The file, emptied, or the named pipe, which somebody reads already: its descriptor."""
    try:
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NONBLOCK | os.O_CLOEXEC, 0o644)
    except OSError as error:
        reason = "nobody reads this pipe yet" if error.errno == errno.ENXIO else error.strerror
        raise TinymuxError(f"{path}: cannot be written: {reason}") from error
