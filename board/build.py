#!/usr/bin/python3
"""Build the board from its sources and check it: schematic, layout, fabrication files, pictures.

    board/build.py             build into board/, check everything
    board/build.py --check     build beside, and compare with what is in board/ byte for byte
    board/build.py --inspect [FOLDER] [--layout-only] [--wiring FILE]
                               check the files of a folder without building; problems as JSON
    board/build.py --figures   the same for board/, in figures for the benchmarks

Debian: kicad (6.0.11) kicad-symbols kicad-footprints xvfb xdotool xclip librsvg2-bin python3-venv gcc.
Exit status: 0 all is well, 1 something is wrong, 3 KiCad 6 is not here.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
WORK = HERE.parent / "build" / "board"
VENV = WORK / "venv"
NAME = "tinycloud"
MADE = (
    f"{NAME}.kicad_pro",
    f"{NAME}.kicad_sch",
    "pump.kicad_sch",
    "resets.kicad_sch",
    "array.kicad_sch",
    f"{NAME}.kicad_pcb",
    "fabrication/schematic.pdf",
    "fabrication/assembly.svg",
    "fabrication/bom.csv",
    "fabrication/positions.csv",
    "fabrication/gerbers-jlcpcb.zip",
    "fabrication/gerbers-oshpark.zip",
    "fabrication/top.png",
    "fabrication/bottom.png",
)
NEEDS_KICAD = 3


def say(words: str) -> None:
    print(words, file=sys.stderr, flush=True)


def enter() -> None:
    """Go on in a Python that has Debian's pcbnew and, in a folder of its own, kiauto and gerbonara."""
    python = VENV / "bin" / "python"
    if Path(sys.prefix).resolve() == VENV.resolve():
        return
    if not shutil.which("eeschema") or not Path("/usr/lib/python3/dist-packages/pcbnew.py").exists():
        say("KiCad 6 is not installed: see the head of board/build.py for Debian's packages")
        sys.exit(NEEDS_KICAD)
    stamp, wanted = VENV / "requirements.txt", (HERE / "requirements.txt").read_text(encoding="utf-8")
    if not stamp.exists() or stamp.read_text(encoding="utf-8") != wanted:
        try:
            subprocess.run(["/usr/bin/python3", "-m", "venv", "--clear", "--system-site-packages", VENV], check=True)
            subprocess.run([python, "-m", "pip", "install", "-q", "-r", HERE / "requirements.txt"], check=True)
        except subprocess.CalledProcessError as error:
            say(f"kiauto and gerbonara cannot be installed: {error}")
            sys.exit(NEEDS_KICAD)
        stamp.write_text(wanted, encoding="utf-8")
    os.execv(python, [str(python), __file__, *sys.argv[1:]])


def eeschema(folder: Path, result: str, *command: str) -> bytes:
    """What one job of the schematic editor writes. It has no command line of its own: kiauto moves its mouse."""
    with tempfile.TemporaryDirectory() as scratch:  # it leaves files beside the schematic
        desk = Path(scratch)
        for path in (*folder.glob("*.kicad_sch"), *folder.glob("*.kicad_pro")):
            shutil.copy(path, desk)
        for _attempt in range(3):  # a loaded machine may be slower than kiauto's patience
            tool = [VENV / "bin" / "eeschema_do", *command, desk / f"{NAME}.kicad_sch", desk]
            done = subprocess.run(tool, capture_output=True, text=True, check=False, timeout=240)
            if (desk / result).exists():
                return (desk / result).read_bytes()
    raise RuntimeError(f"eeschema_do {command[0]}: {done.stderr.strip()[-500:]}")


def inspect_schematic(folder: Path, circuit: object) -> tuple[list[str], dict[str, str]]:
    """ERC, and eeschema's netlist against the circuit."""
    import checks

    wrong = checks.erc(eeschema(folder, f"{NAME}.erc", "run_erc").decode())
    different, names = checks.schematic(circuit, eeschema(folder, f"{NAME}.net", "netlist").decode())
    return wrong + different, names


def inspect_layout(folder: Path, circuit: object, names: dict[str, str], wiring: Path) -> dict[str, object]:
    """DRC, the layout against the circuit, and against the firmware's header."""
    import checks

    board = folder / f"{NAME}.kicad_pcb"
    violations, unconnected = checks.drc(board)
    copper = checks.Copper(board)
    parity = checks.layout(circuit, copper, names) + checks.firmware(copper, wiring)
    area = round(copper.width * copper.height)
    return {"drc": violations, "unconnected": unconnected, "parity": parity, "area_mm2": area}


def inspect(folder: Path, wiring: Path, layout_only: bool = False) -> dict[str, object]:
    """All checks of a folder's files. Without the schematic, the layout's own net names are believed."""
    import checks
    import circuit as source

    circuit = source.build(wiring if not layout_only else source.tables.WIRING)
    wrong: list[str] = []
    if layout_only:
        names = checks.names_by_pins(circuit, folder / f"{NAME}.kicad_pcb")
    else:
        wrong, names = inspect_schematic(folder, circuit)
    return {"schematic": wrong, **inspect_layout(folder, circuit, names, wiring)}


def without_dates(pdf: bytes) -> bytes:
    """The PDF with its date of making blotted out, at the same length."""
    return re.sub(rb"(/CreationDate \(D:)\d{14}", rb"\g<1>19800101000000", pdf)


def build(folder: Path, wiring: Path) -> list[str]:
    """Everything into the folder; returns what is wrong with it."""
    import circuit as source
    import fabricate
    import layout
    import pcbnew
    import pictures
    import placement
    import routing
    import schematic

    circuit = source.build(wiring)
    made = folder / "fabrication"
    made.mkdir(parents=True, exist_ok=True)
    pages, paths = schematic.build(circuit)
    # The project first: pcbnew reads the rules when it makes the board.
    for name, text in {f"{NAME}.kicad_pro": layout.project(), **pages}.items():
        (folder / name).write_text(text, encoding="utf-8")
    say("schematic: ERC and netlist")
    wrong, names = inspect_schematic(folder, circuit)
    if wrong:
        return wrong
    say("layout: placing and routing")
    board_file = folder / f"{NAME}.kicad_pcb"
    made_board = layout.Layout(circuit, names, paths, board_file)
    made_board.draw_all()
    routing.route(made_board)
    made_board.fill()
    made_board.save(board_file)
    say("layout: checking")
    found = inspect_layout(folder, circuit, names, wiring)
    wrong = [*found["drc"], *found["unconnected"], *found["parity"]]
    say("fabrication files and pictures")
    board = pcbnew.LoadBoard(str(board_file))
    fabricate.archives(board, NAME, made)
    (made / "positions.csv").write_text(fabricate.positions(board, circuit), encoding="utf-8")
    (made / "bom.csv").write_text(fabricate.parts_list(circuit), encoding="utf-8")
    (made / "assembly.svg").write_text(pictures.assembly(board), encoding="utf-8")
    pictures.renders(made)
    pdf = eeschema(folder, f"{NAME}.pdf", "export", "-f", "pdf", "-a")
    (made / "schematic.pdf").write_bytes(without_dates(pdf))
    wrong += fabricate.read_back(made, board, (placement.WIDTH, placement.HEIGHT))
    say(f"{placement.WIDTH:g} x {placement.HEIGHT:g} mm, {len(circuit.parts)} parts")
    say("parts of one board: {} USD; of each of ten: {} USD (estimate)".format(*fabricate.cost(circuit)))
    return wrong


def check(wiring: Path) -> list[str]:
    """Build beside the committed files and compare."""
    fresh = WORK / "fresh"
    shutil.rmtree(fresh, ignore_errors=True)
    wrong = build(fresh, wiring)
    for name in MADE:
        ours, theirs = HERE / name, fresh / name
        if not ours.exists() or not theirs.exists() or ours.read_bytes() != theirs.read_bytes():
            wrong.append(f"{name}: what is committed is not what the sources give")
    return wrong


def run() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--figures", action="store_true")
    parser.add_argument("--inspect", type=Path, nargs="?", const=HERE)
    parser.add_argument("--layout-only", action="store_true")
    parser.add_argument("--wiring", type=Path, default=HERE / "wiring.toml")
    options = parser.parse_args()
    enter()
    if options.figures or options.inspect:
        found = inspect((options.inspect or HERE).resolve(), options.wiring, options.layout_only)
        if options.figures:
            kinds = ("schematic", "drc", "unconnected", "parity")
            found = {"board_violations": sum(len(found[kind]) for kind in kinds), "board_area_mm2": found["area_mm2"]}
        print(json.dumps(found, indent=2))
        return 0
    wrong = check(options.wiring) if options.check else build(HERE, options.wiring)
    for line in wrong:
        say(line)
    say("nothing wrong" if not wrong else f"{len(wrong)} things are wrong")
    return 1 if wrong else 0


def main() -> int:
    try:
        return run()
    except ValueError as error:
        if type(error).__name__ != "TableError":  # of ext/tables.py: a wiring table that nothing can be built from
            raise
        say(str(error))
        return 1


if __name__ == "__main__":
    sys.exit(main())
