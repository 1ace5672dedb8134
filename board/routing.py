"""Hands a layout's open connections to the router, and draws what comes back."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

import pcbnew
import placement
from layout import CLEARANCE, LAYERS, PLANES, Layout, mm, strictest

GRID = 0.1  # mm


def route(layout: Layout) -> None:
    """Connect all that the hand has left open; a board that cannot be routed is an error."""
    with tempfile.TemporaryDirectory() as scratch:
        router = Path(scratch) / "router"
        sources = sorted((Path(__file__).parent / "router").glob("*.c"))
        subprocess.run(["gcc", "-std=gnu11", "-O2", "-Wall", "-Wextra", "-o", router, *sources], check=True)
        problem = describe(layout)
        done = subprocess.run([router], input=problem, capture_output=True, text=True, check=False, timeout=300)
    if done.returncode:
        raise RuntimeError(f"router: {done.stderr.strip()}")
    apply(layout, done.stdout)


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
    """The router's problem: what copper there is, and which of it already hangs together. See router/problem.h."""
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
    lines.append("rules " + " ".join(str(round(1000 * v)) for v in (GRID, placement.SIGNAL, CLEARANCE, placement.VIA)))
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
