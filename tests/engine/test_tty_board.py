"""Serial ports by name, and as a Bridge's board on real interfaces, in a network namespace of its own."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import termios
import threading
import time
import tty
from pathlib import Path

import pytest
from inside import run_inside

import tinymux
from tinymux.boards import find
from tinymux.boards.tty import Ports
from tinymux.errors import BoardError, TinymuxError
from tinymux.slip import Decoder, encode


@pytest.fixture
def port():
    master, slave = pty.openpty()
    yield os.ttyname(slave)
    os.close(master)
    os.close(slave)


def test_ports_by_name():
    board = find("tty:/dev/ttyUSB0,/dev/ttyACM3@57600")
    assert board.ports == ("/dev/ttyUSB0", "/dev/ttyACM3")
    assert board.baud == 57600
    assert board.images == (None, None)
    assert find("tty:/dev/ttyS0").baud == 115200
    assert not board.flow
    board = find("tty:/dev/ttyS0@9600,rtscts")
    assert (board.baud, board.flow) == (9600, True)
    board = find("tty:/dev/ttyS0@rtscts")
    assert (board.baud, board.flow) == (115200, True)


def test_ports_by_pattern_in_the_order_of_their_numbers(tmp_path):
    for number in (0, 2, 10):
        (tmp_path / f"ttyUSB{number}").touch()
    board = find(f"tty:{tmp_path}/ttyUSB*,/dev/ttyS0")
    assert [Path(port).name for port in board.ports] == ["ttyUSB0", "ttyUSB2", "ttyUSB10", "ttyS0"]
    with pytest.raises(BoardError, match="is called so"):
        find(f"tty:{tmp_path}/ttyACM*")


@pytest.mark.parametrize(
    "name", ["tty:", "tty:a,,b", "tty:a@fast", "tty:a@12345", "tty:a,a", "tty:a@9600,xon", "tty:a@9600,9600"]
)
def test_names_that_are_none(name):
    with pytest.raises(BoardError):
        find(name)


def test_seventeen_ports_are_more_than_a_board():
    with pytest.raises(BoardError, match="1 to 16"):
        tinymux.TtyBoard([f"/dev/ttyS{number}" for number in range(17)])


def test_a_port_is_raw_at_its_speed_and_for_one_only(port):
    opened = tinymux.TtyBoard([port], baud=57600, flow=True).open()
    with open(port, "rb", buffering=0) as look:
        mode = termios.tcgetattr(look)
    assert mode[4] == mode[5] == termios.B57600
    assert mode[2] & termios.CRTSCTS
    assert not mode[3] & (termios.ICANON | termios.ECHO | termios.ISIG)
    assert not mode[0] & (termios.IXON | termios.ICRNL)
    with pytest.raises(BoardError, match="in use by another process"):
        tinymux.TtyBoard([port]).open()
    opened.close()
    tinymux.TtyBoard([port]).open().close()


def test_a_port_that_hangs_up_again_and_again_is_tried_ever_less_often(port):
    """One that is there and of no use costs a moment at first, and little in the long run."""
    ports = Ports(tinymux.TtyBoard([port]))
    took = []
    for _ in range(5):
        start, back = time.monotonic(), threading.Event()
        ports.watch(0, lambda fd, back=back: back.set())
        assert back.wait(5)
        took.append(time.monotonic() - start)
    ports.close()
    assert all(took[times] >= 0.02 * 2**times for times in range(5)), took
    tinymux.TtyBoard([port]).open().close()


def test_what_is_no_port_is_refused(tmp_path):
    with pytest.raises(BoardError, match="cannot be opened"):
        tinymux.TtyBoard([str(tmp_path / "none")]).open()
    with pytest.raises(BoardError, match="no serial port"):
        tinymux.TtyBoard(["/dev/null"]).open()


def test_ping_through_a_bridge_that_captures(tmp_path):
    path = tmp_path / "pings.pcapng"
    run_inside(__file__, path)
    command = ["tshark", "-n", "-r", str(path), "-Y", "icmp.resp_to", "-T", "fields", "-e", "frame.interface_name"]
    answered = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout.split()
    assert sorted(answered) == ["tmx0"] * 5 + ["tmx1"] * 5 + ["tmx2"] * 5


def answer_pings(fd: int) -> None:
    """A device that answers echo requests: type 8 becomes 0, which its checksum shows; addresses change places."""
    decoder = Decoder()
    while data := os.read(fd, 4096):
        for packet in decoder.feed(data):
            checksum = int.from_bytes(packet[22:24], "big") + 0x0800
            sum16 = ((checksum & 0xFFFF) + (checksum >> 16)).to_bytes(2, "big")
            os.write(fd, encode(packet[:12] + packet[16:20] + packet[12:16] + b"\0\0" + sum16 + packet[24:]))


def main() -> None:
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    names = []
    for _ in range(3):
        master, slave = pty.openpty()
        tty.setraw(slave)
        names.append(os.ttyname(slave))
        threading.Thread(target=answer_pings, args=(master,), daemon=True).start()
    path = Path(sys.argv[1])
    bridge = tinymux.Bridge(find("tty:" + ",".join(names)))
    with bridge, bridge.capture(path):
        with pytest.raises(TinymuxError, match="captures already"), bridge.capture(path):
            pass
        assert [node.interface for node in bridge.nodes] == ["tmx0", "tmx1", "tmx2"]
        for node in bridge.nodes:
            ping = ["ping", "-q", "-i", "0.01", "-c", "5", "-w", "5", str(node.address)]
            subprocess.run(ping, check=True, stdout=subprocess.DEVNULL)
            assert node.counters.packets_in == node.counters.packets_out == 5
    assert bridge.nodes[1].counters.packets_in == 5
    to_a_pipe(bridge, path.with_suffix(".fifo"))


def to_a_pipe(bridge: tinymux.Bridge, path: Path) -> None:
    """A named pipe needs its reader first, and then is a file like any other."""
    os.mkfifo(path)
    with bridge:
        with pytest.raises(TinymuxError, match="nobody reads"), bridge.capture(path):
            pass
        command = ["tshark", "-n", "-r", "-", "-T", "fields", "-e", "frame.interface_name"]
        end = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        os.set_blocking(end, True)
        reader = subprocess.Popen(command, stdin=end, stdout=subprocess.PIPE)
        os.close(end)
        with bridge.capture(path):
            ping = ["ping", "-q", "-i", "0.01", "-c", "2", "-w", "5", str(bridge.nodes[1].address)]
            subprocess.run(ping, check=True, stdout=subprocess.DEVNULL)
        assert reader.communicate(timeout=30)[0].split() == [b"tmx1"] * 4


if __name__ == "__main__":
    main()
