"""The layout, made with pcbnew: parts, hand-drawn copper, silkscreen, planes, rules."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import pcbnew
import placement
from circuit import Circuit
from kicad_files import FOOTPRINTS

LAYERS = (pcbnew.F_Cu, pcbnew.B_Cu)
PLANES = {"GND": pcbnew.In1_Cu, "+5V": pcbnew.In2_Cu}
TITLE = "tinycloud"

# What the fabs ask for, in mm: docs.oshpark.com/services/four-layer and jlcpcb.com/capabilities/pcb-capabilities.
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

    def draw_all(self) -> None:
        """All that is not the router's."""
        self.outline()
        for track in placement.tracks():
            self.draw(track)
        self.ink()
        self.planes()

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
        for a, b in pairwise(corners):
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
