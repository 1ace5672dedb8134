"""What a fab and an assembler need: Gerbers and drill files under two fabs' names, positions, and the list of parts."""

from __future__ import annotations

import csv
import io
import re
import tempfile
import warnings
import zipfile
from pathlib import Path

import pcbnew
from circuit import Circuit

# Layer, what KiCad calls the file, what OSH Park calls it (docs.oshpark.com/troubleshooting/naming-pattern).
LAYERS = (
    (pcbnew.F_Cu, "F_Cu.gtl", "GTL"),
    (pcbnew.In1_Cu, "In1_Cu.g2", "G2L"),
    (pcbnew.In2_Cu, "In2_Cu.g3", "G3L"),
    (pcbnew.B_Cu, "B_Cu.gbl", "GBL"),
    (pcbnew.F_Mask, "F_Mask.gts", "GTS"),
    (pcbnew.B_Mask, "B_Mask.gbs", "GBS"),
    (pcbnew.F_SilkS, "F_SilkS.gto", "GTO"),
    (pcbnew.B_SilkS, "B_SilkS.gbo", "GBO"),
    (pcbnew.F_Paste, "F_Paste.gtp", "GTP"),
    (pcbnew.Edge_Cuts, "Edge_Cuts.gm1", "GKO"),
)
EPOCH = (1980, 1, 1, 0, 0, 0)  # the first moment that a zip file can name


def without_dates(text: str) -> str:
    """Plotted files say when they were made; ours do not, so that equal boards give equal bytes."""
    text = re.sub(r"^(G04 Created by KiCad .*) date .*\*$", r"\1*", text, flags=re.MULTILINE)
    text = re.sub(r"^%TF\.CreationDate,.*\*%\n", "", text, flags=re.MULTILINE)
    text = re.sub(r"^; #@! TF\.CreationDate,.*\n", "", text, flags=re.MULTILINE)
    return re.sub(r"^(; DRILL file .*) date .*$", r"\1", text, flags=re.MULTILINE)


def plot(board: pcbnew.BOARD, folder: Path) -> None:
    """All Gerbers and drill files, under KiCad's names."""
    control = pcbnew.PLOT_CONTROLLER(board)
    options = control.GetPlotOptions()
    options.SetOutputDirectory(str(folder))
    options.SetPlotFrameRef(False)
    options.SetPlotValue(False)
    options.SetUseGerberProtelExtensions(True)
    options.SetUseGerberX2format(True)
    options.SetIncludeGerberNetlistInfo(True)
    options.SetCreateGerberJobFile(False)
    options.SetSubtractMaskFromSilk(True)
    for layer, name, _ in LAYERS:
        control.SetLayer(layer)
        control.OpenPlotfile(name.split(".")[0], pcbnew.PLOT_FORMAT_GERBER, name)
        control.PlotLayer()
    control.ClosePlot()
    for merged in (False, True):
        writer = pcbnew.EXCELLON_WRITER(board)
        writer.SetOptions(False, False, pcbnew.wxPoint(0, 0), merged)
        writer.SetFormat(True)
        writer.CreateDrillandMapFilesSet(str(folder), True, False)
    for path in folder.iterdir():
        path.write_text(without_dates(path.read_text(encoding="utf-8")), encoding="utf-8")


def pack(path: Path, files: dict[str, Path]) -> None:
    """A zip file that depends on nothing but its contents."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, source in sorted(files.items()):
            info = zipfile.ZipInfo(name, EPOCH)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = 0o644 << 16
            archive.writestr(info, source.read_bytes())


def archives(board: pcbnew.BOARD, name: str, folder: Path) -> None:
    """One zip for each fab."""
    with tempfile.TemporaryDirectory() as scratch:
        plotted = Path(scratch)
        plot(board, plotted)
        kicad = {f"{name}-{file}": plotted / f"{name}-{file}" for _, file, _ in LAYERS}
        drills = {f"{name}-{kind}.drl": plotted / f"{name}-{kind}.drl" for kind in ("PTH", "NPTH")}
        pack(folder / "gerbers-jlcpcb.zip", kicad | drills)
        oshpark = {f"{name}.{ending}": plotted / f"{name}-{file}" for _, file, ending in LAYERS}
        pack(folder / "gerbers-oshpark.zip", oshpark | {f"{name}.XLN": plotted / f"{name}.drl"})


def table(rows: list[list[object]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def positions(board: pcbnew.BOARD, circuit: Circuit) -> str:
    """Middle and rotation of every part that a machine places; the origin is the Gerbers' own, y upwards."""
    rows: list[list[object]] = [["Designator", "Val", "Package", "Mid X", "Mid Y", "Rotation", "Layer"]]
    for footprint in sorted(board.GetFootprints(), key=lambda f: natural(f.GetReference())):
        part = circuit.parts[footprint.GetReference()]
        if "mpn" in part.facts:
            at, package = footprint.GetPosition(), part.footprint.split(":")[1]
            x, y = f"{at.x / 1e6:.4f}mm", f"{-at.y / 1e6:.4f}mm"
            rows.append([part.ref, part.value, package, x, y, f"{footprint.GetOrientationDegrees() % 360:g}", "top"])
    return table(rows)


def natural(ref: str) -> tuple[str, int]:
    """Orders R2 before R10."""
    letters = ref.rstrip("0123456789")
    return letters, int(ref[len(letters) :])


def parts_list(circuit: Circuit) -> str:
    """One row for each thing that is bought."""
    rows: list[list[object]] = [
        ["Comment", "Designator", "Footprint", "Quantity", "Manufacturer", "MPN", "USD at 1", "USD at 10"]
    ]
    for kind, facts in circuit.kinds.items():
        refs = sorted((part.ref for part in circuit.parts.values() if part.kind == kind), key=natural)
        if "mpn" in facts:
            one, ten = facts["usd"]
            package = facts["footprint"].split(":")[1]
            rows.append(
                [
                    facts["value"],
                    ",".join(refs),
                    package,
                    len(refs),
                    facts["maker"],
                    facts["mpn"],
                    f"{one:.2f}",
                    f"{ten:.2f}",
                ]
            )
    return table(rows)


def cost(circuit: Circuit) -> tuple[float, float]:
    """USD for the parts of one board: where one is made, and where ten are."""
    prices = [part.facts["usd"] for part in circuit.parts.values() if "usd" in part.facts]
    return round(sum(p[0] for p in prices), 2), round(sum(p[1] for p in prices), 2)


def read_back(folder: Path, board: pcbnew.BOARD, size: tuple[float, float]) -> list[str]:
    """Open each zip with gerbonara, which shares no code with KiCad, and compare it with the layout."""
    from gerbonara import ExcellonFile, LayerStack

    wrong = []
    holes = sum(1 for item in board.GetTracks() if item.Type() == pcbnew.PCB_VIA_T)
    holes += sum(1 for pad in board.GetPads() if pad.GetDrillSize().x)
    flashes = sum(1 for pad in board.GetPads() if pad.IsOnLayer(pcbnew.F_Mask))
    with tempfile.TemporaryDirectory() as scratch, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        first, second = (unpack(folder / f"gerbers-{fab}.zip", Path(scratch) / fab) for fab in ("jlcpcb", "oshpark"))
        stack = LayerStack.open(first)
        (x0, y0), (x1, y1) = stack.outline.bounding_box("mm")
        drilled = sum(len(list(drill.objects)) for drill in stack.drill_layers)
        merged = len(list(ExcellonFile.open(next(second.glob("*.XLN"))).objects))
        copper = [layer for _, layer in stack.copper_layers if list(layer.objects)]
        mask = len(list(stack["top mask"].objects))
        for _, name, ending in LAYERS:
            same = {path.read_bytes() for path in (*first.glob(f"*-{name}"), *second.glob(f"*.{ending}"))}
            if len(same) != 1:
                wrong.append(f"{name}: not the same for both fabs")
    if abs(x1 - x0 - size[0]) > 0.2 or abs(y1 - y0 - size[1]) > 0.2:
        wrong.append(f"outline is {x1 - x0:.2f} x {y1 - y0:.2f} mm")
    if not drilled == merged == holes:
        wrong.append(f"{drilled} and {merged} holes, the layout has {holes}")
    if len(copper) != 4:
        wrong.append(f"{len(copper)} copper layers")
    if mask < flashes:
        wrong.append(f"{mask} openings in the mask, the layout has {flashes} pads")
    return [f"fabrication: {line}" for line in wrong]


def unpack(path: Path, folder: Path) -> Path:
    with zipfile.ZipFile(path) as archive:
        archive.extractall(folder)
    return folder
