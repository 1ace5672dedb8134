"""tinymuxd under a real systemd, as `tinymux install` sets it up: ready, alive, reloaded, restarted, ended.

Its user has CAP_NET_ADMIN and the udev rule's group, and nothing else of root's. The tests are in the order of a
service's life, and share it: each start takes the guest some seconds.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import SERIALS, present, until
from plug import Plug

from tinymux.boards.usb import CONFIGURATION
from tinymux.install import PRIVATE, SERVICE, USER, install, make_user, service_runs, uninstall

pytestmark = pytest.mark.skipif(
    not Path("/run/systemd/system").exists(), reason="systemd is not installed on this machine"
)

PORT, OTHER = 8080, 8081
CAP_NET_ADMIN = 1 << 12  # linux/capability.h
START = 90.0  # s, on a busy machine
WATCHDOG = 5.0  # s; the unit's own is 15
QUICK = f"[Service]\nWatchdogSec={WATCHDOG:.0f}\nTimeoutAbortSec=1\n"
ROOT = Path(__file__).parents[3]
POLL = 0.2  # s; systemctl takes half of that


def systemctl(*words: str) -> str:
    done = subprocess.run(["systemctl", *words], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr + journal()
    return done.stdout.strip()


def journal() -> str:
    command = ["journalctl", "--no-pager", "-o", "cat", "-u", SERVICE]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout


def told(name: str) -> str:
    return systemctl("show", SERVICE, "--value", "-p", name)


def up() -> bool:
    return told("StatusText").startswith("16 nodes up")


def status(key: str) -> list[str]:
    """A line of the service's /proc/PID/status."""
    lines = Path(f"/proc/{told('MainPID')}/status").read_text().splitlines()
    return next(line.split()[1:] for line in lines if line.startswith(f"{key}:"))


def interfaces() -> dict[str, int]:
    return {name: index for index, name in socket.if_nameindex() if name.startswith("tmx")}


def page(port: int) -> bool:
    with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=3) as answer:
        return answer.status == 200
    return False


def configure(port: int) -> None:
    CONFIGURATION.write_text(
        f'[nginx]\nlisten = "127.0.0.1:{port}"\n[options]\nstartup_ms = 250\n[[board]]\nserial = "{SERIALS[0]}"\n'
    )


@pytest.fixture(scope="module")
def service() -> Iterator[dict[str, int]]:
    """Installed and started; its interfaces."""
    plug = Plug(0)
    assert until(lambda: present(0))
    python = Path(sys.executable)
    hidden = any(python.is_relative_to(folder) for folder in PRIVATE)  # as a checkout under /tmp is
    home = python.resolve().parent
    home.chmod(0o700)
    make_user()
    assert not service_runs(), "nor where the tests' Python is in some user's home"
    for folder in (home, *home.parents):
        folder.chmod(folder.stat().st_mode | 0o055)
    done = install()
    assert "systemd: told" in done
    assert any("cannot run" in line for line in done) == hidden
    drop_in = Path(f"/etc/systemd/system/{SERVICE}.d/quick.conf")
    drop_in.parent.mkdir()
    drop_in.write_text(QUICK + (f"BindReadOnlyPaths={ROOT}\n" if hidden else ""))
    systemctl("daemon-reload")
    configure(PORT)
    systemctl("start", SERVICE)
    try:
        yield interfaces()
    finally:
        uninstall()
        plug.close()


def test_it_is_ready_once_started_and_serves_pages(service: dict[str, int]) -> None:
    assert told("ActiveState") == "active"
    assert told("StatusText") == "16 nodes up in 10.16.0.0/24"
    assert len(service) == 16
    assert int(told("NFileDescriptorStore")) == 16
    assert until(lambda: page(PORT), START, POLL)


def test_it_runs_as_a_user_of_its_own_with_net_admin_alone(service: dict[str, int]) -> None:
    user = pwd.getpwnam(USER)
    assert {int(word) for word in status("Uid")} == {user.pw_uid}
    assert {int(word) for word in status("Gid")} == {user.pw_gid}
    for kind in ("CapEff", "CapPrm", "CapBnd", "CapAmb"):
        assert int(status(kind)[0], 16) == CAP_NET_ADMIN, kind
    assert status("NoNewPrivs") == ["1"]
    assert status("Seccomp") == ["2"]
    board = present(0)
    assert board
    assert board.state == "in use"
    assert board.node.stat().st_mode & 0o777 == 0o660


def test_it_tells_that_it_is_alive(service: dict[str, int]) -> None:
    fed = {told("WatchdogTimestampMonotonic")}
    assert until(lambda: len(fed.add(told("WatchdogTimestampMonotonic")) or fed) > 2, WATCHDOG, POLL)
    assert told("NRestarts") == "0"


def test_reload_follows_the_file_and_keeps_the_interfaces(service: dict[str, int]) -> None:
    before = told("MainPID")
    configure(OTHER)
    systemctl("reload", SERVICE)
    assert until(lambda: page(OTHER), START, POLL)
    assert not page(PORT)
    CONFIGURATION.write_text("nettwork = 3")
    systemctl("reload", SERVICE)
    assert until(lambda: "not reloaded" in told("StatusText"), START, POLL)
    assert "nettwork: there is no such key" in told("StatusText")
    assert page(OTHER)
    assert told("MainPID") == before
    assert interfaces() == service
    configure(PORT)


def test_one_that_hangs_is_ended_and_started_anew_on_the_same_interfaces(service: dict[str, int]) -> None:
    before = told("MainPID")
    os.kill(int(before), signal.SIGSTOP)
    assert until(lambda: told("NRestarts") == "1", START, POLL)
    assert interfaces() == service
    assert until(up, START, POLL)
    assert told("MainPID") != before
    assert interfaces() == service
    assert until(lambda: page(PORT), START, POLL)


def test_restart_keeps_the_interfaces(service: dict[str, int]) -> None:
    before = told("MainPID")
    systemctl("restart", "--no-block", SERVICE)
    assert until(lambda: told("MainPID") not in (before, "0"), START, POLL)
    assert interfaces() == service
    assert int(told("NFileDescriptorStore")) == 16


def test_stop_leaves_nothing(service: dict[str, int]) -> None:
    """Also of a service that is just starting."""
    systemctl("stop", SERVICE)
    assert told("ActiveState") == "inactive"
    assert interfaces() == {}
    assert int(told("NFileDescriptorStore")) == 0
    assert not page(PORT)
    assert until(lambda: (board := present(0)) and board.state == "ready")
    running = subprocess.run(["ps", "-u", USER], capture_output=True, text=True, check=False).stdout
    assert len(running.splitlines()) == 1, running
