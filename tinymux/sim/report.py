"""What is told of a run: one dict for programs, lines of text for people."""

from __future__ import annotations

from collections.abc import Iterator
from shutil import get_terminal_size
from textwrap import wrap
from typing import Any

from tinymux.sim.bench import Bench

TROUBLE = ("drop_", "coll", "susp")  # what a lane's counters of trouble begin with
STRETCHES = 8  # shown to people
PIPED = 120, 0  # columns, where there is no terminal


def figures(bench: Bench) -> dict[str, Any]:
    """All figures of a run so far, fit for JSON."""
    tiny, names = bench.tiny, [label.name for label in bench.labels.all]
    spent, counters = bench.debug.spent(), {**bench.counters, "drop_tun_down": bench.refused}
    return {
        "seconds": round(max(bench.time, 0.0), 9),
        "sent": bench.sent,
        "came": len(bench.came),
        "cycles": tiny.cycles,
        "illegal": tiny.illegal,
        "pc": tiny.pc,
        "at": bench.labels.where(tiny.pc),
        "sp": tiny.sp,
        "sreg": tiny.sreg,
        "registers": {f"r{16 + number}": value for number, value in enumerate(tiny.registers)},
        "ram": tiny.ram.hex(),
        "pins": {"PB0": tiny.lane, "PB2": tiny.user},
        "lane": {name: n for name, n in counters.items() if n and name.startswith(TROUBLE)},
        "labels": [
            {"label": label.name, "address": label.address, **spent[number]._asdict()}
            for number, label in enumerate(bench.labels.all)
        ],
        "blind": [
            {
                "cycles": stretch.cycles,
                "from": names[stretch.start],
                "to": names[stretch.end],
                "path": [[names[label], cycles] for label, cycles in stretch.path],
            }
            for stretch in bench.debug.longest()
        ],
    }


def text(told: dict[str, Any]) -> Iterator[str]:
    """The same for a person, line by line."""
    registers, ram = bytes(told["registers"].values()), bytes.fromhex(told["ram"])
    yield (
        f"{told['seconds']:g} s of board time: {told['sent']} packets sent, {told['came']} came back;"
        f" {told['cycles']:,} cycles"
    )
    pins = "  ".join(f"{name} {does}" for name, does in told["pins"].items())
    yield f"pc 0x{told['pc']:03x}  sp 0x{told['sp']:02x}  sreg {told['sreg']:08b}  {pins}  in {told['at']}"
    yield "r16-r31 " + registers.hex(" ")
    yield "0x40 " + ram[:16].hex(" ")
    yield "0x50 " + ram[16:].hex(" ")
    if told["lane"]:
        yield "lane: " + ", ".join(f"{name} {count}" for name, count in told["lane"].items())
    yield from _labels([label for label in told["labels"] if label["visits"]])
    yield from _blind(told["blind"][:STRETCHES])


def _labels(ran: list[dict[str, Any]]) -> Iterator[str]:
    if not ran:
        return
    width = max(len("label"), *(len(label["label"]) for label in ran))
    yield ""
    yield f"{'label':{width}} {'visits':>9} {'cycles':>13} {'waiting':>13} {'worst':>9} {'blind':>7}"
    for label in ran:
        counts = f"{label['visits']:>9,} {label['cycles']:>13,} {label['waiting']:>13,}"
        yield f"{label['label']:{width}} {counts} {label['worst']:>9,} {label['blind'] or '-':>7}"


def _blind(stretches: list[dict[str, Any]]) -> Iterator[str]:
    if not stretches:
        return
    yield ""
    yield "most cycles from one look at the pins to the next:"
    for stretch in stretches:
        path = ", ".join(f"{label} {cycles}" for label, cycles in stretch["path"])
        line = f"{stretch['cycles']:>7,}  {stretch['from']} to {stretch['to']}: {path}"
        yield from wrap(line, get_terminal_size(PIPED).columns, subsequent_indent=" " * 9)
