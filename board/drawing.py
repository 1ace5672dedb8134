"""Draws schematic pages in KiCad 6's file format: parts from the circuit, wires where they are asked for.

A page never says what is connected: it asks the circuit. A wire between pins of two nets is refused, and the text of a
label is the net's own name. Everything is in mm on KiCad's 1.27 mm grid; identifiers are hashes of what they name, so
that the same circuit gives the same bytes.
"""

from __future__ import annotations

import uuid
from collections import Counter
from dataclasses import dataclass
from itertools import pairwise

from circuit import Circuit
from kicad_files import Text, dump, symbol

NAMESPACE = uuid.UUID("6ba7b811-9dad-11d1-80b4-00c04fd430c8")  # RFC 4122 appendix C: names that are URLs
POWER = {"GND": "power:GND", "+5V": "power:+5V", "VBUS": "power:VBUS"}
GRID = 1.27
STEP = 2 * GRID

Point = tuple[float, float]


def identifier(*words: object) -> str:
    return str(uuid.uuid5(NAMESPACE, "tinycloud/" + "/".join(map(str, words))))


def mm(value: float) -> str:
    return f"{round(value, 3):g}"


def snapped(x: float, y: float) -> Point:
    """The point, rounded to hundredths so that equal places compare equal; off the grid is a mistake of ours."""
    for value in (x, y):
        assert abs(value / GRID - round(value / GRID)) < 1e-6, f"({x}, {y}) is off the grid"
    return round(x, 2), round(y, 2)


def turned(x: float, y: float, angle: int, mirror: bool) -> Point:
    """A library point (y upwards) as an offset on the page (y downwards)."""
    for _ in range(angle // 90):
        x, y = -y, x
    if mirror:
        x = -x
    return x, -y


def effects(size: float = GRID, justify: str = "", hide: bool = False, bold: bool = False) -> str:
    words = f" (justify {justify})" if justify else ""
    return f"(effects (font (size {mm(size)} {mm(size)}){' bold' if bold else ''}){words}{' hide' if hide else ''})"


@dataclass(frozen=True)
class Placed:
    """A part on the page: where its pins ended up, and which way out of the part each one points."""

    pins: dict[str, Point]
    outward: dict[str, Point]


class Page:
    """One sheet. `path` is where it hangs: "" for the root, else "/<identifier of the sheet>"."""

    def __init__(self, circuit: Circuit, name: str, title: str, paper: str, path: str = "") -> None:
        self.circuit, self.name, self.title, self.paper, self.path = circuit, name, title, paper, path
        self.symbols: dict[str, str] = {}
        self.items: list[str] = []
        self.instances: list[str] = []
        self.placed: dict[str, Placed] = {}
        self.wires: list[tuple[Point, Point]] = []
        self.ends: Counter[Point] = Counter()  # wires, pins and labels that end at a point
        self.powers = 0

    def id(self, *words: object) -> str:
        return identifier(self.name, *words)

    # Parts

    def symbol(
        self, ref: str, lib: str, value: str, footprint: str, at: Point, angle: int, mirror: bool, fields: str
    ) -> Placed:
        """Write one symbol and remember its pins."""
        drawn = symbol(lib)
        self.symbols[lib] = dump(drawn.node)
        own = self.id(ref)
        pins = " ".join(f'(pin "{pin.number}" (uuid {self.id(ref, pin.number)}))' for pin in drawn.pins)
        self.items.append(
            f'(symbol (lib_id "{lib}") (at {mm(at[0])} {mm(at[1])} {angle}){" (mirror y)" if mirror else ""} (unit 1)'
            f" (in_bom {'no' if ref[0] in '#H' else 'yes'}) (on_board yes) (uuid {own})\n  {fields}\n  {pins})"
        )
        self.instances.append(
            f'(path "{self.path}/{own}" (reference "{ref}") (unit 1) (value "{value}") (footprint "{footprint}"))'
        )
        places, outward = {}, {}
        for pin in drawn.pins:
            dx, dy = turned(pin.x, pin.y, angle, mirror)
            places[pin.number] = snapped(at[0] + dx, at[1] + dy)
            way = {0: (-1, 0), 90: (0, -1), 180: (1, 0), 270: (0, 1)}[pin.angle]
            outward[pin.number] = turned(*way, angle, mirror)
        return Placed(places, outward)

    def place(
        self,
        ref: str,
        x: float,
        y: float,
        angle: int = 0,
        mirror: bool = False,
        ref_at: tuple = (),
        value_at: tuple = (),
    ) -> None:
        """Draw a part; `ref_at` and `value_at` are offsets (dx, dy, justification) where the usual places are taken."""
        part = self.circuit.parts[ref]
        upright = angle % 180 == 0
        small = part.facts["symbol"].startswith("Device:") and ref[0] in "RCF"
        usual = ((2.54, -1.27, "left"), (2.54, 1.27, "left")) if small and upright else ((0, -3.81, ""), (0, 3.81, ""))
        if small and not upright:
            usual = ((0, -2.54, ""), (0, 2.54, ""))
        texts = [("Reference", ref, ref_at or usual[0]), ("Value", part.value, value_at or usual[1])]
        lines = []
        for number, (name, text, (dx, dy, justify)) in enumerate(texts):
            hide = name == "Value" and text == "pad"
            flipped = {"left": "right", "right": "left"}.get(justify, "") if mirror else justify
            place = f"(at {mm(x + dx)} {mm(y + dy)} {0 if upright else 90})"
            lines.append(f'(property "{name}" "{text}" (id {number}) {place} {effects(justify=flipped, hide=hide)})')
        hidden = effects(hide=True)
        lines.append(f'(property "Footprint" "{part.footprint}" (id 2) (at {mm(x)} {mm(y)} 0) {hidden})')
        if mpn := part.facts.get("mpn"):
            lines.append(f'(property "MPN" "{mpn}" (id 4) (at {mm(x)} {mm(y)} 0) {hidden})')
        lib = part.facts["symbol"]
        self.placed[ref] = self.symbol(ref, lib, part.value, part.footprint, (x, y), angle, mirror, "\n  ".join(lines))
        for number, point in self.placed[ref].pins.items():
            if (ref, number) not in self.circuit.net_of:
                self.items.append(
                    f"(no_connect (at {mm(point[0])} {mm(point[1])}) (uuid {self.id(ref, number, 'nc')}))"
                )
        for point in set(self.placed[ref].pins.values()):
            self.ends[point] += 1

    def pin(self, ref: str, name: str) -> str:
        """The pin's number, from its number or its name."""
        drawn = self.circuit.parts[ref].symbol
        return name if name in self.placed[ref].pins else drawn.numbers(name)[0]

    def at(self, ref: str, name: str) -> Point:
        """Where a pin ends."""
        return self.placed[ref].pins[self.pin(ref, name)]

    def net(self, ref: str, name: str) -> str:
        return self.circuit.net_of[ref, self.pin(ref, name)]

    # Lines

    def wire(self, *points: Point) -> Point:
        """A wire along the points; between two points that differ both ways it goes sideways first. Returns its end."""
        for start, end in pairwise(points):
            corner = (end[0], start[1])
            for a, b in ((start, corner), (corner, end)):
                if a != b:
                    self.wires.append((snapped(*a), snapped(*b)))
        return points[-1]

    def join(self, first: tuple[str, str], *rest: tuple[str, str] | Point) -> None:
        """A wire from pin to pin, by way of any points between; all pins must be on one net."""
        net = self.net(*first)
        points = [self.at(*first)]
        for stop in rest:
            if isinstance(stop[0], str):
                assert self.net(*stop) == net, f"{first} and {stop} are on different nets"
                points.append(self.at(*stop))
            else:
                points.append(stop)
        self.wire(*points)

    def stub(self, ref: str, name: str, length: int = 2) -> Point:
        """A wire straight out of a pin, in grid steps."""
        number = self.pin(ref, name)
        (x, y), (dx, dy) = self.placed[ref].pins[number], self.placed[ref].outward[number]
        return self.wire((x, y), snapped(x + dx * length * GRID, y + dy * length * GRID)) if length else (x, y)

    def power(self, net: str, at: Point, angle: int = 0) -> None:
        """A ground or supply symbol whose pin is at the point."""
        self.powers += 1
        ref = f"#PWR{self.name[:1].upper()}{self.powers:03}"
        up = -1 if net == "GND" else 1
        dx, dy = turned(0, (5.08 if angle % 180 else 3.81) * up, angle, False)
        hidden = effects(hide=True)
        text_angle = angle % 180
        fields = (
            f'(property "Reference" "{ref}" (id 0) (at {mm(at[0])} {mm(at[1])} 0) {hidden})\n  '
            f'(property "Value" "{net}" (id 1) (at {mm(at[0] + dx)} {mm(at[1] + dy)} {text_angle}) {effects()})'
        )
        self.symbol(ref, POWER[net], net, "", at, angle, False, fields)
        self.ends[at] += 1

    def flag(self, at: Point) -> None:
        """Tells ERC that the net here is fed from outside."""
        self.powers += 1
        ref = f"#FLG{self.name[:1].upper()}{self.powers:03}"
        hidden = effects(hide=True)
        fields = f'(property "Reference" "{ref}" (id 0) (at {mm(at[0])} {mm(at[1])} 0) {hidden})\n  '
        fields += f'(property "Value" "PWR_FLAG" (id 1) (at {mm(at[0])} {mm(at[1] - 3.81)} 0) {effects()})'
        self.symbol(ref, "power:PWR_FLAG", "PWR_FLAG", "", at, 0, False, fields)
        self.ends[at] += 1

    def supply(self, ref: str, name: str, length: int = 0) -> None:
        """The symbol of a pin's own supply net, at the end of a stub."""
        self.power(self.net(ref, name), self.stub(ref, name, length))

    def label(self, ref: str, name: str, length: int = 2, shape: str = "") -> None:
        """Name a pin's net at the end of a stub; with a shape, the name goes to the page above as well."""
        number = self.pin(ref, name)
        end = self.stub(ref, name, length)
        self.label_at(self.net(ref, name), end, self.placed[ref].outward[number], shape)

    def label_at(self, text: str, at: Point, outward: Point = (1, 0), shape: str = "") -> None:
        assert shape == "" or outward[1] == 0
        angle = {(1, 0): 0, (-1, 0): 180, (0, -1): 90, (0, 1): 270}[outward[0], outward[1]]
        side = "right" if angle in (180, 270) else "left"
        place = f"(at {mm(at[0])} {mm(at[1])} {angle})"
        if shape:
            head, tail = f'(hierarchical_label "{text}" (shape {shape})', effects(justify=side)
        else:
            head, tail = f'(label "{text}"', effects(justify=f"{side} bottom")
        self.items.append(f"{head} {place} {tail} (uuid {self.id('label', text, at)}))")

    def bus(self, *points: Point) -> None:
        for a, b in pairwise(points):
            self.items.append(self.line("bus", snapped(*a), snapped(*b)))

    def bus_tap(self, net: str, bus_x: float, side: int, end: Point) -> None:
        """A named wire from a point to a vertical bus on its right (side -1) or left (side +1)."""
        tap = snapped(bus_x, end[1] - STEP)
        corner = snapped(bus_x + STEP * side, end[1])
        where = f"(at {mm(tap[0])} {mm(tap[1])}) (size {mm(STEP * side)} {mm(STEP)})"
        stroke = "(stroke (width 0) (type default) (color 0 0 0 0))"
        self.items.append(f"(bus_entry {where} {stroke} (uuid {self.id('tap', net, tap)}))")
        self.label_at(net, min(corner, end))
        self.wire(corner, end)

    def line(self, kind: str, a: Point, b: Point) -> str:
        points = f"(pts (xy {mm(a[0])} {mm(a[1])}) (xy {mm(b[0])} {mm(b[1])}))"
        return f"({kind} {points} (stroke (width 0) (type default) (color 0 0 0 0)) (uuid {self.id(kind, a, b)}))"

    # What is only for the eye

    def text(self, words: str, x: float, y: float, size: float = 1.27, bold: bool = False) -> None:
        look = effects(size, "left bottom", bold=bold)
        self.items.append(
            f"(text {dump(Text(words))} (at {mm(x)} {mm(y)} 0) {look} (uuid {self.id('text', words, x, y)}))"
        )

    def frame(self, x0: float, y0: float, x1: float, y1: float, title: str) -> None:
        """A dashed box around one function, with its name."""
        corners = [(x0, y0), (x1, y0), (x1, y1), (x0, y1), (x0, y0)]
        stroke = "(stroke (width 0) (type dash) (color 132 132 132 1))"
        for a, b in pairwise(corners):
            points = f"(pts (xy {mm(a[0])} {mm(a[1])}) (xy {mm(b[0])} {mm(b[1])}))"
            self.items.append(f"(polyline {points} {stroke} (uuid {self.id('frame', a, b)}))")
        self.text(title, x0 + 1.27, y0 + 3.6, 1.8, bold=True)

    def sheet(self, name: str, file: str, x: float, y: float, width: float, height: float, pins: list[tuple]) -> str:
        """A page below this one as a box; pins are (text, shape, side, dy). Returns its identifier."""
        own = self.id("sheet", name)
        head, foot = effects(1.8, "left bottom", bold=True), effects(1.27, "left top")
        lines = [
            f"(sheet (at {mm(x)} {mm(y)}) (size {mm(width)} {mm(height)}) (fields_autoplaced)",
            f"  (stroke (width 0.3) (type solid) (color 0 0 0 0)) (fill (color 255 255 220 1)) (uuid {own})",
            f'  (property "Sheet name" "{name}" (id 0) (at {mm(x)} {mm(y - 0.8)} 0) {head})',
            f'  (property "Sheet file" "{file}" (id 1) (at {mm(x)} {mm(y + height + 0.6)} 0) {foot})',
        ]
        for text, shape, side, dy in pins:
            right = side == "right"
            place = f"(at {mm(x + width if right else x)} {mm(y + dy)} {0 if right else 180})"
            look = effects(justify="right" if right else "left")
            lines.append(f'  (pin "{text}" {shape} {place} {look} (uuid {self.id("sheet", name, text)}))')
        self.items.append("\n".join(lines) + ")")
        return own

    # The file

    def junctions(self) -> set[Point]:
        """Points where three or more ends meet, or where an end stands on the middle of a wire."""
        ends = Counter(self.ends)
        for wire in self.wires:
            ends.update(wire)
        found = {point for point, count in ends.items() if count >= 3}
        for x, y in ends:
            for (ax, ay), (bx, by) in self.wires:
                inside = (ax == bx == x and min(ay, by) < y < max(ay, by)) or (
                    ay == by == y and min(ax, bx) < x < max(ax, bx)
                )
                if inside:
                    found.add((x, y))
        return found

    def write(self, pages: list[str] | None = None, instances: list[str] | None = None) -> str:
        """The file's text; the root also lists all pages and all parts."""
        out = [
            "(kicad_sch (version 20211123) (generator tinycloud)",
            f"(uuid {self.id('page')})",
            f'(paper "{self.paper}")',
        ]
        out.append(f'(title_block (title "{self.title}") (rev "1") (company "tinymux") (comment 1 "CERN-OHL-P-2.0"))')
        out.append("(lib_symbols\n" + "\n".join(self.symbols[name] for name in sorted(self.symbols)) + "\n)")
        for x, y in sorted(self.junctions()):
            out.append(
                f"(junction (at {mm(x)} {mm(y)}) (diameter 0) (color 0 0 0 0) (uuid {self.id('junction', x, y)}))"
            )
        out += [self.line("wire", a, b) for a, b in dict.fromkeys(self.wires)]
        out += self.items
        if pages is not None:
            out.append("(sheet_instances\n" + "\n".join(pages) + "\n)")
            out.append("(symbol_instances\n" + "\n".join(instances or []) + "\n)")
        return "\n".join(out) + "\n)\n"
