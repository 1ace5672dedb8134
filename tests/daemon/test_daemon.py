"""tinymuxd as its manager sees it: ready, alive, reloaded, and its interfaces kept over a restart."""

from __future__ import annotations

import array
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NETWORK = "10.213.0.0/24"
# What systemd does between fork and exec: the stored files from number 3 on, and the pid that they are for.
HAND_OVER = """
import ast, fcntl, os, sys
given = ast.literal_eval(sys.argv[1])
high = [fcntl.fcntl(fd, fcntl.F_DUPFD, 500) for fd in given]
for fd in given:
    os.close(fd)
for number, fd in enumerate(high):
    os.dup2(fd, 3 + number)
    os.close(fd)
os.environ["LISTEN_PID"] = str(os.getpid())
os.execv(sys.argv[2], sys.argv[2:])
"""


class Systemd:
    """The manager's end of the notification socket, and its store of files."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "notify"
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(self.path))
        self.store: dict[str, int] = {}
        self.told: list[str] = []

    def read(self, seconds: float) -> bool:
        if not select.select([self.socket], [], [], seconds)[0]:
            return False
        data, ancillary, _, _ = self.socket.recvmsg(4096, socket.CMSG_SPACE(4 * 16))
        fields = dict(line.split("=", 1) for line in data.decode().splitlines())
        files = array.array("i")
        for _, _, passed in ancillary:
            files.frombytes(passed)
        if "FDSTORE" in fields:
            self.store[fields["FDNAME"]] = files[0]
        elif "FDSTOREREMOVE" in fields:
            os.close(self.store.pop(fields["FDNAME"]))
        else:
            self.told += data.decode().splitlines()
        return True

    def wait(self, line: str, seconds: float = 20) -> bool:
        """Wait until it is told; forgets what came before."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for number, told in enumerate(self.told):
                if told.startswith(line):
                    del self.told[: number + 1]
                    return True
            self.read(0.2)
        return False

    def start(self, file: Path) -> subprocess.Popen[str]:
        names, files = list(self.store), list(self.store.values())
        environment = os.environ | {
            "NOTIFY_SOCKET": str(self.path),
            "WATCHDOG_USEC": "3000000",
            "LISTEN_FDS": str(len(files)),
            "LISTEN_FDNAMES": ":".join(names),
        }
        return subprocess.Popen(
            [sys.executable, "-c", HAND_OVER, repr(files), sys.executable, "-m", "tinymux.daemon", str(file)],
            cwd=ROOT,
            env=environment,
            pass_fds=files,
            stderr=subprocess.PIPE,
            text=True,
        )

    def close(self) -> None:
        self.socket.close()
        for fd in self.store.values():
            os.close(fd)


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[Systemd]:
    made = Systemd(tmp_path)
    yield made
    made.close()


def interfaces() -> dict[str, int]:
    return {name: index for index, name in socket.if_nameindex() if name.startswith("tmxd")}


def configuration(listen: str, prefix: str = "tmxd") -> str:
    return f'''
network = "{NETWORK}"
prefix = "{prefix}"
[nginx]
listen = "{listen}"
[[board]]
simulated = true
'''


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def page(port: int) -> bool:
    """Whether nginx gives out a tiny's page; the tinies may just be starting."""
    for _ in range(20):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            time.sleep(0.2)
    return False


def end(process: subprocess.Popen[str]) -> str:
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 0, errors
    return errors


def test_ready_alive_reloaded_restarted(systemd: Systemd, tmp_path: Path) -> None:
    file = tmp_path / "tinymux.toml"
    port, other = free_port(), free_port()
    file.write_text(configuration(f"127.0.0.1:{port}"))
    process = systemd.start(file)
    try:
        assert systemd.wait("STATUS=16 nodes up")
        assert systemd.wait("READY=1")
        assert page(port)
        before = interfaces()
        assert len(before) == 16
        assert sorted(systemd.store) == sorted(before)
        for _ in range(3):
            assert systemd.wait("WATCHDOG=1", 3)

        # nginx alone is changed by a reload that asks for nothing else
        file.write_text(configuration(f"127.0.0.1:{other}"))
        process.send_signal(signal.SIGHUP)
        assert systemd.wait("RELOADING=1")
        assert systemd.wait("STATUS=reloaded")
        assert systemd.wait("READY=1")
        assert page(other)

        # the blog that was published on these tinies, here a page on one of them
        folder = tmp_path / "blog"
        folder.mkdir()
        (folder / "blog.toml").write_text('title = "Blog"\n')
        file.write_text(configuration(f"127.0.0.1:{other}") + f'[blog]\nfolder = "{folder}"\n')
        process.send_signal(signal.SIGHUP)
        assert systemd.wait("STATUS=not reloaded: " + f"{folder}: nothing was published yet")
        assert page(other), "as before"
        held = {"node": 3, "digest": "x", "asks": {"/": "/"}, "encodings": {"/": "plain"}}
        (folder / "published.json").write_text(json.dumps([held]))
        process.send_signal(signal.SIGHUP)
        assert systemd.wait("STATUS=reloaded")
        assert {page(other) for _ in range(3)} == {True}
        assert systemd.wait("READY=1")

        # a file that cannot be followed changes nothing
        file.write_text("nettwork = 3")
        process.send_signal(signal.SIGHUP)
        assert systemd.wait("STATUS=not reloaded")
        assert page(other)

        # over a restart the interfaces stay the very same
        file.write_text(configuration(f"127.0.0.1:{port}"))
        errors = end(process)
        assert f"{file}: nettwork: there is no such key" in errors
        assert interfaces() == before
        process = systemd.start(file)
        assert systemd.wait("STATUS=16 nodes up")
        assert interfaces() == before
        assert page(port)

        # other interfaces are wanted: those that are not go
        file.write_text(configuration(f"127.0.0.1:{port}", "tmxdx"))
        process.send_signal(signal.SIGHUP)
        assert systemd.wait("STATUS=16 nodes up")
        assert sorted(interfaces()) == sorted(f"tmxdx{n}" for n in range(16))
        end(process)
    finally:
        process.kill()
        process.communicate()


def test_a_board_that_is_not_there_is_waited_for(systemd: Systemd, tmp_path: Path) -> None:
    file = tmp_path / "tinymux.toml"
    file.write_text('[[board]]\nserial = "00"\n')
    process = systemd.start(file)
    try:
        assert systemd.wait("STATUS=waiting: no board '00' here")
        assert systemd.wait("READY=1")
        end(process)
    finally:
        process.kill()
        process.communicate()
