"""`tinymux sim` runs an image and shows it; `tinymux new` starts one that builds, runs and passes the gate."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from tinymux import pcap
from tinymux.errors import TinymuxError
from tinymux.images import firmware
from tinymux.images.probes import ping, udp


def tinymux(*words, status=0):
    command = [sys.executable, "-m", "tinymux", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_sim_sends_a_capture_and_writes_the_answers(tmp_path):
    asked, answered = tmp_path / "asked.pcap", tmp_path / "answered.pcap"
    pcap.write(asked, [(100.0, ping(b"one")), (100.05, udp(b"two")), (100.1, ping(b"three"))])
    told = tinymux("sim", firmware("echo.elf"), "--traffic", asked, "--answers", answered)
    assert "3 packets sent, 3 came back" in told
    assert [packet[28:] for _, packet in pcap.read(answered)] == [b"one", b"two", b"three"]
    times = [time for time, _ in pcap.read(answered)]
    assert all(at < time < at + 0.01 for at, time in zip((0, 0.05, 0.1), times, strict=True))
    assert tinymux("sim", firmware("echo.elf"), "--traffic", asked) == told  # the same run again


def test_sim_writes_a_trace_that_shows_the_led(tmp_path):
    trace = tmp_path / "blink.vcd"
    told = tinymux("sim", firmware("blink.elf"), "--seconds", "0.8", "--vcd", trace)
    assert re.search(r"pc 0x0\w\w  sp 0x\w\w ", told)
    text = trace.read_text()
    assert text.startswith("$timescale 1ns $end")
    code = re.search(r"\$var wire 1 (\S+) user0 ", text)[1]
    assert 3 <= len(re.findall(rf"^[01]{re.escape(code)}$", text, re.M)) <= 4
    times = [int(line[1:]) for line in text.splitlines() if re.fullmatch(r"#\d+", line)]
    assert times == sorted(times)


@pytest.mark.parametrize(
    ("content", "told"),
    [(b"", "no pcap file"), (b"\x0a\x0d\x0d\x0a" + bytes(30), "no pcap file"), (None, "cannot be read")],
)
def test_a_wrong_capture_is_told(tmp_path, content, told):
    file = tmp_path / "wrong.pcap"
    if content is not None:
        file.write_bytes(content)
    assert told in tinymux("sim", firmware("hello.elf"), "--traffic", file, status=1)


def test_a_capture_that_is_cut_short_or_of_another_link_is_told(tmp_path):
    file = tmp_path / "cut.pcap"
    pcap.write(file, [(0.0, ping(b"x"))])
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(TinymuxError, match="cut short"):
        pcap.read(file)
    file.write_bytes(file.read_bytes()[:20] + b"\x69\0\0\0")
    with pytest.raises(TinymuxError, match="link type 105"):
        pcap.read(file)


def test_a_new_program_builds_simulates_and_passes_the_gate(tmp_path):
    tinymux("new", tmp_path / "lamp")
    for target in ("all", "sim", "size"):
        done = subprocess.run(
            ["make", "-s", "-C", str(tmp_path / "lamp"), target],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "lamp" / "lamp.manifest.json").exists()
    assert "is there already" in tinymux("new", tmp_path / "lamp", status=1)
    assert "no name for a program" in tinymux("new", tmp_path / "Big Lamp", status=1)
