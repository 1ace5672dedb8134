"""`tinymux sim`: run one image on one tiny of the simulated board, and look at what it does."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import click

from tinymux import pcap
from tinymux.errors import TinymuxError
from tinymux.images import ATMEGA32U4, firmware, load
from tinymux.images.manifest import load_checked
from tinymux.images.probes import probes
from tinymux.vcd import Dump

LANE = 0
MICROSECOND = 1e-6
FILE = click.Path(dir_okay=False, path_type=Path)


@click.command()
@click.argument("image", type=FILE)
@click.option(
    "--traffic", type=FILE, metavar="PCAP", help="Packets to send, at their times.  [default: one of each kind]"
)
@click.option("--answers", type=FILE, metavar="PCAP", help="Write what comes back.")
@click.option("--vcd", type=FILE, help="Write the wires' levels, for GTKWave.")
@click.option(
    "--seconds", type=click.FloatRange(0.001, 3600), default=0.2, show_default=True, help="Board time to run."
)
@click.option("--rc-error", type=click.IntRange(-100_000, 100_000), default=0, metavar="PPM", help="Of its oscillator.")
@click.option("--seed", type=int, default=0, help="RAM at power-on.")
def sim(  # noqa: PLR0917  # by name only, as click calls it
    image: Path, traffic: Path | None, answers: Path | None, vcd: Path | None, seconds: float, rc_error: int, seed: int
) -> None:
    """Run an image in the simulator with packets for it, and show its registers and RAM at the end.

    Seconds are board time after the tiny's start-up of 64 ms; the same call gives the same run.

    \b
      tinymux sim hello.elf
      tinymux sim echo.elf --traffic asked.pcap --answers answered.pcap
      tinymux sim blink.elf --seconds 2 --vcd blink.vcd && gtkwave blink.vcd
    """
    from tinymux._engine import Wire
    from tinymux._simulator import Board

    loaded = load_checked(image)
    packets = pcap.read(traffic) if traffic else [(0.02 * n, packet) for n, packet in enumerate(probes(loaded.mtu))]
    board = Board(load(firmware("pump.elf"), ATMEGA32U4).data, [loaded.data], rc_error=rc_error, seed=seed)
    wire = Wire(board.transport, board, lanes=[LANE], mtu=loaded.mtu)
    wire.run(seconds=0.07)
    came: list[tuple[float, bytes]] = []
    start, first = board.time, packets[0][0] if packets else 0.0

    def until(end: float) -> None:
        """Run to a board time; packets are noted when they come."""
        while (left := end - board.time) > MICROSECOND:
            if not wire.run(seconds=left, until_packet=True):
                board.run(left)  # nobody has anything to say
            came.extend((board.time - start, packet) for _, packet in wire.receive())

    with ExitStack() as stack:
        if vcd:
            try:
                board.trace(Dump(stack.enter_context(vcd.open("w")), [LANE]))
            except OSError as error:
                raise TinymuxError(f"{vcd}: cannot be written: {error.strerror}") from error
            stack.callback(board.trace, None)
        sent = 0
        for time, packet in packets:
            if time - first < seconds:
                until(start + time - first)
                wire.send(LANE, packet)
                sent += 1
        until(start + seconds)
    if answers:
        pcap.write(answers, came)
    tiny, counters = board.tiny(LANE), wire.counters(LANE)
    print(f"{seconds:g} s of board time: {sent} packets sent, {len(came)} came back; {tiny.cycles:,} cycles")
    print(f"pc 0x{tiny.pc:03x}  sp 0x{tiny.sp:02x}  sreg {tiny.sreg:08b}  PB0 {tiny.lane}  PB2 {tiny.user}")
    print("r16-r31 " + tiny.registers.hex(" "))
    print("0x40 " + tiny.ram[:16].hex(" "))
    print("0x50 " + tiny.ram[16:].hex(" "))
    trouble = {name: count for name, count in counters.items() if count and name.startswith(("drop_", "coll", "susp"))}
    if trouble:
        print("lane: " + ", ".join(f"{name} {count}" for name, count in trouble.items()))
    if tiny.illegal:
        raise TinymuxError(f"{image}: it ran into {tiny.illegal} words that are no instruction")
