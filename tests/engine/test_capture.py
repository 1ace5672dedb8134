"""Captures as tshark reads them, and what they cost who is captured."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from test_tty import Rig, packet

from tinymux._engine import Capture
from tinymux.errors import BoardError, TinymuxError
from tinymux.slip import encode

FIELDS = ("frame.interface_name", "frame.len", "frame.packet_flags_direction", "ip.src", "frame.time_epoch")


def tshark(path: Path, *fields: str) -> list[list[str]]:
    command = ["tshark", "-n", "-r", str(path), "-T", "fields", *(word for name in fields for word in ("-e", name))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    return [line.split("\t") for line in done.stdout.splitlines()]


@pytest.fixture
def rig():
    made = Rig(3)
    yield made
    made.close()


def talk(rig: Rig, lane: int, size: int) -> None:
    """One packet each way."""
    rig.tuns[lane].send(packet(size))
    rig.hear(lane, 1)
    os.write(rig.far[lane], encode(packet(size + 1)))
    rig.tuns[lane].recv(2000)


def begin(rig: Rig, path: Path, lanes: dict[tuple[int, int], str]) -> Capture:
    with path.open("wb") as file:
        return Capture(rig.engine, file.fileno(), lanes)


def test_all_nodes_with_their_names_directions_and_times(rig, tmp_path):
    path = tmp_path / "all.pcapng"
    capture = begin(rig, path, {(0, lane): f"tmx{lane}" for lane in range(3)})
    before = time.time()
    for lane in range(3):
        talk(rig, lane, 60 + 2 * lane)
    rig.eventually(lambda: capture.written == 6)
    capture.close()
    rows = tshark(path, *FIELDS)
    directions = {"0x00000002": "out", "0x00000001": "in", "2": "out", "1": "in"}
    assert [(row[0], row[1], directions[row[2]], row[3]) for row in rows] == [
        (f"tmx{lane}", str(60 + 2 * lane + way), ("out", "in")[way], "10.9.0.1")
        for lane in range(3)
        for way in range(2)
    ]
    assert all(before - 1 < float(row[4]) < time.time() + 1 for row in rows)


def test_one_node_of_many(rig, tmp_path):
    path = tmp_path / "one.pcapng"
    capture = begin(rig, path, {(0, 1): "only"})
    for lane in range(3):
        talk(rig, lane, 60)
    capture.close()
    assert [row[0] for row in tshark(path, "frame.interface_name")] == ["only", "only"]


def test_the_bytes_are_those_of_the_packets(rig, tmp_path):
    path = tmp_path / "bytes.pcapng"
    capture = begin(rig, path, {(0, 0): "tmx0"})
    sizes = (20, 21, 22, 23, 1500)
    for size in sizes:
        rig.tuns[0].send(packet(size))
        rig.hear(0, 1)
    capture.close()
    raw = path.read_bytes()
    assert all(packet(size) in raw for size in sizes)
    assert [int(row[0]) for row in tshark(path, "frame.len")] == list(sizes)


def test_a_stuck_reader_costs_packets_and_slows_nobody(rig, tmp_path):
    """A pipe that nobody reads: the queue fills, drops are counted, the node is served at its own speed."""
    reader, writer = os.pipe()
    capture = Capture(rig.engine, writer, {(0, 0): "tmx0"})
    os.close(writer)
    count, batch = 6000, 20
    for _ in range(count // batch):
        for _ in range(batch):
            rig.tuns[0].send(packet(1000))
        assert len(rig.hear(0, batch)) == batch
    assert capture.dropped > 0
    assert rig.counters(0)["packets_out"] == count
    dropped, path = capture.dropped, tmp_path / "late.pcapng"

    def drain() -> None:
        with open(reader, "rb") as source, path.open("wb") as target:
            while data := source.read(65536):
                target.write(data)

    late = threading.Thread(target=drain)
    late.start()
    capture.close()
    late.join(10)
    assert len(tshark(path, "frame.len")) == count - dropped
    # The interface statistics block's option isb_ifdrop (5), 8 bytes.
    assert b"\x05\x00\x08\x00" + dropped.to_bytes(8, "little") in path.read_bytes()[-100:]


def test_a_full_disk_ends_the_capture_and_nothing_else(rig):
    with open("/dev/full", "wb", buffering=0) as full:
        capture = Capture(rig.engine, full.fileno(), {(0, 0): "tmx0"})
    rig.eventually(lambda: capture.error)
    talk(rig, 0, 60)
    assert capture.dropped == 2
    with pytest.raises(TinymuxError, match="No space left"):
        capture.close()
    talk(rig, 0, 60)


def test_a_reader_that_never_reads_does_not_hold_up_the_end(rig):
    """close() gives up after 2 s and says so; every packet is in the pipe or counted as dropped."""
    reader, writer = os.pipe()
    capture = Capture(rig.engine, writer, {(0, 0): "tmx0"})
    os.close(writer)
    for _ in range(200):
        talk(rig, 0, 1000)
    start = time.monotonic()
    with pytest.raises(TinymuxError, match="timed out"):
        capture.close()
    assert 1.9 < time.monotonic() - start < 4
    assert (capture.written + capture.dropped, errno.errorcode[capture.error]) == (400, "ETIMEDOUT")
    assert capture.dropped > 300, "a pipe holds 64 KB"
    talk(rig, 0, 60)
    assert os.read(reader, 4) == b"\x0a\x0d\x0d\x0a"
    os.close(reader)
    again, other = os.pipe()
    Capture(rig.engine, other, {(0, 0): "tmx0"}).close()
    os.close(again)
    os.close(other)


def test_a_reader_that_goes_away_ends_the_capture_and_nothing_else(rig):
    reader, writer = os.pipe()
    capture = Capture(rig.engine, writer, {(0, 0): "tmx0"})
    os.close(writer)
    os.close(reader)
    for _ in range(3):
        talk(rig, 0, 60)
    rig.eventually(lambda: capture.error)
    with pytest.raises(TinymuxError, match="Broken pipe"):
        capture.close()
    assert (capture.written, capture.dropped) == (0, 6)


def test_a_disk_that_fills_up_keeps_whole_packets(tmp_path):
    """On a file system of 256 KB: the file ends with a whole packet, the rest is counted, the node is served on."""
    folder = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--user", "--map-root-user", "--mount"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    command = [*folder, sys.executable, __file__, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr


def fill_a_disk(folder: Path) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "none", str(folder)], check=True)
    made = Rig(1)
    path = folder / "full.pcapng"
    capture = begin(made, path, {(0, 0): "tmx0"})
    for _ in range(300):
        talk(made, 0, 1000)
    made.eventually(lambda: capture.error == errno.ENOSPC)
    with pytest.raises(TinymuxError, match="No space left"):
        capture.close()
    assert capture.written + capture.dropped == 600
    assert 100 < capture.written < 260
    lengths = [row[0] for row in tshark(path, "frame.len")]
    assert len(lengths) == capture.written
    talk(made, 0, 60)
    made.close()


def test_captures_one_after_the_other(rig, tmp_path):
    for name in ("first", "second"):
        capture = begin(rig, tmp_path / name, {(0, 2): name})
        with pytest.raises(TinymuxError, match="captures already"):
            begin(rig, tmp_path / "third", {(0, 2): "third"})
        talk(rig, 2, 60)
        capture.close()
        capture.close()
        assert [row[0] for row in tshark(tmp_path / name, "frame.interface_name")] == [name, name]
    with pytest.raises(BoardError, match="board 7"):
        begin(rig, tmp_path / "fourth", {(7, 0): "none"})


def test_a_capture_outlives_the_engines_end(rig, tmp_path):
    capture = begin(rig, tmp_path / "end", {(0, 0): "tmx0"})
    talk(rig, 0, 60)
    rig.engine.stop()
    capture.close()
    assert len(tshark(tmp_path / "end", "frame.len")) == 2


if __name__ == "__main__":
    fill_a_disk(Path(sys.argv[1]))
