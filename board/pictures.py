"""Pictures for people: both sides as they will look, from the Gerbers, and the assembly drawing."""

from __future__ import annotations

import subprocess
import tempfile
import warnings
from pathlib import Path
from xml.sax.saxutils import escape

import fabricate
import pcbnew
import placement

PIXELS = 1400  # width of the renders
MARKED = "UJD"  # parts whose first pad is marked
MARGIN = 4.0
STYLE = (
    "text{font-family:sans-serif;text-anchor:middle;dominant-baseline:central}"
    ".pad{fill:#d9b36c}.body{stroke:#777;stroke-width:.1;fill:none}"
    ".edge{fill:none;stroke:#000;stroke-width:.2}.ink{fill:#3b7d3b;font-size:1.1px}"
    ".ref{font-size:1px;font-weight:bold}.value{font-size:.55px;fill:#00c}.first{fill:#d00}"
)


def renders(folder: Path) -> None:
    """top.png and bottom.png from the Gerbers that the fab gets."""
    from gerbonara import LayerStack

    with tempfile.TemporaryDirectory() as scratch, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        stack = LayerStack.open(fabricate.unpack(folder / "gerbers-jlcpcb.zip", Path(scratch)))
        for side in ("top", "bottom"):
            drawing = Path(scratch) / f"{side}.svg"
            drawing.write_text(str(stack.to_pretty_svg(side=side)), encoding="utf-8")
            to_png(drawing, folder / f"{side}.png")


def to_png(drawing: Path, picture: Path) -> None:
    subprocess.run(
        ["rsvg-convert", "--background-color=white", f"--width={PIXELS}", f"--output={picture}", drawing],
        check=True,
        timeout=120,
    )


def mm(point: pcbnew.wxPoint) -> str:
    return f"{point.x / 1e6:.3f},{point.y / 1e6:.3f}"


def text(kind: str, x: float, y: float, words: str, angle: float = 0) -> str:
    turn = f' transform="rotate({angle:g} {x:.3f} {y:.3f})"' if angle else ""
    return f'<text class="{kind}" x="{x:.3f}" y="{y:.3f}"{turn}>{escape(words)}</text>'


def drawn(footprint: pcbnew.FOOTPRINT, place: placement.Place) -> list[str]:
    """One part: pads, body, reference, value, first pad."""
    out = []
    for pad in footprint.Pads():
        outline = pad.GetEffectivePolygon().Outline(0)
        corners = " ".join(mm(outline.CPoint(i)) for i in range(outline.PointCount()))
        out.append(f'<polygon class="pad" points="{corners}"/>')
    for item in footprint.GraphicalItems():
        if (
            item.GetLayer() == pcbnew.F_Fab
            and item.GetClass() == "MGRAPHIC"
            and item.GetShape() == pcbnew.SHAPE_T_SEGMENT
        ):
            out.append(f'<path class="body" d="M{mm(item.GetStart())} L{mm(item.GetEnd())}"/>')
    ref, value = footprint.GetReference(), footprint.GetValue()
    if ref[0] in MARKED:
        first = next(pad.GetPosition() for pad in footprint.Pads() if pad.GetNumber() in ("1", "A1"))
        out.append(f'<circle class="first" cx="{first.x / 1e6:.3f}" cy="{first.y / 1e6:.3f}" r=".22"/>')
    if place.ref:
        out.append(text("ref", place.x + place.ref[0], place.y + place.ref[1], ref, -place.ref_angle))
        if ref != "J2":  # the ink beside it says what it is
            under = 1.2 if place.ref == (0, 0) else 0
            out.append(text("value", place.x, place.y + under, value, -90 if place.angle % 180 else 0))
    elif ref[0] != "H":
        out.append(text("value", place.x, place.y + 1.2, ref))
    return out


def assembly(board: pcbnew.BOARD) -> str:
    """An SVG of the front: where each part goes, which way round, and what it is."""
    places = dict(placement.places())
    width, height = placement.WIDTH, placement.HEIGHT
    box = f"{-MARGIN} {-MARGIN} {width + 2 * MARGIN} {height + 2 * MARGIN}"
    size = f'width="{3 * (width + 2 * MARGIN):g}mm" height="{3 * (height + 2 * MARGIN):g}mm"'
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" {size} viewBox="{box}"><style>{STYLE}</style>']
    out.append(f'<rect x="{-MARGIN}" y="{-MARGIN}" width="100%" height="100%" fill="#fff"/>')
    out.append(f'<rect class="edge" width="{width}" height="{height}"/>')
    out += [text("ink", line.x, line.y, line.text) for line in placement.ink() if not line.back and line.text != "PB2"]
    for footprint in sorted(board.GetFootprints(), key=lambda f: fabricate.natural(f.GetReference())):
        out += drawn(footprint, places[footprint.GetReference()])
    legend = (
        "tinycloud rev 1, assembly, front (all parts are here). Red: pin 1; on an LED the cathode. Blue: value. 3:1"
    )
    out.append(text("ref", width / 2, height + 2, legend))
    return "\n".join([*out, "</svg>", ""])
