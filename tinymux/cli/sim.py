"""`tinymux sim`: run one image on one tiny of the simulated board, and look at what it does."""

from __future__ import annotations

import json
import sys
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tinymux import pcap
from tinymux.errors import TinymuxError
from tinymux.images import Image, firmware, load, server_images
from tinymux.images.manifest import load_checked
from tinymux.images.probes import probes

if TYPE_CHECKING:
    from tinymux.sim.bench import Bench
    from tinymux.sim.gdb import Stub

FILE = click.Path(dir_okay=False, path_type=Path)
SECONDS = 0.2
APART = 0.02  # s between the packets that are sent where none are given


@click.command()
@click.argument("image", type=FILE)
@click.argument("command", nargs=-1, type=click.UNPROCESSED, metavar="[-- COMMAND ...]")
@click.option(
    "--traffic", type=FILE, metavar="PCAP", help="Packets to send, at their times.  [default: one of each kind]"
)
@click.option("--answers", type=FILE, metavar="PCAP", help="Write what comes back.")
@click.option("--vcd", type=FILE, help="Write the wires' levels, for GTKWave.")
@click.option(
    "--seconds",
    type=click.FloatRange(0.001, 3600),
    help=f"Board time to run.  [default: {SECONDS}, or until COMMAND ends]",
)
@click.option("--rc-error", type=click.IntRange(-100_000, 100_000), default=0, metavar="PPM", help="Of its oscillator.")
@click.option("--seed", type=int, default=0, help="RAM at power-on.")
@click.option("-o", "--output", type=click.Choice(["plain", "json"]), default="plain", help="json is one object.")
@click.option(
    "--gdb",
    type=click.IntRange(0, 65535),
    is_flag=False,
    flag_value=0,
    metavar="[PORT]",
    help="Wait for avr-gdb at 127.0.0.1:PORT, a free one by default, and let it have the tiny.",
)
@click.option("--report", type=FILE, help="Write the figures there.  [default: stdout, or stderr with a COMMAND]")
def sim(  # noqa: PLR0917  # by name only, as click calls it
    image: Path,
    command: tuple[str, ...],
    traffic: Path | None,
    answers: Path | None,
    vcd: Path | None,
    seconds: float | None,
    rc_error: int,
    seed: int,
    output: str,
    gdb: int | None,
    report: Path | None,
) -> None:
    """Run an image in the simulator with packets for it; tell what it did and where its cycles went.

    The packets are one of each kind, those of a capture, or those of COMMAND, which runs in a network
    of its own where the tiny is at $TINY, 10.16.0.16. One word is given to the shell; several are a
    program and its arguments. Its exit status is passed on.

    \b
      tinymux sim hello.elf
      tinymux sim server.elf -- curl -s http://10.16.0.16/
      tinymux sim server.elf -- 'ping -c 3 -s 8 $TINY && curl -s http://$TINY/'
      tinymux sim echo.elf --traffic asked.pcap --answers answered.pcap
      tinymux sim blink.elf --seconds 2 --vcd blink.vcd && gtkwave blink.vcd
      tinymux sim -o json hello.elf | jq '.labels[] | select(.blind > 40)'
      tinymux sim hello.elf --gdb 3333 -- 'ping -c 3 -s 8 $TINY'
      avr-gdb hello.elf -ex 'target remote :3333' -ex 'break icmp' -ex continue

    \b
    For each label of an ELF file, up to the next label:
      visits   times that the program came to it from elsewhere
      cycles   of the tiny's clock, spent in it
      waiting  of them in polling loops for a pin, or asleep
      worst    the most in one visit; a look at the pins begins it anew
      blind    the longest that the pins were not looked at, of all times that it was on the way

    A look is a read of PINB. Seconds are board time after the tiny's start-up of 64 ms. Without COMMAND
    the same call gives the same run.
    """
    from tinymux.sim.bench import Bench
    from tinymux.sim.command import TICK, Pace, run_command
    from tinymux.sim.gdb import Killed
    from tinymux.sim.labels import Labels

    if command and traffic:
        raise click.UsageError("--traffic and COMMAND: one of them")
    loaded = _loaded(image)
    packets = pcap.read(traffic) if traffic else [(APART * n, packet) for n, packet in enumerate(probes(loaded.mtu))]
    bench = Bench(loaded, Labels.of(image), rc_error=rc_error, seed=seed)
    status = 0
    with ExitStack() as stack:
        stack.enter_context(bench.trace(vcd))
        stub = stack.enter_context(_stub(bench, image, gdb)) if gdb is not None else None
        stack.enter_context(suppress(Killed))  # by the debugger: no less a run
        if command:
            status = run_command(bench, command, seconds)
        else:
            _replay(bench, packets, seconds or SECONDS)
        if stub and not command and seconds is None:
            pace = Pace(bench)
            while stub.attached:
                bench.run(pace.due())
                time.sleep(TICK)
    if answers:
        pcap.write(answers, bench.came)
    if command and not report:
        print(file=sys.stderr)  # its last line may have no end
    _tell(bench, output, report, sys.stderr if command else sys.stdout)
    if bench.tiny.illegal and not status:
        raise TinymuxError(f"{image}: it ran into {bench.tiny.illegal} words that are no instruction")
    sys.exit(status)


def _loaded(file: Path) -> Image:
    """The image; the server as it was built, without a page, gets the one that `tinymux up` gives it."""
    image = load_checked(file)
    return server_images(1)[0] if image.data == load(firmware("server.elf")).data else image


def _stub(bench: Bench, image: Path, port: int) -> Stub:
    from tinymux.sim.gdb import Stub

    stub = Stub(port, lambda news: print(news, file=sys.stderr, flush=True))
    print(f"gdb: the tiny waits for: avr-gdb {image} -ex 'target remote :{stub.port}'", file=sys.stderr, flush=True)
    stub.hold(bench)
    return stub


def _replay(bench: Bench, packets: list[tuple[float, bytes]], seconds: float) -> None:
    """Send packets at their times, counted from the first one's."""
    first = packets[0][0] if packets else 0.0
    for at, packet in packets:
        if at - first < seconds:
            bench.run(at - first)
            bench.send(packet)
    bench.run(seconds)


def _tell(bench: Bench, output: str, report: Path | None, stream: Any) -> None:
    from tinymux.sim.report import figures, text

    told = figures(bench)
    lines = json.dumps(told) if output == "json" else "\n".join(text(told))
    if not report:
        print(lines, file=stream)
        return
    try:
        report.write_text(lines + "\n", encoding="utf-8")
    except OSError as error:
        raise TinymuxError(f"{report}: cannot be written: {error.strerror}") from error
