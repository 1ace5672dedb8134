"""`tinymux up` and `tinymux demo` as a user runs them: real tuns, real nginx, the real firmware in the simulator."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import threading
import time
from collections import Counter

import pytest
from commands import ROOT, command, run, up
from traces import state
from web import ask


def test_a_thousand_requests_give_a_thousand_pages_and_move_every_node():
    with up() as running:
        line = ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}\\n", "--parallel", "--parallel-max", "16"]
        result = subprocess.run(
            [*line, f"{running.url}?[1-1000]"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            timeout=60,
            check=True,
        )
        assert Counter(result.stdout.split()) == {"200": 1000}
        end = time.monotonic() + 10
        nodes = running.event("counters")["nodes"]
        while sum(node["pages"] for node in nodes) < 1000 and time.monotonic() < end:
            nodes = running.event("counters")["nodes"]
        assert sum(node["pages"] for node in nodes) == 1000
        assert [node["node"] for node in nodes if node["pages"] < 30 or node["packets_in"] < 90] == []
        assert running.end() == (0, "")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_each_signal_ends_it_cleanly(number, folder):
    before = state()
    with up() as running:
        assert len(running.first["nodes"]) == 16
        assert len(os.listdir(folder)) == 1
        assert running.end(number) == (0, "")
    assert os.listdir(folder) == []
    assert state() == before


def test_a_signal_while_it_starts_ends_it_cleanly():
    for wait in (0.15, 0.3, 0.45, 0.6, 0.75):
        line = command("up", "-o", "json", "--listen", "127.0.0.1:0")
        with subprocess.Popen(line, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            time.sleep(wait)
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=20)
            # Before it has taken the signal over, SIGTERM ends Python itself.
            assert process.returncode in (0, -signal.SIGTERM)


def test_signals_while_it_stops_do_not_stop_the_stopping():
    with up() as running:
        running.process.send_signal(signal.SIGINT)
        for _ in range(20):
            if running.process.poll() is None:
                running.process.send_signal(signal.SIGINT)
            time.sleep(0.005)
        _, errors = running.process.communicate(timeout=20)
        # The very last ones may meet Python's own end.
        assert running.process.returncode in (0, -signal.SIGINT)
        assert "Traceback" not in errors


def test_a_duration_ends_it_and_plain_lines_tell_what_it_did():
    result = run("up", "--duration", "0.5", "--listen", "127.0.0.1:0", "--interval", "0.1")
    assert (result.status, result.errors) == (0, "")
    lines = result.output.splitlines()
    assert re.fullmatch(
        r"up at http://127\.0\.0\.1:\d+/: tmx0 to tmx15, 10\.16\.0\.16 to 10\.16\.0\.31, board simulated", lines[0]
    )
    assert re.fullmatch(r"0 s: packets 0 out 0 in, dropped 0, resets \d+, pages 0", lines[1])
    assert lines[2:] == ["stopping"]


def test_a_terminal_gets_a_table_and_ctrl_c_ends_it():
    ours, theirs = pty.openpty()
    line = command("up", "--listen", "127.0.0.1:0", "--interval", "0.1")
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "120", "LINES": "40"}
    with subprocess.Popen(
        line, cwd=ROOT, stdin=theirs, stdout=theirs, stderr=subprocess.PIPE, env=environment, start_new_session=True
    ) as process:
        os.close(theirs)
        shown = bytearray()

        def read():
            while True:
                try:
                    shown.extend(os.read(ours, 65536))
                except OSError:  # the other end has closed
                    return

        reader = threading.Thread(target=read)
        reader.start()
        end = time.monotonic() + 20
        while b"tmx15" not in shown and time.monotonic() < end:
            time.sleep(0.02)
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=20)
        reader.join()
        os.close(ours)
    assert (process.returncode, errors) == (0, b"")
    text = shown.decode()
    assert re.search(r"http://127\.0\.0\.1:\d+/", text)
    for word in ("node", "interface", "packets/s", "dropped", "tmx0", "10.16.0.31"):
        assert word in text
    assert text.count("tmx7") > 2


def test_without_web_there_is_no_nginx_and_the_tinies_are_reached_straight(folder):
    with up("--no-web") as running:
        assert running.url is None
        assert os.listdir(folder) == []
        assert ask("10.16.0.20:80")[0] == 200
        assert running.end()[0] == 0


def test_one_image_for_all_and_settings_of_board_and_engine():
    with up("--seed", "5", "--rc-error", "-50000", "--byte-loss", "0", "--tune", "gap=4", "--prefix", "x") as running:
        assert running.first["nodes"][15]["interface"] == "x15"
        assert ask(running.place)[0] == 200
        assert running.end()[0] == 0


def test_tinies_in_a_namespace_are_served_outside_it(named_namespace):
    with up("--netns", named_namespace) as running:
        place = running.place
        assert {ask(place)[0] for _ in range(20)} == {200}
        with pytest.raises(OSError):
            ask("10.16.0.20:80", seconds=0.5)
        assert running.end() == (0, "")


def test_an_nginx_that_dies_ends_it_with_one_line(folder):
    with up() as running:
        (place,) = folder.iterdir()
        os.kill(int((place / "run" / "nginx.pid").read_text()), signal.SIGKILL)
        running.process.wait(timeout=20)
        errors = running.process.stderr.read()
        assert running.process.returncode == 1
        assert errors.startswith("tinymux: error: nginx has ended")
        assert errors.count("\n") == 1


def test_the_demo_pings_fetches_and_counts():
    result = run("demo", "--requests", "200", "--listen", "127.0.0.1:0")
    assert (result.status, result.errors) == (0, "")
    assert "ping -s 8: an answer from each of 16" in result.output
    assert "200 x 200" in result.output
    assert "every node's counters have moved" in result.output


def test_the_demo_fails_where_tinies_do_not_answer(tmp_path):
    image = tmp_path / "loop.bin"
    image.write_bytes(b"\xff\xcf")  # RJMP to itself
    result = run("demo", "--image", str(image), "--listen", "127.0.0.1:0")
    assert result.status == 1
    assert result.errors.startswith("tinymux: error: no answer to ping -s 8 from 10.16.0.16, ")
    assert result.errors.count("\n") == 1


def test_the_demo_ends_at_a_signal():
    line = command("demo", "--requests", "100000", "--listen", "127.0.0.1:0")
    with subprocess.Popen(line, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        while "ping" not in process.stdout.readline():
            assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=20)
    assert process.returncode == 1
    assert errors == "tinymux: error: interrupted\n"
