"""A node of a running Bridge takes another program, over real tuns; and `flash`, then a board with what was flashed."""

from __future__ import annotations

import subprocess
import sys

from tinymux import SimulatedBoard
from tinymux.images import firmware, load
from tinymux.programmer import Programmer

SCRIPT = """
import subprocess, sys, time
from tinymux import Bridge, SimulatedBoard
from tinymux.images import firmware, load
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
