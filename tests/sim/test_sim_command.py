"""`tinymux sim`: packets of a capture or of a command, what it tells, and its trace."""

from __future__ import annotations

import json
import os
import re
import runpy
import signal
import subprocess
import sys
import time
from collections import defaultdict
from itertools import pairwise

import pytest
from simbuild import ROOT
from vcd.reader import TokenKind, tokenize

from tinymux import pcap, slip
from tinymux.errors import TinymuxError
from tinymux.images import firmware, load
from tinymux.images.probes import ping, udp
from tinymux.sim.labels import START, Labels

GAP_CYCLES = 66  # between two bytes at 7.2 MHz: ext/engine/options.h
prefixes = runpy.run_path(str(ROOT / "tests" / "system" / "prefixes.py"))


def sim(*words, status=0, before=()):
    """What it wrote on stdout and on stderr."""
    command = [*before, sys.executable, "-m", "tinymux", "sim", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=ROOT)
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout, done.stderr


# --- captures ---


def test_a_capture_is_sent_and_the_answers_written(tmp_path):
    asked, answered = tmp_path / "asked.pcap", tmp_path / "answered.pcap"
    pcap.write(asked, [(100.0, ping(b"one")), (100.05, udp(b"two")), (100.1, ping(b"three"))])
    told = sim(firmware("echo.elf"), "--traffic", asked, "--answers", answered)
    assert "3 packets sent, 3 came back" in told[0]
    assert [packet[28:] for _, packet in pcap.read(answered)] == [b"one", b"two", b"three"]
    times = [at for at, _ in pcap.read(answered)]
    assert all(at < came < at + 0.01 for at, came in zip((0, 0.05, 0.1), times, strict=True))
    assert sim(firmware("echo.elf"), "--traffic", asked) == told  # the same run again


@pytest.mark.parametrize(
    ("content", "told"),
    [(b"", "no pcap file"), (b"\x0a\x0d\x0d\x0a" + bytes(30), "no pcap file"), (None, "cannot be read")],
)
def test_a_wrong_capture_is_told(tmp_path, content, told):
    file = tmp_path / "wrong.pcap"
    if content is not None:
        file.write_bytes(content)
    assert told in sim(firmware("hello.elf"), "--traffic", file, status=1)[1]


def test_a_capture_that_is_cut_short_or_of_another_link_is_told(tmp_path):
    file = tmp_path / "cut.pcap"
    pcap.write(file, [(0.0, ping(b"x"))])
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(TinymuxError, match="cut short"):
        pcap.read(file)
    file.write_bytes(file.read_bytes()[:20] + b"\x69\0\0\0")
    with pytest.raises(TinymuxError, match="link type 105"):
        pcap.read(file)


# --- commands ---


def test_a_command_reaches_the_tiny_over_a_real_tun():
    page, told = sim(firmware("server.elf"), "--", "curl", "-s", "http://10.16.0.16/")
    assert "<h1>tiny 0</h1>" in page  # and nothing else: the figures are on stderr
    assert "came back" in told
    assert re.search(r"^tcp_end +\d", told, re.M)


def test_one_word_is_for_the_shell_which_knows_the_address_and_its_status_is_passed_on():
    page, told = sim(
        firmware("hello.elf"), "--", "ping -q -c 2 -i 0.2 -s 8 $TINY && ip -br link | wc -l; exit 7", status=7
    )
    assert "2 packets transmitted, 2 received" in page
    assert page.split()[-1] == "2"  # lo and the tiny: a network of its own
    assert "2 packets sent, 2 came back" in told


@pytest.mark.parametrize(
    ("words", "status", "told"),
    [
        (["--", "nosuchprogram", "x"], 1, "nosuchprogram: cannot be run: No such file"),
        (["--", "kill -KILL $$"], 137, "0 packets sent"),
        (["--seconds", "0.2", "--", "sleep 30"], 1, "had not ended after 0.2 s of board time"),
        (["--traffic", "x.pcap", "--", "true"], 2, "one of them"),
        (["--gdb", "70000"], 2, "--gdb"),
    ],
)
def test_commands_that_end_otherwise(words, status, told):
    assert told in sim(firmware("hello.elf"), *words, status=status)[1]


def test_a_signal_goes_to_the_command_and_nothing_of_it_is_left(tmp_path):
    command = "trap 'echo told; exit 5' TERM; sleep 1000 & echo $! >background; echo ready; while :; do sleep 0.1; done"
    words = [sys.executable, "-m", "tinymux", "sim", str(firmware("hello.elf")), "--", command]
    here = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        words, cwd=tmp_path, env=here, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert process.stdout.readline() == "ready\n"
    time.sleep(0.2)
    process.send_signal(signal.SIGTERM)
    assert process.communicate(timeout=30)[0] == "told\n"
    assert process.returncode == 5
    background = int((tmp_path / "background").read_text())
    assert not os.path.exists(f"/proc/{background}/exe")  # a zombie, should nobody care, has none


def test_a_user_without_rights_needs_nothing_but_to_open_a_tun():
    """In a user namespace that it makes, in which it is root."""
    before = [*prefixes["in_mounts"](*prefixes["opened_for_all"]()), *prefixes["PLAIN_USER"]]
    assert "1 received" in sim(firmware("hello.elf"), "--", "ping -q -c 1 -s 8 $TINY", before=before)[0]


@pytest.mark.parametrize("before", [prefixes["OWN_NAMESPACES"], prefixes["NET_ADMIN_ONLY"], prefixes["NO_RIGHTS"]])
def test_with_fewer_rights_it_works_or_says_what_it_lacks(before):
    command = [*before, sys.executable, "-m", "tinymux", "sim", firmware("hello.elf"), "--", "ping -q -c 1 -s 8 $TINY"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=ROOT)
    if done.returncode == 0:
        assert "1 received" in done.stdout
    else:
        assert re.fullmatch("tinymux: error: cannot make a network for the command: .+\n", done.stderr)


# --- figures ---


def test_figures_as_json_and_in_a_file(tmp_path):
    told = json.loads(sim(firmware("hello.elf"), "-o", "json")[0])
    assert (told["seconds"], told["sent"], told["illegal"]) == (0.2, 6, 0)
    assert sum(label["cycles"] for label in told["labels"]) == told["cycles"]
    assert list(told["registers"]) == [f"r{n}" for n in range(16, 32)]
    assert len(bytes.fromhex(told["ram"])) == 32
    report = tmp_path / "report.json"
    out, errors = sim(firmware("hello.elf"), "-o", "json", "--report", report, "--", "echo hello")
    assert (out, errors) == ("hello\n", "")
    assert json.loads(report.read_text())["sent"] == 0
    assert "cannot be written" in sim(firmware("hello.elf"), "--report", tmp_path / "no" / "where", status=1)[1]


@pytest.mark.parametrize("name", ["hello", "echo", "server"])
def test_between_two_bytes_no_program_is_blind_for_longer_than_the_gap(name):
    told = json.loads(sim(firmware(f"{name}.elf"), "-o", "json")[0])
    (receiving,) = (each for each in told["blind"] if each["from"] == each["to"] == "getn")
    assert 20 < receiving["cycles"] <= GAP_CYCLES
    assert sum(cycles for _, cycles in receiving["path"]) == receiving["cycles"]
    ran = {label["label"]: label for label in told["labels"]}
    assert ran["icmp"]["visits"] > 0
    assert ran["getn"]["waiting"] > 0.8 * told["cycles"]
    assert ran["getn"]["blind"] >= receiving["cycles"]


def test_without_labels_everything_is_one(tmp_path):
    image = load(firmware("hello.elf"))
    raw = tmp_path / "hello.bin"
    raw.write_bytes(image.data)
    told = json.loads(sim(raw, "-o", "json")[0])
    assert [label["label"] for label in told["labels"]] == [START]
    assert told["labels"][0]["cycles"] == told["cycles"]


def test_labels_by_word_and_by_address():
    labels = Labels.of(firmware("hello.elf"))
    by_word = labels.by_word()
    assert len(by_word) == 512
    assert by_word == sorted(by_word)
    for number, label in enumerate(labels.all):
        assert by_word[label.address // 2] == number
        assert labels.where(label.address) == label.name
    assert labels.where(labels.all[1].address + 2) == f"{labels.all[1].name}+2"
    assert labels.all[0].name == START


def test_a_program_that_runs_into_no_instruction_is_told(tmp_path):
    (tmp_path / "bad.bin").write_bytes(b"\xff\xff" * 4 + b"\x04\x95" * 8)
    assert "no instruction" in sim(tmp_path / "bad.bin", status=1)[1]


# --- the trace ---


def trace(tmp_path, *words):
    """The wires' changes by name, read by another's parser: (ns, level)."""
    file = tmp_path / "trace.vcd"
    sim(*words, "--vcd", file)
    names, wires, now = {}, defaultdict(list), None
    with file.open("rb") as text:
        for token in tokenize(text):
            if token.kind is TokenKind.TIMESCALE:
                assert str(token.timescale) == "1 ns"
            elif token.kind is TokenKind.VAR:
                names[token.var.id_code] = token.var.reference
            elif token.kind is TokenKind.CHANGE_TIME:
                now = token.time_change
            elif token.kind is TokenKind.CHANGE_SCALAR:
                wires[names[token.scalar_change.id_code]].append((now, token.scalar_change.value))
    return wires


def test_a_trace_shows_the_led(tmp_path):
    wires = trace(tmp_path, firmware("blink.elf"), "--seconds", "0.8")
    assert set(wires) == {"pump0", "pb00", "user0", "reset0", "clock"}
    for changes in wires.values():
        assert changes == sorted(changes, key=lambda change: change[0])
        assert all(one[1] != other[1] for one, other in pairwise(changes))
    assert [level for _, level in wires["reset0"]] == ["1"]
    led = [(at, level) for at, level in wires["user0"] if level in "01"]
    assert [level for _, level in led] == ["0", "1", "0", "1", "0"]
    for (at, _), (then, _) in pairwise(led[1:]):
        assert 0.2499e9 < then - at < 0.2502e9


def test_a_trace_has_the_very_bytes_on_the_lane(tmp_path):
    """What the pump chip drives, sampled at the clock's rising edges, is the packet in SLIP."""
    asked = tmp_path / "asked.pcap"
    pcap.write(asked, [(0.0, ping(b"vcd!"))])
    wires = trace(tmp_path, firmware("hello.elf"), "--traffic", asked)
    lane, bits = dict(wires["pump0"]), []
    changes = sorted(
        [*((at, 1, level) for at, level in wires["clock"]), *((at, 0, level) for at, level in lane.items())]
    )
    level = "z"
    for _, clock, value in changes:
        if not clock:
            level = value
        elif value == "1":
            bits.append(0 if level == "0" else 1)
    came, at = bytearray(), 0
    while at < len(bits):
        if bits[at] == 0:
            came.append(sum(bit << n for n, bit in enumerate(bits[at + 1 : at + 9])))
            at += 8
        at += 1
    assert slip.encode(ping(b"vcd!")).strip(b"\xc0") in bytes(came)
