"""A node of a running Bridge takes another program, over real tuns; and `flash`, then a board with what was flashed."""

from __future__ import annotations

import subprocess
import sys

from tinymux import SimulatedBoard
from tinymux.images import firmware, load
from tinymux.programmer import Programmer

SCRIPT = """
import json, subprocess, sys, time
from tinymux import Bridge, SimulatedBoard
from tinymux.images import Image, firmware, load
from tinymux.programmer import Programmer

def pings(address):
    return subprocess.run(["ping", "-c1", "-W5", "-s8", str(address)], stdout=subprocess.DEVNULL).returncode == 0

with Bridge(SimulatedBoard(image=firmware("hello.elf"))) as bridge:
    nodes = bridge.nodes
    assert pings(nodes[3].address) and pings(nodes[4].address)
    [outcome] = Programmer.on(bridge).flash({3: load(firmware("blink.elf"))})
    assert outcome.action == "written", outcome
    assert pings(nodes[4].address)
    assert Programmer.on(bridge).flash({3: load(firmware("echo.elf"))})[0].action == "written"
    assert pings(nodes[3].address) and pings(nodes[4].address)
    bridge.check()

    # Its node and interface are those of the new program; what is not known any more is said to be so.
    def mtu(node):
        shown = subprocess.run(["ip", "-j", "link", "show", node.interface], capture_output=True, check=True)
        return json.loads(shown.stdout)[0]["mtu"]

    assert nodes[3].image.name.endswith("echo.elf") and nodes[4].image.name.endswith("hello.elf")
    assert [mtu(node) for node in nodes[3:5]] == [576, 576]
    narrow = Image("narrow", load(firmware("hello.elf")).data, mtu=300)
    roomy = Image("roomy", load(firmware("echo.elf")).data, mtu=1400)
    outcomes = Programmer.on(bridge).flash({3: narrow, 4: roomy})
    assert [outcome.action for outcome in outcomes] == ["written", "written"]
    assert [(node.image.name, node.mtu, mtu(node)) for node in nodes[3:5]] == [
        ("narrow", 300, 300), ("roomy", 1400, 1400)]
    assert pings(nodes[3].address) and pings(nodes[4].address)
    Programmer.on(bridge).erase([3])
    assert nodes[3].image is None
print("all right")
"""


def test_a_node_of_a_bridge_changes_its_program():
    command = ["unshare", "-Urn", sys.executable, "-c", SCRIPT]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == "all right\n", done.stderr


def test_what_was_flashed_is_what_runs_next(tmp_path):
    echo = load(firmware("echo.elf"))
    with Programmer.open(SimulatedBoard(state=tmp_path, paced=False)) as programmer:
        assert programmer.flash({5: echo})[0].action == "written"
    again = SimulatedBoard(state=tmp_path)
    assert again.images[5].data == echo.data.ljust(1024, b"\xff")
    assert again.images[4].data != again.images[5].data
    assert SimulatedBoard(state=tmp_path, image=echo).images[4].data == echo.data
