"""A command as a tiny's traffic: it runs in a network of its own, and board time follows the wall clock."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from types import FrameType

from tinymux.errors import TinymuxError
from tinymux.sim.bench import Bench
from tinymux.sim.network import Tun, others, own_network

VARIABLE = "TINY"  # the command's environment has the tiny's address there
SLICE = 0.001  # s of board time between two looks at the tun
TICK = 0.02  # s between two looks at the clock when no packet has passed for LINGER
LATE = 0.05  # s that board time may be behind the wall clock; what is beyond is given up
QUEUE = 2  # packets that may wait for the lane; the others wait in the kernel
LINGER = 0.05  # s of board time in which an answer may come
PATIENCE = 5.0  # s for a command to go when it is told to


class Pace:
    """Keeps board time behind the wall clock, and gives up what it cannot catch up with."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._origin = time.monotonic() - bench.time

    def due(self) -> float:
        """Board time as it should be now."""
        due, now = time.monotonic() - self._origin, self._bench.time
        if due > now + LATE:
            self._origin += due - now - LATE
            due = now + LATE
        return due


def run_command(bench: Bench, words: Sequence[str], limit: float | None = None) -> int:
    """Run a command whose packets to $TINY are the tiny's; its exit status, or 128 + the signal that ended it.

    One word is for the shell, several are a program and its arguments. limit: board time after which it is ended.
    """
    with own_network(bench.image.mtu) as tun:
        bench.run(0)
        with _started(words, {VARIABLE: str(tun.address)}) as child, _passed_on(child, bench.pause is not None):
            _serve(bench, tun, child, limit)
            status = child.wait()
        bench.run(bench.time + LINGER)
    return status if status >= 0 else 128 - status


@contextmanager
def _started(words: Sequence[str], variables: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    command = ["/bin/sh", "-c", words[0]] if len(words) == 1 else list(words)
    try:
        child = subprocess.Popen(command, env={**os.environ, **variables})
    except OSError as error:
        raise TinymuxError(f"{command[0]}: cannot be run: {error.strerror}") from error
    try:
        yield child
    finally:
        _end(child)


def _end(child: subprocess.Popen[bytes]) -> None:
    """End the command and whatever it has started that is still in its network, of which we made a new one for it."""
    deadline = time.monotonic() + PATIENCE
    number = signal.SIGTERM
    while child.poll() is None or others():
        for process in others():
            with suppress(ProcessLookupError):
                os.kill(process, number)
        if time.monotonic() > deadline:
            number = signal.SIGKILL
        time.sleep(TICK)


@contextmanager
def _passed_on(child: subprocess.Popen[bytes], debugged: bool) -> Iterator[None]:
    """Signals that would end us go to the command, whose end is ours. A terminal's Ctrl-C it gets by itself.

    Debugged, we may be standing where a command's end changes nothing, and end as well.
    """

    def pass_on(number: int, frame: FrameType | None) -> None:
        if number != signal.SIGINT:
            child.send_signal(number)
        if debugged:
            raise KeyboardInterrupt

    before = {number: signal.signal(number, pass_on) for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _serve(bench: Bench, tun: Tun, child: subprocess.Popen[bytes], limit: float | None) -> None:
    """Carry packets between tun and tiny until the command has ended."""
    pace, ended, last = Pace(bench), os.pidfd_open(child.pid), bench.time
    try:
        while child.poll() is None:
            due = pace.due()
            asked = [*tun.packets(QUEUE - bench.waiting)]
            for packet in asked:
                bench.send(packet)
            answers = bench.run(min(due, bench.time + SLICE))
            for packet in answers:
                bench.refused += not tun.give(packet)
            if asked or answers:
                last = bench.time
            if limit is not None and bench.time > limit:
                raise TinymuxError(f"the command had not ended after {limit:g} s of board time")
            if bench.time >= due:
                sources = [ended, tun.fd] if bench.waiting < QUEUE else [ended]
                select.select(sources, [], [], SLICE if bench.time < last + LINGER else TICK)
    finally:
        os.close(ended)
