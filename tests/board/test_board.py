"""The board: what is committed is what its sources give, and the checks find every kind of fault that is seeded."""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BOARD = ROOT / "board"
sys.path.insert(0, str(BOARD))

import kicad_files  # noqa: E402

LAYOUT = "tinycloud.kicad_pcb"
NO_KICAD = 3  # exit status of board/build.py


def build_py(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run board/build.py with Debian's Python, which is the one that has pcbnew."""
    command = ["/usr/bin/python3", BOARD / "build.py", *arguments]
    clean = {key: value for key, value in os.environ.items() if key not in ("VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME")}
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=500, env=clean)
    if done.returncode == NO_KICAD:
        pytest.skip(done.stderr.strip())
    return done


def inspect(folder: Path, *more: object) -> dict[str, list[str]]:
    done = build_py("--inspect", folder, *more)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture
def copy(tmp_path):
    """The committed project, to be damaged."""
    for path in (*BOARD.glob("*.kicad_*"),):
        shutil.copy(path, tmp_path)
    return tmp_path


def damage(folder: Path, change) -> dict[str, list[str]]:
    """Change the layout's tree with a function, and inspect it."""
    path = folder / LAYOUT
    root = kicad_files.parse(path.read_text())
    change(root)
    path.write_text(kicad_files.dump(root))
    return inspect(folder, "--layout-only")


def footprint(root, ref):
    for item in kicad_files.children(root, "footprint"):
        if any(text[1:3] == ["reference", ref] for text in kicad_files.children(item, "fp_text")):
            return item
    raise AssertionError(ref)


def pad(item, number):
    return next(pad for pad in kicad_files.children(item, "pad") if pad[1] == number)


def middle(root, ref, number):
    """Where a pad is on the board."""
    item = footprint(root, ref)
    x, y, *angle = map(float, kicad_files.child(item, "at")[1:])
    dx, dy = map(float, kicad_files.child(pad(item, number), "at")[1:3])
    turn = math.radians(angle[0] if angle else 0)
    return x + dx * math.cos(turn) + dy * math.sin(turn), y - dx * math.sin(turn) + dy * math.cos(turn)


@pytest.mark.timeout(600)
def test_what_is_committed_is_what_the_sources_give():
    done = build_py("--check")
    assert done.returncode == 0, done.stderr


@pytest.mark.timeout(300)
def test_the_committed_layout_has_no_violations_and_is_small_enough(copy):
    found = inspect(copy, "--layout-only")
    assert found.pop("area_mm2") <= 96 * 62
    assert found == {"schematic": [], "drc": [], "unconnected": [], "parity": []}


@pytest.mark.timeout(300)
def test_a_moved_lane_is_found(copy):
    def move(root):
        first, second = (kicad_files.child(pad(footprint(root, "U1"), number), "net") for number in ("8", "9"))
        first[1:], second[1:] = second[1:], first[1:]

    found = damage(copy, move)
    assert any("firmware: lane 0" in line for line in found["parity"])
    assert any("firmware: lane 1" in line for line in found["parity"])
    assert any("('U1', '8')" in line for line in found["parity"])
    assert found["drc"]


@pytest.mark.timeout(300)
def test_a_deleted_track_is_found(copy):
    def delete(root):
        names = {net[1]: net[2] for net in kicad_files.children(root, "net")}
        lane = [
            s for s in kicad_files.children(root, "segment") if names[kicad_files.child(s, "net")[1]].endswith("LANE5")
        ]
        lengths = {
            id(s): math.dist(*(map(float, kicad_files.child(s, end)[1:3]) for end in ("start", "end"))) for s in lane
        }
        root.remove(max(lane, key=lambda s: lengths[id(s)]))

    assert damage(copy, delete)["unconnected"]


@pytest.mark.timeout(300)
def test_shorted_outputs_are_found(copy):
    def short(root):
        ends = [["start", *middle(root, "U3", "1")], ["end", *middle(root, "U3", "2")]]
        ends = [[name, f"{x:.4f}", f"{y:.4f}"] for name, x, y in ends]
        net = kicad_files.child(pad(footprint(root, "U3"), "1"), "net")[1]
        root.append(["segment", *ends, ["width", "0.2"], ["layer", kicad_files.Text("F.Cu")], ["net", net]])

    assert any("actual 0.0000 mm" in line and "RESET1" in line for line in damage(copy, short)["drc"])


@pytest.mark.timeout(300)
def test_a_wrong_footprint_is_found(copy):
    def swap(root):
        footprint(root, "R100")[1] = kicad_files.Text("Resistor_SMD:R_0805_2012Metric")

    assert any("footprint R100" in line for line in damage(copy, swap)["parity"])


@pytest.mark.timeout(300)
def test_a_swapped_595_bit_is_found(copy, tmp_path):
    text = (BOARD / "wiring.toml").read_text()
    swapped = text.replace('"PB0", reset = 0', '"PB0", reset = 1').replace('"PB1", reset = 1', '"PB1", reset = 0')
    assert swapped != text
    wiring = tmp_path / "swapped.toml"
    wiring.write_text(swapped)
    found = inspect(copy, "--layout-only", "--wiring", wiring)
    assert {line.split(":")[1] for line in found["parity"]} == {" lane 0", " lane 1"}


@pytest.mark.timeout(300)
def test_a_renamed_label_is_found(copy):
    page = copy / "array.kicad_sch"
    text = page.read_text()
    assert '(label "LANE5"' in text
    page.write_text(text.replace('(label "LANE5"', '(label "LANE55"', 1))
    found = inspect(copy)
    assert any("LANE5" in line for line in found["schematic"])


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('LED_ACTIVITY = "PC7"', 'LED_ACTIVITY = "PC6"', "already used by CLOCK"),
        ('    { pin = "PD7", reset = 15 },\n', "", "16 lanes are needed"),
        ('SR_DATA      = "PF7"', 'SR_DATA      = "PF2"', "no pin 'PF2'"),
        ('HWB          = "PE2"', 'HWB          = "PE6"', "PE2 and no other"),
    ],
    ids=["pin used twice", "lane missing", "no such pin", "reserved pin"],
)
def test_a_wrong_wiring_table_is_refused_with_its_line(tmp_path, old, new, words):
    import circuit

    text = (BOARD / "wiring.toml").read_text()
    assert old in text
    wiring = tmp_path / "wiring.toml"
    wiring.write_text(text.replace(old, new))
    with pytest.raises(circuit.tables.TableError, match=rf"wiring\.toml:\d+: .*{words}"):
        circuit.build(wiring)
