"""nginx as tinymux runs it: what it sends to a tiny, who it runs as, and that it leaves nothing behind."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from traces import processes_in
from web import ask

from tinymux.errors import WebError
from tinymux.namespace import Namespace
from tinymux.web import Listener, Nginx

PAGE = b"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nhello\n"


@contextlib.contextmanager
def upstream(address, answer=PAGE):
    """Something on port 80 that answers as a tiny does and keeps what it was sent."""
    seen = []
    with socket.create_server((str(address), 80), backlog=64) as server:

        def serve():
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    with connection:
                        seen.append(connection.recv(4096))
                        connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield seen
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()


ADDRESSES = [IPv4Address("127.0.1.16"), IPv4Address("127.0.1.17")]


def counted(nginx, key, number):
    """Wait until nginx has logged so many answers: it does so a moment after it has given them."""
    end = time.monotonic() + 5
    while nginx.requests()[key] < number and time.monotonic() < end:
        time.sleep(0.01)
    return nginx.requests()[key] == number


def test_a_tiny_gets_the_shortest_request_whatever_the_client_sends(folder):
    with (
        upstream(ADDRESSES[0]) as seen,
        Listener("127.0.0.1:0") as listener,
        Nginx(listener, ADDRESSES[:1], Namespace()) as nginx,
    ):
        assert ask(listener.address)[:2] == (200, b"hello\n")
        assert ask(listener.address, path="/a/long/path?with=arguments", headers={"Cookie": "x" * 500})[0] == 200
        assert ask(listener.address, method="HEAD")[:2] == (200, b"")
        assert set(seen) == {b"GET / HTTP/1.0\r\n\r\n"}
        assert ask(listener.address, method="POST", body=b"x")[0] == 405
        assert ask(listener.address, path="/favicon.ico")[0] == 204
        assert len(seen) == 3
        assert ask(listener.address)[2]["X-Tiny"] == "127.0.1.16:80"
        assert counted(nginx, "127.0.1.16 200", 4)


def test_a_tiny_that_does_not_answer_is_passed_over(folder):
    with (
        upstream(ADDRESSES[1]),
        Listener("127.0.0.1:0") as listener,
        Nginx(listener, ADDRESSES, Namespace()) as nginx,
    ):
        assert [ask(listener.address)[0] for _ in range(6)] == [200] * 6
        assert counted(nginx, "127.0.1.17 200", 6)
        assert nginx.requests()["127.0.1.16 retried"] >= 1


def test_an_answer_with_a_broken_header_is_retried_elsewhere(folder):
    with (
        upstream(ADDRESSES[0], b"HTTP/1.0 200 OK\r\nbro\0ken\r\n\r\n"),
        upstream(ADDRESSES[1]),
        Listener("127.0.0.1:0") as listener,
        Nginx(listener, ADDRESSES, Namespace()),
    ):
        assert [ask(listener.address)[0] for _ in range(4)] == [200] * 4


def test_a_reload_serves_from_other_tinies(folder):
    with (
        upstream(ADDRESSES[0]) as first,
        upstream(ADDRESSES[1]) as second,
        Listener("127.0.0.1:0") as listener,
        Nginx(listener, ADDRESSES[:1], Namespace()) as nginx,
    ):
        assert ask(listener.address)[0] == 200
        nginx.reload(ADDRESSES[1:])
        end = time.monotonic() + 5
        while not second and time.monotonic() < end:
            assert ask(listener.address)[0] == 200
        assert first
        assert second
        nginx.check()


def test_it_runs_in_a_private_folder_and_not_as_root(folder):
    with Listener("127.0.0.1:0") as listener, Nginx(listener, ADDRESSES, Namespace()) as nginx:
        running = processes_in(nginx.folder)
        assert len(running) >= 1
        assert nginx.folder.stat().st_mode & stat.S_IRWXO == 0
        assert stat.S_IMODE((nginx.folder / "run").stat().st_mode) == 0o700
        if Path("/proc/self/uid_map").read_text().split() == ["0", "0", "4294967295"] and os.geteuid() == 0:
            # Another user's, who has no say in what root reads and writes here.
            assert all(path.stat().st_uid != 0 for path in running)
            assert (nginx.folder / "run").stat().st_uid != 0
            assert nginx.folder.stat().st_uid == (nginx.folder / "nginx.conf").stat().st_uid == 0


def test_the_access_log_does_not_grow_for_ever(folder, monkeypatch):
    monkeypatch.setattr("tinymux.web.log.LARGEST", 50)
    with (
        upstream(ADDRESSES[0]),
        Listener("127.0.0.1:0") as listener,
        Nginx(listener, ADDRESSES[:1], Namespace()) as nginx,
    ):
        for count in range(1, 8):
            assert ask(listener.address)[0] == 200
            assert counted(nginx, "127.0.1.16 200", count)
        assert os.fstat(nginx._access.fd).st_size <= 50 + 20


def test_an_nginx_that_ends_by_itself_is_noticed(folder):
    with Listener("127.0.0.1:0") as listener, Nginx(listener, ADDRESSES, Namespace()) as nginx:
        nginx.check()
        os.kill(int((nginx.folder / "run" / "nginx.pid").read_text()), signal.SIGTERM)
        with pytest.raises(WebError, match="nginx has ended"):
            for _ in range(500):
                nginx.check()
                time.sleep(0.01)


def test_stop_leaves_no_process_even_of_a_stuck_nginx(folder, monkeypatch):
    monkeypatch.setattr("tinymux.web.nginx.STOP_SECONDS", 0.2)
    with Listener("127.0.0.1:0") as listener, Nginx(listener, ADDRESSES, Namespace()) as nginx:
        for path in processes_in(nginx.folder):
            os.kill(int(path.parent.name), signal.SIGSTOP)
        nginx.stop()
        nginx.stop()
        assert processes_in(nginx.folder) == []


def test_nginx_goes_when_its_tinymux_is_killed(folder):
    program = (
        "import sys, time; from ipaddress import IPv4Address; from tinymux.web import Listener, Nginx\n"
        "from tinymux.namespace import Namespace\n"
        "nginx = Nginx(Listener('127.0.0.1:0'), [IPv4Address('127.0.1.16')], Namespace())\n"
        "print(nginx.folder, flush=True); time.sleep(60)"
    )
    environment = {**os.environ, "TMPDIR": str(folder)}
    child = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, env=environment)
    with child:
        place = child.stdout.readline().decode().strip()
        assert str(folder) in place
        assert processes_in(place)
        child.kill()
    end = time.monotonic() + 5
    while processes_in(place) and time.monotonic() < end:
        time.sleep(0.02)
    assert processes_in(place) == []
    subprocess.run(["rm", "-r", place], check=True)


@pytest.mark.parametrize("where", ["nowhere", "127.0.0.1", "127.0.0.1:99999", "127.0.0.1:http", "", "example.org:80"])
def test_a_place_to_listen_that_is_none_is_refused(where):
    with pytest.raises(WebError, match=r"write it as 127\.0\.0\.1:8080"):
        Listener(where)


def test_a_taken_port_is_refused_with_what_to_do():
    with (
        Listener("127.0.0.1:0") as first,
        pytest.raises(WebError, match=r"is taken on 127\.0\.0\.1: choose another with --listen"),
    ):
        Listener(first.address)


def test_a_port_alone_means_this_host_only():
    with Listener("0") as listener:
        assert listener.url.startswith("http://127.0.0.1:")


def test_a_missing_nginx_is_said_and_nothing_is_left(folder, monkeypatch):
    monkeypatch.setattr("shutil.which", lambda *_, **__: None)
    with (
        Listener("127.0.0.1:0") as listener,
        pytest.raises(WebError, match="nginx is missing: 'apt install nginx-light'"),
    ):
        Nginx(listener, ADDRESSES, Namespace())


def test_a_refused_configuration_says_nginx_own_reason(folder, monkeypatch):
    monkeypatch.setattr("tinymux.web.nginx.configuration", lambda *_: "worker_processes many;")
    with Listener("127.0.0.1:0") as listener, pytest.raises(WebError, match=r"nginx refuses .* invalid value"):
        Nginx(listener, ADDRESSES, Namespace())
