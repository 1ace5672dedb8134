"""`tinymux demo`: the whole way from a browser to a 1 KB computer and back, tried a thousand times."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from typing import Any

import click

from tinymux.cli.options import LISTEN, bridge_options, make_bridge
from tinymux.cli.session import Session
from tinymux.cli.up import run
from tinymux.cli.view import view
from tinymux.errors import TinymuxError

REQUEST_SECONDS = 30  # for one request, retries on other tinies included
PING_SECONDS = 5


@click.command()
@bridge_options
@LISTEN
@click.option("--requests", type=click.IntRange(min=1), default=1000, show_default=True, help="Pages to ask for.")
@click.option("--parallel", type=click.IntRange(1, 256), default=32, show_default=True, help="Of them at a time.")
@click.option("--stay/--end", default=None, help="Stay up afterwards.  [default: on a terminal]")
def demo(listen: str, requests: int, parallel: int, stay: bool | None, **bridge: Any) -> None:
    """Bring the board up, ping each tiny, and fetch pages through nginx with curl.

    Ends with status 0 if every tiny answered its ping, every page came with status 200, and every
    node's counters moved. On a terminal it then stays up as `tinymux up` does.

    \b
      tinymux demo
      tinymux demo --requests 100 --byte-loss 0.001    over lanes that lose bytes
      unshare -Urn tinymux demo                        without root
    """
    started = time.monotonic()
    with Session(make_bridge(**bridge), listen) as session:
        print(f"{len(session.bridge.nodes)} nodes up in {time.monotonic() - started:.1f} s: {session.url}", flush=True)
        _ping(session)
        _fetch(session, requests, parallel)
        _moved(session)
        if sys.stdout.isatty() if stay is None else stay:
            with view("auto", session) as shown:
                run(session, shown.update, 1.0, None)


def _tool(name: str, package: str) -> str:
    path = shutil.which(name)
    if not path:
        raise TinymuxError(f"{name} is missing: 'apt install {package}' as root")
    return path


def _wait(session: Session, processes: Iterable[subprocess.Popen[str]]) -> None:
    """Wait until all have ended; a signal ends them, and the demo."""
    for process in processes:
        while process.poll() is None:
            if session.signals.seen(0.02):
                for left in processes:
                    left.kill()
                    left.communicate()
                raise TinymuxError("interrupted")


def _ping(session: Session) -> None:
    """One echo request with 8 bytes to each tiny, all at once."""
    ping = _tool("ping", "iputils-ping")
    with session.bridge.namespace.inside():
        pings = {
            node: subprocess.Popen(
                [ping, "-n", "-q", "-c", "1", "-s", "8", "-W", str(PING_SECONDS), str(node.address)],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                text=True,
            )
            for node in session.bridge.nodes
        }
    _wait(session, pings.values())
    silent = [str(node.address) for node, process in pings.items() if process.returncode]
    if silent:
        raise TinymuxError(f"no answer to ping -s 8 from {', '.join(silent)}")
    print(f"ping -s 8: an answer from each of {len(pings)}", flush=True)


def _fetch(session: Session, requests: int, parallel: int) -> None:
    """Fetch pages with one curl; the query only makes curl repeat itself, nginx drops it."""
    command = [
        _tool("curl", "curl"), "-s", "-o", "/dev/null", "-w", "%{http_code}\\n", "-m", str(REQUEST_SECONDS),
        "--parallel", "--parallel-max", str(parallel), f"{session.url}?[1-{requests}]",
    ]  # fmt: skip
    started = time.monotonic()
    with tempfile.TemporaryFile("w+") as output:
        _wait(session, [subprocess.Popen(command, stdout=output, stderr=subprocess.DEVNULL, text=True)])
        seconds = time.monotonic() - started
        output.seek(0)
        statuses = Counter(output.read().split())
    told = ", ".join(f"{count:,} x {status}" for status, count in statuses.most_common())
    print(f"curl: {requests:,} requests in {seconds:.1f} s ({requests / seconds:.0f}/s): {told}", flush=True)
    if statuses["200"] != requests:
        raise TinymuxError(f"{requests - statuses['200']} of {requests} requests had no answer with status 200")


def _moved(session: Session) -> None:
    counters = [node.counters for node in session.bridge.nodes]
    still = [node.interface for node, count in zip(session.bridge.nodes, counters, strict=True) if not count.packets_in]
    if still:
        raise TinymuxError(f"no packet came from {', '.join(still)}")
    least, most = (f(count.packets_in for count in counters) for f in (min, max))
    print(f"every node's counters have moved: {least} to {most} packets from each", flush=True)
