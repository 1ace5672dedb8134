"""What a machine needs to run boards as a service: the files, where they go, and the way there and back."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tinymux.errors import NotPermittedError, TinymuxError

HERE = Path(__file__).resolve().parent
SERVICE = "tinymuxd.service"
USER = "tinymux"
PRIVATE = Path("/tmp"), Path("/var/tmp")  # the unit has its own of these


@dataclass(frozen=True)
class File:
    """One file: its name in this folder, and its place on the machine."""

    name: str
    place: Path
    kept: bool = False  # the administrator's: neither overwritten nor taken away

    def text(self) -> str:
        """What it says on this machine."""
        return (HERE / self.name).read_text(encoding="utf-8").replace("@PYTHON@", sys.executable)


FILES = (
    File("70-tinymux.rules", Path("etc/udev/rules.d/70-tinymux.rules")),
    File(SERVICE, Path("etc/systemd/system") / SERVICE),
    File("tinymux.sysusers", Path("etc/sysusers.d/tinymux.conf")),
    File("tinymux.toml", Path("etc/tinymux/tinymux.toml"), kept=True),
)


def install(root: Path = Path("/")) -> list[str]:
    """Put the files in place and tell who has to know; what was done, a line each. Again is harmless."""
    done = []
    for file in FILES:
        place = root / file.place
        if file.kept and place.exists():
            done.append(f"{place}: kept")
            continue
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(file.text(), encoding="utf-8")
        except PermissionError as error:
            raise NotPermittedError(f"{place} may not be written: run 'tinymux install' as root") from error
        except OSError as error:
            raise TinymuxError(f"{place} cannot be written: {error.strerror}") from error
        done.append(f"{place}: written")
    if root == Path("/"):
        make_user()
        done += tell()
        if not service_runs():
            done.append(
                f"{SERVICE}: would not start: its user {USER!r} cannot run {sys.executable} with tinymux; "
                "install tinymux where everybody may read it, as in a venv under /opt, and do this again"
            )
    return done


def uninstall(root: Path = Path("/")) -> list[str]:
    """Stop the service and take the files away; the administrator's configuration stays."""
    done = []
    if root == Path("/"):
        run("systemctl", "disable", "--now", SERVICE)
    for file in reversed(FILES):
        place = root / file.place
        if not place.exists():
            continue
        if file.kept:
            done.append(f"{place}: kept; remove it by hand if nobody needs it")
            continue
        try:
            place.unlink()
        except PermissionError as error:
            raise NotPermittedError(f"{place} may not be removed: run 'tinymux uninstall' as root") from error
        done.append(f"{place}: removed")
    if root == Path("/"):
        done += tell()
    return done


def make_user() -> None:
    """The service's own user, and the group that may open boards."""
    if run("getent", "passwd", USER):
        return
    if not run("systemd-sysusers", "tinymux.conf"):
        run("useradd", "--system", "--user-group", "--no-create-home", "--shell", "/usr/sbin/nologin", USER)
    if not run("getent", "passwd", USER):
        raise TinymuxError(f"the user {USER!r} could not be made: 'useradd --system {USER}' as root, then this again")


def service_runs() -> bool:
    """Whether the service's user can run what the unit starts: one in a home or in /tmp may be out of its reach."""
    if any(Path(sys.executable).is_relative_to(folder) for folder in PRIVATE):
        return False
    command = [sys.executable, "-P", "-c", "import tinymux.daemon"]
    try:
        done = subprocess.run(
            command, user=USER, group=USER, extra_groups=[], cwd="/", capture_output=True, check=False, timeout=60
        )
    except PermissionError:
        return False
    return done.returncode == 0


def tell() -> list[str]:
    """Have udev and systemd read what has changed; boards that are plugged in get their permissions at once."""
    done = []
    if run("udevadm", "control", "--reload") and run("udevadm", "trigger", "--subsystem-match=usb", "--action=change"):
        done.append("udev: told")
    else:
        done.append("udev: does not run here; plug boards in again when it does")
    systemd = Path("/run/systemd/system").exists() and run("systemctl", "daemon-reload")
    done.append("systemd: told" if systemd else "systemd: does not run here")
    return done


def run(*command: str) -> bool:
    """Run a system's tool; whether it is there and succeeded."""
    program = shutil.which(command[0], path="/usr/sbin:/sbin:/usr/bin:/bin") or shutil.which(command[0])
    if not program:
        return False
    return subprocess.run([program, *command[1:]], capture_output=True, check=False, timeout=60).returncode == 0
