"""`tinymux doctor`: checks what tinymux needs on this machine, and says what to do about what is missing."""

from __future__ import annotations

import ctypes.util
import json
import os
import shutil
import stat
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import click

from tinymux import install as machine
from tinymux.boards import boards
from tinymux.boards.usb import CONFIGURATION, IN_USE, NODES, READY, SYSFS
from tinymux.errors import TinymuxError

CAP_NET_ADMIN = 12  # linux/capability.h


@dataclass(frozen=True)
class Finding:
    """What one check found. `needed` by every board; else only by a part of what tinymux can do."""

    name: str
    good: bool
    told: str
    needed: bool = False


def compiled() -> Finding:
    """The extensions, and the firmware beside them."""
    try:
        from tinymux import _engine, _simulator, _usb  # noqa: F401
        from tinymux.images import firmware

        firmware("pump.elf")
        firmware("server.elf")
    except (ImportError, TinymuxError) as error:
        return Finding("build", False, f"{error}: './run build' in the folder of tinymux", True)
    return Finding("build", True, "extensions and firmware are there", True)


def tun() -> Finding:
    """The device that interfaces are made with."""
    node = Path("/dev/net/tun")
    if not node.exists() or not stat.S_ISCHR(node.stat().st_mode):
        return Finding("tun", False, "no /dev/net/tun: 'modprobe tun' as root", True)
    if not os.access(node, os.R_OK | os.W_OK):
        return Finding("tun", False, "/dev/net/tun may not be opened: 'chmod 666 /dev/net/tun' as root", True)
    return Finding("tun", True, "/dev/net/tun", True)


def rights() -> Finding:
    """CAP_NET_ADMIN, for interfaces, addresses and routes."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    effective = next(int(line.split()[1], 16) for line in status.splitlines() if line.startswith("CapEff"))
    if effective >> CAP_NET_ADMIN & 1:
        return Finding("rights", True, "CAP_NET_ADMIN")
    return Finding("rights", False, "no CAP_NET_ADMIN: run tinymux up as root, by its service, or after 'unshare -Urn'")


def libusb() -> Finding:
    """The library, and a kernel that has USB."""
    if not ctypes.util.find_library("usb-1.0"):
        return Finding("libusb", False, "libusb is missing: 'apt install libusb-1.0-0' as root")
    if not SYSFS.exists() or not NODES.exists():
        return Finding("libusb", False, "this kernel has no USB: only the simulated board runs here")
    return Finding("libusb", True, "libusb 1.0, USB in the kernel")


def udev_rule() -> Finding:
    """Permissions for boards."""
    rule = Path("/") / machine.FILES[0].place
    if not rule.exists():
        return Finding("udev rule", False, "not installed: 'tinymux install' as root")
    if rule.read_text(encoding="utf-8") != machine.FILES[0].text():
        return Finding("udev rule", False, f"{rule} is another version's: 'tinymux install' as root")
    return Finding("udev rule", True, str(rule))


def plugged_in() -> Finding:
    """Each board's state."""
    found = boards()
    told = "; ".join(f"{board.label} at {board.path}: {board.state}" for board in found)
    good = bool(found) and all(board.state in (READY, IN_USE) for board in found)
    return Finding("boards", good, told or "none on USB: plug one in, or use --board simulated")


def tool(name: str, package: str, use: str) -> Callable[[], Finding]:
    """A check for a program of another package."""

    def check() -> Finding:
        path = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
        return Finding(name, bool(path), path or f"missing, {use}: 'apt install {package}' as root")

    return check


def configuration() -> Finding:
    """The service's file, if there is one."""
    from tinymux.daemon.configuration import Configuration

    file = Path(os.environ.get("TINYMUX_CONFIG", CONFIGURATION))
    if not file.exists():
        return Finding("configuration", False, f"no {file}: only the service needs one; 'tinymux install' brings it")
    try:
        Configuration.load(file)
    except TinymuxError as error:
        return Finding("configuration", False, str(error))
    return Finding("configuration", True, str(file))


CHECKS = (
    compiled,
    tun,
    rights,
    libusb,
    udev_rule,
    plugged_in,
    tool("nginx", "nginx-light", "needed for pages"),
    tool("dfu-programmer", "dfu-programmer", "needed for 'tinymux board update'"),
    configuration,
)


@click.command()
@click.option(
    "-o",
    "--output",
    type=click.Choice(("text", "json")),
    default="text",
    show_default=True,
    help="For people, or for machines.",
)
def doctor(output: str) -> None:
    """Check what tinymux needs on this machine, and say what to do about what is missing.

    Exit status 1 if the simulated board could not run here either.

    \b
      tinymux doctor
    """
    findings = [check() for check in CHECKS]
    if output == "json":
        print(json.dumps([asdict(finding) for finding in findings]))
    else:
        width = max(len(finding.name) for finding in findings)
        for finding in findings:
            mark = "ok" if finding.good else "MISSING" if finding.needed else "-"
            print(f"{mark:<8}{finding.name:<{width}}  {finding.told}")
    if any(finding.needed and not finding.good for finding in findings):
        sys.exit(1)
