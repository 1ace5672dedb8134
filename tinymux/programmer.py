"""Programming tinies over their lanes: identify, read, erase, write and verify, any set of them at the same time."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING

from tinymux.errors import BoardError, TinymuxError
from tinymux.images import ATTINY10, Image
from tinymux.outcomes import Difference, Identity, Outcome, Progress

if TYPE_CHECKING:
    from tinymux._engine import Engine, Programming, Report
    from tinymux.boards import Board
    from tinymux.bridge import Bridge

# Datasheet 8127H section 16: where TPI sees the chip's memories, and NVM commands.
LOCK, CONFIGURATION, CALIBRATION, SIGNATURE, FLASH = 0x3F00, 0x3F40, 0x3F80, 0x3FC0, 0x4000
CHIP_ERASE, SECTION_ERASE = 0x10, 0x14
RSTDISBL = 0x01
UNLOCKED = 0xFF
OURS = b"\x1e\x90\x03"

ATTEMPTS = 3  # of a job on one tiny, each after a reset
POLL_SECONDS = 0.005
DIFFERENCES_TOLD = 3

REASONS = {
    "no_answer": "no answer",
    "parity": "answers with wrong parity",
    "frame": "broken answers",
    "contention": "something else drives its lane",
    "wrong_chip": "what answers is no chip with this interface",
    "key_refused": "refuses the key for its memory",
    "nvm_busy": "its memory stays busy",
    "board_gone": "the board is gone",
}

Step = tuple[str, int, "int | bytes"]
Plan = Generator["Job", bytes, Outcome]
Plans = Mapping[int, Callable[[], Plan]]  # lane -> how to make its plan, anew for each attempt


@dataclass(frozen=True)
class Job:
    """Steps for the engine, and how a person calls what they do."""

    doing: str
    steps: tuple[Step, ...]

    @property
    def size(self) -> int:
        """Bytes that it reads and writes."""
        return sum(_length(step) for step in self.steps)


class Failure(TinymuxError):
    """One tiny cannot be done; the message is the reason."""


class WrongChip(Failure):
    """... and another try cannot help."""


Tell = Callable[[Progress], None]


class Programmer:
    """The tinies of one board, for programming. Those that are not being programmed go on serving.

        with Programmer.open(board) as programmer:           a board that nobody uses
            for outcome in programmer.flash({3: image}):
                print(outcome)
        Programmer.on(bridge).flash(...)                     tinies of a running Bridge

    Every call takes the lanes to work on, does all of them at the same time, and returns an Outcome for each, in the
    order of lanes; a tiny that fails holds nobody up. tell: called with the progress of each. stop: asked now and
    then; where it returns True, what is not finished is given up, and said to be incomplete.
    """

    def __init__(
        self,
        programming: Programming,
        label: str,
        *,
        start: Callable[[int], None] | None = None,
        changed: Callable[[int, Image | None], None] = lambda lane, image: None,
        wait: Callable[[], object] = lambda: time.sleep(POLL_SECONDS),
        tell: Tell | None = None,
        stop: Callable[[], bool] = lambda: False,
    ) -> None:
        """start: lets a tiny run once it has what it should. changed: told before what a tiny has in its flash from now
        on, None for nothing that is known. wait: lets board time pass."""
        self.label, self.tell, self.stop = label, tell, stop
        self._programming, self._start, self._changed, self._wait = programming, start, changed, wait

    @classmethod
    @contextmanager
    def open(
        cls, board: Board, tell: Tell | None = None, stop: Callable[[], bool] = lambda: False
    ) -> Iterator[Programmer]:
        """Take a board into use for programming only; afterwards its tinies are all in reset."""
        from tinymux._engine import Engine

        opened = board.open()
        engine = Engine()
        try:
            number = engine.add_board(opened.transport, opened.owner, **opened.options)
            engine.start()
            yield cls(engine.programming(number), board.label, tell=tell, stop=stop)
        finally:
            engine.stop()
            opened.close()

    @classmethod
    def on(cls, bridge: Bridge, board: int = 0, tell: Tell | None = None) -> Programmer:
        """Program tinies of a running Bridge; each runs its new program as soon as it is verified."""
        engine: Engine = bridge._running_engine()
        return cls(
            engine.programming(board),
            bridge.boards[board].label,
            start=lambda lane: engine.reset(board, lane),
            changed=lambda lane, image: bridge._changed(board, lane, image),
            tell=tell,
        )

    # --- what can be done ---

    def identify(self, lanes: Iterable[int]) -> list[Outcome]:
        """Signature, configuration, calibration and lock bits of each chip, whatever chip it is."""
        return self._run(dict.fromkeys(lanes, self._identify))

    def read(self, lanes: Iterable[int]) -> list[Outcome]:
        """All 1,024 bytes of flash: `data`."""
        return self._run(dict.fromkeys(lanes, self._read))

    def erase(self, lanes: Iterable[int]) -> list[Outcome]:
        """Erase flash and lock bits; the tinies stay in reset."""
        plans = dict.fromkeys(lanes, self._erase)
        return self._run(plans, dict.fromkeys(plans), start=False)

    def verify(self, images: Mapping[int, Image]) -> list[Outcome]:
        """Compare all of the flash, with what lies beyond the image as erased; `differences` lists each wrong byte."""
        return self._run({lane: partial(self._verify, _filled(image)) for lane, image in images.items()})

    def flash(self, images: Mapping[int, Image], *, always: bool = False, start: bool = True) -> list[Outcome]:
        """Write images, each its own, and read them back. Where everything matches already, nothing is written, and
        where all that differs is erased, only that; but `always` writes all. Without `start` they stay in reset."""
        plans = {lane: partial(self._flash, _filled(image), always) for lane, image in images.items()}
        return self._run(plans, images, start)

    def configure(self, values: Mapping[int, int]) -> list[Outcome]:
        """Write configuration bytes (datasheet table 16-4; 0 is programmed). RSTDISBL is refused: such a chip could not
        be programmed any more without 12 V."""
        for lane, value in values.items():
            if not 0 <= value <= 0xFF or not value & RSTDISBL:
                raise TinymuxError(f"{self.label}/{lane}: configuration {value:#04x} would program RSTDISBL: refused")
        return self._run({lane: partial(self._configure, value) for lane, value in values.items()})

    # --- plans: what is done to one tiny, as jobs whose data comes back ---

    def _identity(self, data: bytes) -> Identity:
        return Identity(data[:3], data[3], data[4], data[5])

    def _known(self, data: bytes) -> Identity:
        identity = self._identity(data)
        if identity.signature != OURS:
            raise WrongChip(f"wrong signature: {identity.part}, not an ATtiny10")
        return identity

    def _identify(self) -> Plan:
        identity = self._identity((yield IDENTIFY))
        return self._outcome("identified", identity=identity)

    def _read(self) -> Plan:
        identity = self._known((yield IDENTIFY))
        data = yield Job("reading", (READ_ALL,))
        return self._outcome("read", identity=identity, data=data)

    def _erase(self) -> Plan:
        identity = self._known((yield IDENTIFY))
        data = yield Job("erasing", (ERASE_ALL, READ_ALL))
        _same(data, b"\xff" * ATTINY10.flash)
        return self._outcome("erased", identity=identity)

    def _verify(self, wanted: bytes) -> Plan:
        identity = self._known((yield IDENTIFY))
        data = yield Job("verifying", (READ_ALL,))
        found = _differences(data, wanted)
        if found:
            return self._outcome("different", reason=_told(found), identity=identity, data=data, differences=found)
        return self._outcome("verified", identity=identity, data=data)

    def _flash(self, wanted: bytes, always: bool) -> Plan:
        identity = self._known((yield IDENTIFY))
        steps: tuple[Step, ...] = (ERASE_ALL, ("write", FLASH, wanted), READ_ALL)
        if not always:
            data = yield Job("comparing", (READ_ALL,))
            if data == wanted:
                return self._outcome("unchanged", identity=identity)
            added = _added(data, wanted)
            if added and identity.lock == UNLOCKED:
                steps = (("write", FLASH, added), READ_ALL)
        data = yield Job("writing", steps)
        _same(data[len(wanted) :], wanted)
        return self._outcome("written", identity=identity)

    def _configure(self, value: int) -> Plan:
        identity = self._known((yield IDENTIFY))
        if identity.configuration == value | 0xF8:
            return self._outcome("unchanged", identity=identity)
        steps = (
            ("erase", CONFIGURATION, SECTION_ERASE),
            ("write", CONFIGURATION, bytes((value | 0xF8, 0xFF))),
            ("read", CONFIGURATION, 1),
        )
        data = yield Job("configuring", steps)
        if data[2] != value | 0xF8:
            raise Failure(f"configuration reads {data[2]:#04x} instead of {value | 0xF8:#04x}")
        return self._outcome("written", identity=replace(identity, configuration=data[2]))

    def _outcome(self, action: str, **what: object) -> Outcome:
        return Outcome(self.label, -1, action, **what)  # type: ignore[arg-type]  # the lane's number follows

    # --- running them ---

    def _run(
        self, plans: Plans, images: Mapping[int, Image | None] = MappingProxyType({}), start: bool = True
    ) -> list[Outcome]:
        """images: what those flashes have afterwards that are not what they were before."""
        lanes = sorted(plans)
        if not lanes:
            return []
        try:
            self._programming.begin(lanes)
        except BoardError as error:
            raise BoardError(f"{self.label}/{','.join(map(str, lanes))}: cannot be programmed: {error}") from error
        runs = {lane: _Run(self, lane, plans[lane]) for lane in lanes}
        try:
            for run in runs.values():
                run.go_on()
            while any(run.outcome is None for run in runs.values()):
                if self.stop():
                    break
                self._wait()
                reports = self._programming.reports()
                for run in runs.values():
                    run.look(reports[run.lane])
        finally:
            self._end(runs, images, start)
        return [run.outcome for run in runs.values() if run.outcome]

    def _end(self, runs: Mapping[int, _Run], images: Mapping[int, Image | None], start: bool) -> None:
        """Give the lanes back. What failed stays in reset."""
        for run in runs.values():
            run.give_up()
        ended = {lane: run.outcome.action for lane, run in runs.items() if run.outcome}
        failed = [lane for lane in runs if ended.get(lane, "failed") == "failed"]
        held = failed if start else list(runs)
        if held:
            self._programming.hold(held)
        try:
            for lane, image in images.items():
                self._changed(lane, None if lane in failed else image)
        finally:
            self._programming.end(list(runs))
        if self._start:
            for lane in [lane for lane, action in ended.items() if start and action in ("written", "unchanged")]:
                self._start(lane)

    def _again(self, lane: int) -> None:
        """Reset a tiny that failed."""
        self._programming.end([lane])
        self._programming.begin([lane])


class _Run:
    """One tiny's plan under way."""

    def __init__(self, programmer: Programmer, lane: int, make: Callable[[], Plan]) -> None:
        self.programmer, self.lane, self.make = programmer, lane, make
        self.plan = make()
        self.outcome: Outcome | None = None
        self.job: Job | None = None
        self.attempts = 1
        self.started = time.monotonic()
        self.step = ""
        self.told = Progress(lane, "waiting", 0, 0)

    def go_on(self, data: bytes | None = None) -> None:
        """Begin the plan's next job, with the data of the last."""
        try:
            self.job = next(self.plan) if data is None else self.plan.send(data)
            self.step = self.job.doing
            self._begin()
        except StopIteration as done:
            self._end(done.value)
        except WrongChip as failure:
            self._fail(str(failure))
        except Failure as failure:
            self._try_again(str(failure), anew=True)

    def _try_again(self, reason: str, anew: bool = False) -> None:
        """Reset the tiny and repeat the job, or all of the plan; or give it up."""
        if self.attempts == ATTEMPTS:
            self._fail(reason)
            return
        self.attempts += 1
        try:
            self.programmer._again(self.lane)
        except TinymuxError:
            self._fail(reason)
            return
        if anew:
            self.plan = self.make()
            self.go_on()
        else:
            self._begin()

    def _begin(self) -> None:
        assert self.job
        self.programmer._programming.run(self.lane, self.job.steps, sure=self.attempts > 1)

    def look(self, report: Report) -> None:
        """Take notice of how its job stands."""
        if self.outcome or not self.job:
            return
        self._tell(report)
        if report.outcome == "running":
            return
        if report.outcome == "done":
            data = self.programmer._programming.data(self.lane)[: self.job.size]
            self.go_on(data)
            return
        self.step = _where(self.job, report)
        reason = REASONS.get(report.outcome, report.outcome)
        if report.outcome in ("board_gone", "wrong_chip"):
            self._fail(reason)
        else:
            self._try_again(reason)

    def _tell(self, report: Report) -> None:
        if self.programmer.tell and self.job:
            done = sum(_length(step) for step in self.job.steps[: report.step]) + report.done
            self.told = Progress(self.lane, self.job.doing, done, self.job.size)
            self.programmer.tell(self.told)

    def give_up(self) -> None:
        """Not finished: say what is left behind."""
        if not self.outcome:
            writes = self.job and any(step[0] != "read" for step in self.job.steps)
            self._fail("interrupted: its flash is incomplete, flash it again" if writes else "interrupted")

    def _fail(self, reason: str) -> None:
        self.plan.close()
        self._end(self.programmer._outcome("failed", step=self.step, reason=reason))

    def _end(self, outcome: Outcome) -> None:
        seconds = time.monotonic() - self.started
        self.outcome = replace(outcome, lane=self.lane, attempts=self.attempts, seconds=seconds)
        self.job = None
        if self.programmer.tell:
            self.programmer.tell(replace(self.told, doing=outcome.action))


READ_ALL: Step = ("read", FLASH, ATTINY10.flash)
ERASE_ALL: Step = ("erase", FLASH, CHIP_ERASE)
IDENTIFY = Job(
    "identifying", (("read", SIGNATURE, 3), ("read", CONFIGURATION, 1), ("read", CALIBRATION, 1), ("read", LOCK, 1))
)


def _filled(image: Image) -> bytes:
    """All of the flash: the image, and erased bytes behind it."""
    if len(image.data) > ATTINY10.flash:
        raise TinymuxError(f"{image.name}: {len(image.data)} bytes do not fit the {ATTINY10.flash} of an ATtiny10")
    return image.data.ljust(ATTINY10.flash, b"\xff")


def _differences(found: bytes, wanted: bytes) -> tuple[Difference, ...]:
    return tuple(
        Difference(at, want, have) for at, (have, want) in enumerate(zip(found, wanted, strict=True)) if have != want
    )


def _told(differences: tuple[Difference, ...]) -> str:
    more = len(differences) - DIFFERENCES_TOLD
    text = ", ".join(map(str, differences[:DIFFERENCES_TOLD]))
    return f"{len(differences)} bytes differ: {text}" + (f" and {more} more" if more > 0 else "")


def _same(found: bytes, wanted: bytes) -> None:
    differences = _differences(found, wanted)
    if differences:
        raise Failure(_told(differences))


def _added(found: bytes, wanted: bytes) -> bytes:
    """What to write where nothing needs to be erased: the words that are erased and shall not be, all others as
    erased, which are left out. Nothing where that cannot be: a word is erased before it is written again."""
    erased = b"\xff\xff"
    words = [(found[at : at + 2], wanted[at : at + 2]) for at in range(0, len(wanted), 2)]
    if any(has not in (want, erased) for has, want in words):
        return b""
    return b"".join(erased if has == want else want for has, want in words)


def _length(step: Step) -> int:
    kind, _, content = step
    if kind == "erase":
        return 0
    return content if isinstance(content, int) else len(content)


def _where(job: Job, report: Report) -> str:
    """What a job was doing when it failed, with the address."""
    kind, address, _ = job.steps[report.step]
    if kind == "erase":
        return f"{job.doing}: erase"
    return f"{job.doing}: {kind} at 0x{address + report.done:04x}"
