"""What must hold of the schematic and the layout: each check returns what it found wrong, one line each.

Copper is followed in the layout's own file, pad by pad, so that nothing that built it can hide a mistake in it.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterable
from pathlib import Path

from circuit import LANES, OUTPUTS, Circuit, first_number, tables
from kicad_files import Node, child, children, parse, symbol

Pin = tuple[str, str]  # reference, pad number


def erc(report: str) -> list[str]:
    """Violations in the text that eeschema's electrical rules check wrote, warnings too."""
    found = re.findall(r"^\[(\w+)\]: (.*)$", report, re.MULTILINE)
    summary = re.search(r"ERC messages: (\d+) +Errors (\d+) +Warnings (\d+)", report)
    if not summary or int(summary[1]) != len(found):
        return ["ERC: the report is not complete"]
    return [f"ERC {kind}: {words}" for kind, words in found]


def drc(board: Path) -> tuple[list[str], list[str]]:
    """pcbnew's own check of a layout with filled planes: (violations, unconnected items)."""
    import pcbnew

    with tempfile.TemporaryDirectory() as scratch:
        report = Path(scratch) / "report"
        pcbnew.WriteDRCReport(pcbnew.LoadBoard(str(board)), str(report), pcbnew.EDA_UNITS_MILLIMETRES, True)
        text = report.read_text(encoding="utf-8")
    parts = re.split(r"^\*\* Found .* \*\*$", text, flags=re.MULTILINE)
    if len(parts) != 4:
        return ["DRC: the report is not complete"], []
    found = [re.findall(r"^\[(\w+)\]: (.*)\n.*\n +(@.*)", part, re.MULTILINE) for part in parts[1:]]
    lines = [[f"DRC {kind}: {words} {place}" for kind, words, place in group] for group in found]
    return lines[0] + lines[2], lines[1]


def netlist(text: str) -> tuple[dict[str, set[Pin]], dict[str, tuple[str, str]]]:
    """eeschema's netlist: (net -> pins, reference -> (value, footprint))."""
    root = parse(text)
    nets = {}
    for net in children(child(root, "nets"), "net"):
        pins = {(child(node, "ref")[1], child(node, "pin")[1]) for node in children(net, "node")}
        nets[child(net, "name")[1]] = pins
    parts = {}
    for part in children(child(root, "components"), "comp"):
        parts[child(part, "ref")[1]] = (child(part, "value")[1], child(part, "footprint")[1])
    return nets, parts


def differences(kind: str, wanted: dict, found: dict) -> Iterable[str]:
    for key in sorted(wanted.keys() | found.keys(), key=str):
        if wanted.get(key) != found.get(key):
            yield f"{kind} {key}: should be {wanted.get(key)}, is {found.get(key)}"


def schematic(circuit: Circuit, text: str) -> tuple[list[str], dict[str, str]]:
    """Compare eeschema's netlist with the circuit: (differences, the circuit's net name -> eeschema's)."""
    nets, parts = netlist(text)
    by_pins = {frozenset(pins): name for name, pins in nets.items()}
    names = {name: by_pins.get(frozenset(pins), "") for name, pins in circuit.nets.items()}
    wrong = []
    for name, found in names.items():
        if not found:
            wanted = set(circuit.nets[name])
            touched = [f"{other} with {len(pins)} pins" for other, pins in nets.items() if pins & wanted]
            wrong.append(f"schematic: {name} has {len(wanted)} pins, drawn is {', '.join(touched) or 'nothing'}")
        elif found.rsplit("/", 1)[-1] != name and not found.startswith("Net-("):
            wrong.append(f"schematic: {name} is called {found}")
    wanted_parts = {ref: (part.value, part.footprint) for ref, part in circuit.parts.items()}
    wrong += differences("schematic:", wanted_parts, parts)
    return wrong, names


class Copper:
    """A .kicad_pcb file as it is: footprints and the nets of their pads."""

    def __init__(self, path: Path) -> None:
        root = parse(path.read_text(encoding="utf-8"))
        self.footprints: dict[str, str] = {}
        self.values: dict[str, str] = {}
        self.net_of: dict[Pin, str] = {}
        for footprint in children(root, "footprint"):
            texts: dict[str, str] = {item[1]: item[2] for item in children(footprint, "fp_text")}
            ref = texts["reference"]
            self.footprints[ref], self.values[ref] = footprint[1], texts["value"]
            for pad in children(footprint, "pad"):
                self.add_pad(ref, pad)
        edges = [item for item in children(root, "gr_line") if child(item, "layer")[1] == "Edge.Cuts"]
        corners = [tuple(map(float, child(edge, end)[1:3])) for edge in edges for end in ("start", "end")]
        self.width = max(x for x, _ in corners) - min(x for x, _ in corners)
        self.height = max(y for _, y in corners) - min(y for _, y in corners)

    def add_pad(self, ref: str, pad: Node) -> None:
        if net := children(pad, "net"):
            self.net_of[ref, pad[1]] = net[0][2]

    def series(self, a: str, b: str) -> bool:
        """Is there a resistor between the two nets?"""
        pairs = ({self.net_of.get((ref, "1")), self.net_of.get((ref, "2"))} for ref in self.footprints if ref[0] == "R")
        return any(pair == {a, b} for pair in pairs)


def layout(circuit: Circuit, copper: Copper, names: dict[str, str]) -> list[str]:
    """Compare the layout's parts, values, footprints and pad nets with the circuit."""
    wanted = {pin: names.get(net) or net for pin, net in circuit.net_of.items()}
    # KiCad names the net of a pin that stands alone after the pin; those are no nets of ours.
    found = {pin: net for pin, net in copper.net_of.items() if not net.startswith("unconnected-")}
    wrong = list(
        differences("footprint", {ref: part.footprint for ref, part in circuit.parts.items()}, copper.footprints)
    )
    wrong += differences("value", {ref: part.value for ref, part in circuit.parts.items()}, copper.values)
    wrong += differences("pad", wanted, found)
    return wrong


def header_facts(wiring: Path) -> dict[str, str]:
    """The #defines of the header that the firmware is built with."""
    source = tables.Source(wiring)
    tables.check_wiring(source)
    return dict(re.findall(r"^#define (\w+) (.+)$", tables.wiring_header(source), re.MULTILINE))


def firmware(copper: Copper, wiring: Path) -> list[str]:
    """Follow the copper from the pins that the firmware uses to the pins of the tinies."""
    facts = header_facts(wiring)
    chip, tiny = symbol("MCU_Microchip_ATmega:ATmega32U4-A"), symbol("MCU_Microchip_ATtiny:ATtiny10-TS")
    register = symbol("74xx:74HC595")
    wrong = []

    def pump(port: str, bit: int | str) -> str:
        return copper.net_of.get(("U1", chip.numbers(f"P{port}{bit}")[0]), "no net")

    def signal(name: str) -> str:
        return pump(facts[f"{name}_ON"].strip("'"), facts[f"{name}_BIT"])

    def pad(ref: str, name: str) -> str:
        return copper.net_of.get((ref, (register if ref in ("U3", "U4") else tiny).numbers(name)[0]), "no net")

    def expect(what: str, holds: bool) -> None:
        if not holds:
            wrong.append(f"firmware: {what}")

    bits = [int(bit) for bit in facts["RESET_BITS"].split(",")]
    for lane in range(LANES):
        ref = f"U{first_number(lane)}"
        at = {name: pad(ref, f"PB{facts[f'TINY_{name}_BIT']}") for name in ("LANE", "CLOCK", "RESET")}
        port = "BD"[lane // 8]
        expect(f"lane {lane}: P{port}{lane % 8} does not reach {ref}", copper.series(pump(port, lane % 8), at["LANE"]))
        expect(f"lane {lane}: the clock does not reach {ref}", copper.series(signal("CLOCK"), at["CLOCK"]))
        output = pad(("U3", "U4")[bits[lane] // 8], f"Q{OUTPUTS[bits[lane] % 8]}")
        expect(f"lane {lane}: reset bit {bits[lane]} does not reach {ref}", output == at["RESET"] != "no net")
    for name, pin in (("SR_CLOCK", "SRCLK"), ("SR_LATCH", "RCLK"), ("SR_OE_N", "~{OE}")):
        for ref in ("U3", "U4"):
            expect(f"{name} does not reach {ref}", signal(name) == pad(ref, pin))
    expect("SR_DATA does not reach U3", signal("SR_DATA") == pad("U3", "SER"))
    expect("U3 does not feed U4", pad("U3", "QH'") == pad("U4", "SER"))
    expect("LED_ACTIVITY does not reach D2", copper.series(signal("LED_ACTIVITY"), copper.net_of.get(("D2", "2"), "")))
    expect("HWB does not reach SW2", signal("HWB") == copper.net_of.get(("SW2", "1")))
    return wrong


def names_by_pins(circuit: Circuit, board: Path) -> dict[str, str]:
    """The circuit's net name -> the layout's, by majority of pads: for checks that have no netlist at hand."""
    copper = Copper(board)
    names = {}
    for name, pins in circuit.nets.items():
        found = [copper.net_of[pin] for pin in pins if pin in copper.net_of]
        names[name] = max(sorted(set(found)), key=found.count) if found else ""
    return names
