"""The commands as a user runs them, on a simulated board that is kept in a folder."""

from __future__ import annotations

import json
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.shell_completion import ShellComplete
from click.testing import CliRunner
from tpibench import random_image

from tinymux import cli
from tinymux.boards import UsbBoard, find, usb
from tinymux.cli import nodes, programming

LOOP = b"\xff\xcf"  # rjmp . : a program that the gate admits, whatever follows
TINYMUX = [sys.executable, "-m", "tinymux"]


def tinymux(*words, status=0):
    """Run it; the JSON lines that it printed, and its error line."""
    done = subprocess.run([*TINYMUX, *map(str, words)], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == status, done.stdout + done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()], done.stderr


@pytest.fixture
def files(tmp_path):
    names = []
    for n in range(3):
        names.append(tmp_path / f"image{n}.bin")
        names[-1].write_bytes(LOOP + random_image(n, 40 + 2 * n).data)
    return names


def test_flash_verify_read_identify_erase(tmp_path, files):
    state = ("--state", tmp_path / "board")
    rows, _ = tinymux("flash", f"{files[0]}@3-5,9", f"{files[1]}@simulated/0", *state)
    assert [(row["node"], row["ok"], row["action"]) for row in rows] == [
        (0, True, "written"), *((node, True, "written") for node in (3, 4, 5, 9)),
    ]  # fmt: skip
    rows, _ = tinymux("flash", files[0], "--node", "3-6", *state)
    assert [row["action"] for row in rows] == ["unchanged"] * 3 + ["written"]
    rows, error = tinymux("verify", files[0], "--node", "0,3", *state, status=1)
    assert [row["action"] for row in rows] == ["different", "verified"]
    assert error.startswith("tinymux: error: simulated/0: different: ") and error.count("\n") == 1
    tinymux("read", tmp_path / "one.bin", "--node", "9", *state)
    assert (tmp_path / "one.bin").read_bytes() == files[0].read_bytes().ljust(1024, b"\xff")
    tinymux("read", tmp_path / "all", "--node", "0,9", *state)
    assert (tmp_path / "all" / "simulated-0.bin").read_bytes()[:44] == files[1].read_bytes()
    tinymux("read", tmp_path / "page.hex", "--node", "3", *state)
    assert tinymux("verify", tmp_path / "page.hex", "--node", "3", *state)[0][0]["ok"]
    rows, _ = tinymux("identify", *state)
    assert [(row["node"], row["part"]) for row in rows] == [(node, "ATtiny10") for node in range(16)]
    tinymux("erase", "--node", "3", *state)
    assert (tmp_path / "board" / "3.bin").read_bytes() == b"\xff" * 1024


def test_a_bar_for_each_tiny_on_a_terminal(tmp_path, files):
    leader, follower = pty.openpty()
    files[0].write_bytes(LOOP + random_image(0, 1022).data)  # long enough to be seen
    command = [*TINYMUX, "flash", str(files[0]), "--node", "2,7", "--always"]
    with subprocess.Popen(command, stdout=follower, stderr=follower, env={**os.environ, "TERM": "xterm"}) as process:
        os.close(follower)
        shown = b""
        while True:
            try:
                shown += os.read(leader, 4096)
            except OSError:
                break
        assert process.wait(30) == 0
    plain = re.sub(rb"\x1b\[[0-9;?]*[A-Za-z]", b"", shown)
    for node in (b"2", b"7"):
        assert re.search(rb"simulated/%b [^\r\n]+ \d+%% writing" % node, plain)
        assert re.search(rb"simulated/%b [^\r\n]+ 100%% written" % node, plain)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["{0}"], "--node all"),
        (["{0}@3", "--node", "4"], "both in it and in --node"),
        (["{0}@3", "{1}@2-4"], "simulated/3 is to get two images"),
        (["{0}", "--node", "16"], "nodes 0 to 15"),
        (["{0}", "--node", "5-3"], "nodes 0 to 15"),
        (["{0}", "--node", "b0/three"], "names no nodes"),
        (["{0}", "--node", "/3"], "names no board"),
        (["{0}", "--node", "nowhere/3"], "no board 'nowhere'"),
        (["missing.elf", "--node", "3"], "missing.elf: cannot be read"),
        (["{large}", "--node", "3"], "too large: 1026 bytes, 2 more than the 1024"),
        (["{pump}", "--node", "3"], "another chip"),
        (["{cut}", "--node", "3"], "cut short"),
        (["{sum}", "--node", "3"], "damaged Intel HEX"),
        (["{empty}", "--node", "3"], "nothing in it"),
        (["{folder}", "--node", "3"], "cannot be read: Is a directory"),
        (["{text}", "--node", "3"], "not admitted: no instruction of this core"),
        (["{host}", "--node", "3"], "an ELF file, but not for an AVR"),
        (["{short}", "--node", "3"], "ELF file"),
        (["{wrong}", "--node", "3"], "wrong checksum: it is not the image that wrong.manifest.json describes"),
    ],
)
def test_what_cannot_be_is_told_in_one_line(tmp_path, files, words, told):
    from tinymux.images import firmware

    names = {"pump": firmware("pump.elf"), "folder": tmp_path, "host": "/bin/true", "wrong": tmp_path / "wrong.elf"}
    hello = firmware("hello.elf").read_bytes()
    names["wrong"].write_bytes(hello)
    shutil.copy(firmware("echo.manifest.json"), tmp_path / "wrong.manifest.json")
    contents = {
        "text": b"This is no image, but a note to self.\n",
        "short": hello[:200],
        "large": random_image(1, 1026).data,
        "cut": b":020000000102FB\n",
        "sum": b":020000000102FC\n:00000001FF\n",
        "empty": b"",
    }
    for name, content in contents.items():
        names[name] = tmp_path / name
        names[name].write_bytes(content)
    _, error = tinymux("flash", *(word.format(*files, **names) for word in words), status=1)
    assert error.startswith("tinymux: error: ") and error.count("\n") == 1
    assert told in error


def test_two_programs_do_not_share_a_board(tmp_path, files):
    from tinymux import SimulatedBoard
    from tinymux.programmer import Programmer

    with Programmer.open(SimulatedBoard(state=tmp_path / "board", paced=False)):
        _, error = tinymux("flash", files[0], "--node", "3", "--state", tmp_path / "board", status=1)
    assert "in use by another process" in error


def wait_until_caught(pid, number):
    """Until the process has a handler for that signal."""
    end = time.monotonic() + 20
    while time.monotonic() < end:
        with open(f"/proc/{pid}/status") as status:
            caught = next(line for line in status if line.startswith("SigCgt:")).split()[1]
        if int(caught, 16) >> (number - 1) & 1:
            return
        time.sleep(0.02)
    raise AssertionError("it never takes the signal over")


def test_a_signal_ends_it_and_says_what_is_incomplete(tmp_path, files):
    """A tiny whose memory never gets ready keeps it busy until then."""
    script = (
        "import sys; from tinymux import _simulator\n"
        "class Slow(_simulator.Board):\n"
        "    def __init__(self, *a, **k):\n"
        "        super().__init__(*a, **k); self.tune(3, erase_s=0.15, word_s=0.15)\n"
        "_simulator.Board = Slow\n"
        "from tinymux.cli import main; main()\n"
    )
    long = tmp_path / "long.bin"
    long.write_bytes(LOOP + random_image(9).data[2:])  # 512 words of 0.15 s
    command = [sys.executable, "-c", script, "flash", f"{long}@3", f"{files[0]}@4", "--always"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        wait_until_caught(process.pid, signal.SIGTERM)
        time.sleep(0.8)
        process.send_signal(signal.SIGTERM)
        out, error = process.communicate(timeout=20)
    rows = {row["node"]: row for row in map(json.loads, out.splitlines())}
    assert process.returncode == 1
    assert rows[4]["action"] == "written"
    assert rows[3]["reason"] == "interrupted: its flash is incomplete, flash it again"
    assert "simulated/3: failed while writing" in error


SERIAL, OTHER = "57383735373515070A0C", "57383735373515070B0D"


@pytest.fixture
def plugged(monkeypatch):
    """Two boards on USB, one of which has a label."""
    found = [
        UsbBoard(path, serial, name, "1.00", "full", usb.READY, Path("/dev/null"))
        for path, serial, name in (("1-2.3", SERIAL, "attic"), ("2-1", OTHER, ""))
    ]
    for module in (usb, programming):
        monkeypatch.setattr(module, "plugged", lambda ask=False: found)
    return found


@pytest.mark.parametrize(
    ("selector", "path", "lanes"),
    [
        ("attic/3-5", "1-2.3", [3, 4, 5]),
        (f"{SERIAL}/all", "1-2.3", list(range(16))),
        (f"{SERIAL.lower()}/0", "1-2.3", [0]),
        ("1-2.3/15,0", "1-2.3", [0, 15]),
        ("attic", "1-2.3", list(range(16))),
        (f"{OTHER}/7", "2-1", [7]),
        ("2-1/7", "2-1", [7]),
    ],
)
def test_nodes_are_named_by_their_board_s_serial_number_path_or_label(plugged, selector, path, lanes):
    [(name, found)] = nodes.parse([selector], "simulated").items()
    assert find(name).path == path and found == lanes
    file = Path("hello.elf")
    assert nodes.pair([f"hello.elf@{selector}"], [], "simulated") == {name: dict.fromkeys(lanes, file)}


def test_a_board_named_in_two_ways_is_one_board(plugged, files):
    done = CliRunner().invoke(cli.commands, ["flash", f"{files[0]}@attic/3", f"{files[1]}@1-2.3/4"])
    assert str(done.exception) == "attic and 1-2.3 are the same board: name its nodes in one way"


def test_the_shell_completes_boards_nodes_and_files(plugged):
    def completed(words, text):
        complete = ShellComplete(cli.commands, {}, "tinymux", "_TINYMUX_COMPLETE")
        return [(item.type, item.value) for item in complete.get_completions(words, text)]

    assert completed(["flash", "--board"], "a") == [("plain", "attic")]
    assert completed(["flash", "--node"], "") == [
        ("plain", name) for name in ("all", "simulated/all", "attic/all", f"{OTHER}/all")
    ]
    assert completed(["flash"], "fir") == [("file", "fir")]
    assert ("plain", "--always") in completed(["flash"], "--al")
    assert completed([], "ver") == [("plain", "verify")]
