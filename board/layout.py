"""The layout: parts, hand-drawn copper, silkscreen and planes by pcbnew; the rest of the copper from the router."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pcbnew
import placement
from circuit import Circuit
from kicad_files import FOOTPRINTS

LAYERS = (pcbnew.F_Cu, pcbnew.B_Cu)
PLANES = {"GND": pcbnew.In1_Cu, "+5V": pcbnew.In2_Cu}
TITLE = "tinycloud"

# What the fabs ask for, in mm. OSH Park, 4 layers: docs.oshpark.com/services/four-layer. JLCPCB: jlcpcb.com/capabilities.
FABS = {
    "OSH Park": {
        "min_clearance": 0.127,
        "min_track_width": 0.127,
        "min_through_hole_diameter": 0.254,
        "min_via_annular_width": 0.1016,
        "min_copper_edge_clearance": 0.381,
    },
    "JLCPCB": {
        "min_clearance": 0.1,
        "min_track_width": 0.1,
        "min_through_hole_diameter": 0.2,
        "min_via_annular_width": 0.13,
        "min_copper_edge_clearance": 0.2,
        "min_hole_to_hole": 0.5,
        "min_hole_clearance": 0.254,
    },
}
CLEARANCE = 0.15


def mm(x: float, y: float) -> pcbnew.wxPoint:
    return pcbnew.wxPointMM(float(x), float(y))


def strictest() -> dict[str, float]:
    """Of each rule the stricter one, so that one design suits both fabs."""
    rules: dict[str, float] = {"min_via_diameter": 0.5}
    for fab in FABS.values():
        for name, value in fab.items():
            rules[name] = max(value, rules.get(name, 0))
    return rules


class Layout:
    """A board being made. Coordinates are the board's own: its top left corner is at (0, 0)."""

    def __init__(self, circuit: Circuit, names: dict[str, str], paths: dict[str, str], path: Path) -> None:
        """`names`: the circuit's net name -> KiCad's; `paths`: reference -> path of its symbol."""
        pcbnew.KIID.SeedGenerator(1)  # identifiers, and with them the file's bytes, are the same at each run
        self.circuit = circuit
        self.board = pcbnew.NewBoard(str(path))
        self.board.SetCopperLayerCount(4)
        self.board.GetDesignSettings().m_MaxError = pcbnew.FromMM(0.02)  # of arcs; the file is half as long
        self.nets = {}
        for net in circuit.nets:
            self.nets[net] = pcbnew.NETINFO_ITEM(self.board, names[net])
            self.board.Add(self.nets[net])
        self.pads: dict[str, pcbnew.PAD] = {}
        self.vias: set[tuple[int, int]] = set()
        for ref, place in placement.places():
            self.place(ref, place, paths[ref])
        missing = set(circuit.parts) - {f.GetReference() for f in self.board.GetFootprints()}
        assert not missing, f"not placed: {sorted(missing)}"

    def place(self, ref: str, place: placement.Place, path: str) -> None:
        part = self.circuit.parts[ref]
        lib, name = part.footprint.split(":")
        footprint = pcbnew.FootprintLoad(str(FOOTPRINTS / f"{lib}.pretty"), name)
        footprint.SetFPID(pcbnew.LIB_ID(lib, name))
        footprint.SetReference(ref)
        footprint.SetValue(part.value)
        footprint.SetPath(pcbnew.KIID_PATH(path))
        self.board.Add(footprint)
        footprint.SetPosition(mm(place.x, place.y))
        footprint.SetOrientationDegrees(place.angle)
        text = footprint.Reference()
        text.SetVisible(place.ref is not None)
        if place.ref:
            text.SetTextSize(pcbnew.wxSizeMM(1.0, 1.0))
            text.SetTextThickness(pcbnew.FromMM(0.15))
            text.SetPosition(mm(place.x + place.ref[0], place.y + place.ref[1]))
            # The angle that is stored is relative to the footprint's.
            text.SetTextAngle(10 * (place.ref_angle - place.angle))
            text.SetKeepUpright(True)
        for item in list(footprint.GraphicalItems()):
            box = item.GetBoundingBox()
            if item.GetLayer() == pcbnew.F_SilkS and box.GetX() < pcbnew.FromMM(0.3):
                footprint.Remove(item)  # the connector's ink would run over the edge
        for pad in footprint.Pads():
            key = (ref, pad.GetNumber())
            if key in self.circuit.net_of:
                pad.SetNet(self.nets[self.circuit.net_of[key]])
            self.pads.setdefault(f"{ref}.{pad.GetNumber()}", pad)

    # Copper

    def track(self, net: pcbnew.NETINFO_ITEM, a: pcbnew.wxPoint, b: pcbnew.wxPoint, width: float, layer: int) -> None:
        track = pcbnew.PCB_TRACK(self.board)
        track.SetStart(a)
        track.SetEnd(b)
        track.SetWidth(pcbnew.FromMM(width))
        track.SetLayer(layer)
        track.SetNet(net)
        self.board.Add(track)

    def via(self, net: pcbnew.NETINFO_ITEM, at: pcbnew.wxPoint) -> None:
        via = pcbnew.PCB_VIA(self.board)
        via.SetPosition(at)
        via.SetWidth(pcbnew.FromMM(placement.VIA))
        via.SetDrill(pcbnew.FromMM(placement.VIA_HOLE))
        via.SetNet(net)
        self.vias.add((at.x, at.y))
        self.board.Add(via)

    def draw(self, hand: placement.Track) -> None:
        """One track by hand."""
        net, at, layer = self.nets.get(hand.net), None, 0
        for stop in hand.stops:
            if stop == placement.VIA_HERE:
                if (at.x, at.y) not in self.vias:
                    self.via(net, at)
                layer = 1 - layer
                continue
            if isinstance(stop, tuple):
                point = mm(*stop)
            elif stop[0] in "+-":
                point = at + mm(*map(float, stop.split(",")))
            else:
                pad = self.pads[stop]
                point = pad.GetPosition()
                net = net or pad.GetNet()
                assert net.GetNetname() == pad.GetNetname(), f"{hand.stops}: {stop} is on another net"
            if at is not None and at != point:
                self.track(net, at, point, hand.width, LAYERS[layer])
            at = point

    def planes(self) -> None:
        """Ground under the front, 5 V under the back."""
        inset = strictest()["min_copper_edge_clearance"] + 0.1
        w, h = placement.WIDTH, placement.HEIGHT
        for net, layer in PLANES.items():
            zone = pcbnew.ZONE(self.board)
            zone.SetLayer(layer)
            zone.SetNet(self.nets[net])
            outline = zone.Outline()
            outline.NewOutline()
            for x, y in ((inset, inset), (w - inset, inset), (w - inset, h - inset), (inset, h - inset)):
                outline.Append(pcbnew.FromMM(x), pcbnew.FromMM(y))
            zone.SetLocalClearance(pcbnew.FromMM(max(0.2, strictest()["min_hole_clearance"] + 0.01)))
            zone.SetMinThickness(pcbnew.FromMM(0.2))
            zone.SetThermalReliefGap(pcbnew.FromMM(0.25))
            zone.SetThermalReliefSpokeWidth(pcbnew.FromMM(0.4))
            self.board.Add(zone)

    def fill(self) -> None:
        pcbnew.ZONE_FILLER(self.board).Fill(self.board.Zones())

    # Everything else

    def outline(self) -> None:
        w, h = placement.WIDTH, placement.HEIGHT
        corners = [(0, 0), (w, 0), (w, h), (0, h), (0, 0)]
        for a, b in zip(corners, corners[1:], strict=False):
            line = pcbnew.PCB_SHAPE(self.board)
            line.SetShape(pcbnew.SHAPE_T_SEGMENT)
            line.SetLayer(pcbnew.Edge_Cuts)
            line.SetStart(mm(*a))
            line.SetEnd(mm(*b))
            line.SetWidth(pcbnew.FromMM(0.1))
            self.board.Add(line)

    def ink(self) -> None:
        for line in placement.ink():
            text = pcbnew.PCB_TEXT(self.board)
            text.SetText(line.text)
            text.SetPosition(mm(line.x, line.y))
            text.SetTextSize(pcbnew.wxSizeMM(line.size, line.size))
            text.SetTextThickness(pcbnew.FromMM(max(0.15, line.size * 0.15)))
            text.SetLayer(pcbnew.B_SilkS if line.back else pcbnew.F_SilkS)
            text.SetMirrored(line.back)
            self.board.Add(text)

    def save(self, path: Path) -> None:
        """The board; KiCad also writes the project anew, but ours is shorter and is what we stand by."""
        block = pcbnew.TITLE_BLOCK()
        block.SetTitle(TITLE)
        block.SetRevision("1")
        self.board.SetTitleBlock(block)
        pcbnew.SaveBoard(str(path), self.board)
        path.with_suffix(".kicad_pro").write_text(project(), encoding="utf-8")


def project() -> str:
    """The project file: KiCad fills in the rest with its defaults. DRC reads its rules from here."""
    net_class = {
        "name": "Default",
        "clearance": CLEARANCE,
        "track_width": placement.SIGNAL,
        "via_diameter": placement.VIA,
        "via_drill": placement.VIA_HOLE,
    }
    settings = {
        "board": {"design_settings": {"rules": strictest()}},
        "meta": {"filename": "tinycloud.kicad_pro", "version": 1},
        "net_settings": {"classes": [net_class], "meta": {"version": 2}},
    }
    return json.dumps(settings, indent=2, sort_keys=True) + "\n"


def build(circuit: Circuit, names: dict[str, str], paths: dict[str, str], router: Path, path: Path) -> None:
    """Make the whole board and save it."""
    layout = Layout(circuit, names, paths, path)
    layout.outline()
    for track in placement.tracks():
        layout.draw(track)
    layout.ink()
    layout.planes()
    problem = describe(layout)
    result = subprocess.run([router], input=problem, capture_output=True, text=True, check=False, timeout=300)
    if result.returncode:
        raise RuntimeError(f"router: {result.stderr.strip()}")
    apply(layout, result.stdout)
    layout.fill()
    layout.save(path)


def micrometres(point: pcbnew.wxPoint) -> tuple[int, int]:
    return round(point.x / 1000), round(point.y / 1000)


def outline_of(pad: pcbnew.PAD) -> list[tuple[int, int]]:
    outline = pad.GetEffectivePolygon().Outline(0)
    return [micrometres(outline.CPoint(i)) for i in range(outline.PointCount())]


class Islands:
    """Which pieces of a net's copper already hang together: those that meet at a point."""

    def __init__(self) -> None:
        self.parent: dict[tuple, tuple] = {}

    def find(self, point: tuple) -> tuple:
        self.parent.setdefault(point, point)
        while self.parent[point] != point:
            point = self.parent[point]
        return point

    def join(self, a: tuple, b: tuple) -> None:
        self.parent[self.find(a)] = self.find(b)

    def numbers(self, net: str) -> dict[tuple, int]:
        roots = dict.fromkeys(self.find(point) for point in list(self.parent) if point[0] == net)
        return {root: number for number, root in enumerate(roots)}


def describe(layout: Layout) -> str:
    """The router's problem: what copper there is, and which of it already hangs together. See router.c."""
    rules = strictest()
    board = layout.board
    names = {item.GetNetname(): name for name, item in layout.nets.items()}
    routed = [name for name, pins in layout.circuit.nets.items() if name not in PLANES and len(pins) > 1]
    index = {name: number for number, name in enumerate(routed)}
    islands = Islands()
    # Each piece: net, layers, is it a pad, radius, points; a piece belongs to the island of its anchor.
    pieces: list[tuple[str, int, int, int, list, tuple]] = []
    for pad in board.GetPads():
        net = names.get(pad.GetNetname(), "")
        layers = sum(1 << i for i, layer in enumerate(LAYERS) if pad.IsOnLayer(layer))
        anchor = micrometres(pad.GetPosition())
        if pad.GetAttribute() == pcbnew.PAD_ATTRIB_NPTH:
            extra = round(1000 * (rules["min_hole_clearance"] - CLEARANCE))
            radius = round(pad.GetDrillSize().x / 2000) + extra
            pieces.append(("", 3, 0, radius, [anchor], anchor))
            continue
        if not layers:
            continue  # a paste-only opening
        islands.find((net, *anchor))
        through = pad.GetAttribute() == pcbnew.PAD_ATTRIB_PTH
        pieces.append((net, layers, 0 if through else 1, 0, outline_of(pad), anchor))
    for item in board.GetTracks():
        net = names[item.GetNetname()]
        start, end = micrometres(item.GetStart()), micrometres(item.GetEnd())
        islands.join((net, *start), (net, *end))
        via = item.Type() == pcbnew.PCB_VIA_T
        layers = 3 if via else 1 << LAYERS.index(item.GetLayer())
        pieces.append((net, layers, 0, round(item.GetWidth() / 2000), [start] if via else [start, end], start))
    width, height = round(1000 * placement.WIDTH), round(1000 * placement.HEIGHT)
    lines = [f"board {width} {height} {round(1000 * rules['min_copper_edge_clearance'])}"]
    lines.append("rules " + " ".join(str(round(1000 * v)) for v in (0.1, placement.SIGNAL, CLEARANCE, placement.VIA)))
    lines += [f"net {name}" for name in routed]
    numbers = {name: islands.numbers(name) for name in routed}
    for net, layers, pad, radius, points, anchor in pieces:
        island = numbers[net][islands.find((net, *anchor))] if net in index else 0
        flat = " ".join(f"{x} {y}" for x, y in points)
        lines.append(f"copper {index.get(net, -1)} {layers} {island} {pad} {radius} {len(points)} {flat}")
    return "\n".join(lines) + "\n"


def apply(layout: Layout, solution: str) -> None:
    """Draw the router's tracks and vias."""
    for line in solution.splitlines():
        kind, name, *numbers = line.split()
        net, values = layout.nets[name], [int(n) for n in numbers]
        if kind == "via":
            layout.via(net, mm(values[0] / 1000, values[1] / 1000))
        else:
            a, b = mm(values[1] / 1000, values[2] / 1000), mm(values[3] / 1000, values[4] / 1000)
            layout.track(net, a, b, placement.SIGNAL, LAYERS[values[0]])
