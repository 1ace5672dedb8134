"""An nginx of our own: started in a private folder on a socket of ours, and ended without a trace."""

from __future__ import annotations

import contextlib
import errno
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import Any

from tinymux.errors import WebError
from tinymux.namespace import Namespace
from tinymux.web.configuration import configuration
from tinymux.web.log import Log
from tinymux.web.routes import Routes

Site = Sequence[IPv4Address] | Routes  # tinies that are all alike, or who answers which path

START_SECONDS = 5.0
# SIGTERM finishes nothing that is worth waiting for, and a worker that has only just been forked may miss it.
STOP_SECONDS = 0.5
# A request under way may try three tinies; see proxy_next_upstream_timeout.
SETTLE_SECONDS = 13.0
BACKLOG = 511  # nginx's own default


class Listener:
    """The socket that nginx will accept on, opened in the caller's namespace before anything else is started.

    A port that is taken is thus found at once, port 0 chooses a free one, and tinies in a namespace of their own
    are still reached from outside it.
    """

    def __init__(self, where: str) -> None:
        host, port = _parse(where)
        family = socket.AF_INET6 if isinstance(host, IPv6Address) else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        try:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self.socket.bind((str(host), port))
            self.socket.listen(BACKLOG)
        except OSError as error:
            self.socket.close()
            reason = {
                errno.EADDRINUSE: f"port {port} is taken on {host}: choose another with --listen {host}:PORT",
                errno.EADDRNOTAVAIL: f"cannot listen on {host}: this host has no such address",
                errno.EACCES: f"no permission to listen on port {port}: choose one from 1024 up with --listen",
            }.get(error.errno or 0, f"cannot listen on {where}: {error.strerror}")
            raise WebError(reason) from error
        self.loopback = host.is_loopback
        bound = self.socket.getsockname()[1]
        self.address = f"[{host}]:{bound}" if family == socket.AF_INET6 else f"{host}:{bound}"

    @property
    def url(self) -> str:
        """Where a browser finds it."""
        return f"http://{self.address}/"

    def close(self) -> None:
        """Stop listening here; an nginx that has the socket keeps it."""
        self.socket.close()

    def __enter__(self) -> Listener:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()


def _parse(where: str) -> tuple[IPv4Address | IPv6Address, int]:
    """127.0.0.1:8080, [::1]:8080 or just 8080, which means this host only."""
    host, _, port = where.rpartition(":")
    try:
        number = int(port) if port.isascii() and port.isdigit() else -1
        if not 0 <= number <= 65535:
            raise ValueError
        return ip_address(host.removeprefix("[").removesuffix("]") or "127.0.0.1"), number
    except ValueError:
        raise WebError(f"cannot listen on {where!r}: write it as 127.0.0.1:8080") from None


class Nginx:
    """nginx in front of the tinies, in their namespace.

    What it writes is in a folder of its own, run/ within `folder`; its logs go into memory. Its configuration is not
    its own to change, so that an nginx gone bad, where it runs as another user, has no hold on us.
    """

    def __init__(self, listener: Listener, site: Site, namespace: Namespace) -> None:
        self.program = _program()
        self._listener, self._namespace = listener, namespace
        self._process: subprocess.Popen[bytes] | None = None
        self._account = _account()
        self._access, self._errors = Log("access"), Log("errors")
        self._requests: Counter[str] = Counter()
        self._before: set[int] = set()  # workers that were there at the last reload
        self.folder = _folder()
        try:
            self._prepare()
            self._configure(site)
            self._test()
            self._start()
        except BaseException:
            self.stop()
            raise

    def _prepare(self) -> None:
        """The folder is ours, run/ nginx's; nobody else looks into either."""
        run = self.folder / "run"
        run.mkdir(mode=0o700)
        if self._account:
            os.chown(run, self._account.pw_uid, self._account.pw_gid)
            os.chown(self.folder, -1, self._account.pw_gid)
            self.folder.chmod(0o710)

    def _configure(self, site: Site) -> None:
        user = "root" if os.geteuid() == 0 and not self._account else None
        self._write("nginx.conf", configuration(site, self._listener.address, user))
        if isinstance(site, Routes) and site.credentials:
            self._write("htpasswd", site.htpasswd(os.urandom(8)))

    def _write(self, name: str, text: str) -> None:
        """A file that nginx may read and not change, and nobody else may read: the folder is closed to them."""
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        path.chmod(0o644)

    def _command(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Run nginx as nobody in particular where we are root: it has its socket already and needs no rights."""
        prefix = ["-p", f"{self.folder}/run/", "-c", f"{self.folder}/nginx.conf", "-e", "stderr"]
        command = [self.program, *prefix, *arguments]
        setpriv = shutil.which("setpriv")
        if setpriv:
            # Should this process be killed, nginx goes as well.
            command = [setpriv, "--no-new-privs", "--pdeathsig", "TERM", "--", *command]
        identity: dict[str, Any] = {}
        if self._account:
            identity = {"user": self._account.pw_uid, "group": self._account.pw_gid, "extra_groups": []}
        fd = self._listener.socket.fileno()
        with self._namespace.inside():
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=self._access.fd,
                stderr=self._errors.fd,
                cwd=self.folder / "run",
                # How nginx hands its sockets to its successor (nginx.org/en/docs/control.html): it takes ours.
                env={"PATH": os.environ.get("PATH", os.defpath), "NGINX": f"{fd};"},
                pass_fds=[fd],
                start_new_session=True,  # Ctrl-C is for us alone
                **identity,
            )

    def _test(self) -> None:
        """nginx -t, which also makes the pid file."""
        process = self._command("-t", "-q")
        try:
            status = process.wait(START_SECONDS)
        except subprocess.TimeoutExpired as error:
            process.kill()
            process.wait()
            raise WebError("nginx does not finish testing its configuration") from error
        if status:
            raise WebError(f"nginx refuses its configuration: {self._reason()}")

    def _start(self) -> None:
        pid = self.folder / "run" / "nginx.pid"
        pid.unlink(missing_ok=True)
        self._process = self._command()
        end = time.monotonic() + START_SECONDS
        while not pid.exists():
            self.check()
            if time.monotonic() > end:
                raise WebError(f"nginx does not start: {self._reason()}")
            time.sleep(0.01)

    def _reason(self) -> str:
        """Its last grave complaint, or else its last one."""
        # A user namespace may not change groups; nginx complains and goes on.
        lines = [line for line in self._errors.lines() if "initgroups(" not in line] or ["it does not say why"]
        return ([line for line in lines if "[emerg]" in line] or lines)[-1]

    def check(self) -> None:
        """Raise WebError if nginx has ended."""
        if self._process and self._process.poll() is not None:
            raise WebError(f"nginx has ended: {self._reason()}")
        self._errors.shorten()

    def reload(self, site: Site) -> None:
        """Serve from other tinies from now on; requests under way are finished as they began."""
        self.check()
        self._configure(site)
        self._test()
        if self._process:
            self._before = self._workers()
            self._process.send_signal(signal.SIGHUP)

    def settle(self, seconds: float = SETTLE_SECONDS) -> bool:
        """Wait until no worker from before the last reload is left: tinies that were taken out are not asked any more.

        False where one is still busy after so long.
        """
        end = time.monotonic() + seconds
        while self._before & self._workers():
            self.check()
            if time.monotonic() > end:
                return False
            time.sleep(0.005)
        return True

    def _workers(self) -> set[int]:
        """Process numbers of nginx's children (proc(5))."""
        if not self._process:
            return set()
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        return {int(number) for number in children.read_text().split()}

    def requests(self) -> Counter[str]:
        """Answers given so far, by tiny's address and status: "10.16.0.16 200"."""
        for line in self._access.lines():
            # Each tiny that was tried is named; the status is the answer of the last one.
            status, _, tried = line.partition(" ")
            *failed, last = tried.replace(":80", "").split(", ")
            self._requests.update(f"{address} retried" for address in failed)
            if last and last != "-":
                self._requests[f"{last} {status}"] += 1
        self._access.shorten()
        return self._requests.copy()

    def stop(self) -> None:
        """End nginx and remove its folder. Again is harmless."""
        process, self._process = self._process, None
        if process:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(STOP_SECONDS)
            # The workers of a master that was killed, or all of one that is stuck: it leads a group of its own.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)
        self._access.close()
        self._errors.close()

    def __enter__(self) -> Nginx:
        return self

    def __exit__(self, *_: Any) -> None:
        self.stop()


def _folder() -> Path:
    try:
        return Path(tempfile.mkdtemp(prefix="tinymux-"))  # mode 0700
    except OSError as error:
        raise WebError(f"no place for temporary files: {error.strerror}; set TMPDIR to one") from error


def _program() -> str:
    """Debian keeps nginx where a user's PATH may not look."""
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/sbin")
    if not program:
        raise WebError("nginx is missing: 'apt install nginx-light' as root, or go without it: --no-web")
    return program


def _account() -> pwd.struct_passwd | None:
    """Whom nginx should run as: not root, where we are root and may be another."""
    if os.geteuid() != 0 or not _may_change_user():
        return None
    for name in ("www-data", "nobody"):
        with contextlib.suppress(KeyError):
            account = pwd.getpwnam(name)
            if _mapped(account.pw_uid, "uid") and _mapped(account.pw_gid, "gid"):
                return account
    return None


def _may_change_user() -> bool:
    """Root may have been left without the capabilities for it (capabilities(7); their bits: linux/capability.h)."""
    needed = 1 << 0 | 1 << 1 | 1 << 6 | 1 << 7  # CHOWN, DAC_OVERRIDE, SETGID, SETUID
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("CapEff:"):
            return int(line.split()[1], 16) & needed == needed
    return False


def _mapped(number: int, kind: str) -> bool:
    """Whether a user namespace, the first one included, knows this user or group (user_namespaces(7))."""
    for line in Path(f"/proc/self/{kind}_map").read_text().splitlines():
        first, _, count = map(int, line.split())
        if first <= number < first + count:
            return True
    return False
