"""The guest: Debian's kernel in QEMU, with this machine's file system as its own and the simulated board on its USB.

    python tests/usb/guest.py build      download kernel and udev, build the guest under build/rig, once
    python tests/usb/guest.py COMMAND    boot it, run the shell command in it, print its output, exit as it did

Nothing is installed: the kernel package is unpacked, its vmlinux is booted directly (PVH, no boot loader), and the
root is the host's, read-only over 9p under a tmpfs overlay. KVM is not used, so it runs wherever QEMU does.
"""

from __future__ import annotations

import hashlib
import lzma
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
RIG = ROOT / "build" / "rig"

# What `./run` installs for the rig: command or file -> Debian package.
NEEDS = {
    "qemu-system-x86_64": "qemu-system-x86",
    "/bin/busybox": "busybox-static",
    "depmod": "kmod",
    "cpio": "cpio",
    "/usr/include/usbredirparser.h": "libusbredirparser-dev",
}
RECIPE = 1  # what of this file goes into build/rig; a new number builds it anew
MODULES = ["virtio_pci", "9p", "9pnet_virtio", "overlay", "virtio_console", "xhci_pci", "tun"]
PORTS = ("1", "2.1")  # where the boards are plugged in
XZ = b"\xfd7zXZ\0"
KERNEL_LINE = (
    "console=ttyS0 quiet panic=-1 mitigations=off audit=0 random.trust_cpu=on tsc=reliable no_timer_check "
    "rcupdate.rcu_expedited=1 cryptomgr.notests usbcore.autosuspend=-1"
)

# libusb hears of boards that come and go from udevd, which is Debian's own, unpacked, with its rules.
PROLOGUE = """
mkdir -p /usr/lib/udev && cp -r "$TINYMUX_RIG"/udev/lib/udev/rules.d /usr/lib/udev/
ln -s "$TINYMUX_RIG"/udev/bin/udevadm /run/systemd-udevd
export PATH="$TINYMUX_RIG/udev/bin:$PATH" SYSTEMD_IGNORE_CHROOT=1
/run/systemd-udevd --daemon --resolve-names=late
udevadm trigger --action=add --subsystem-match=usb --subsystem-match=virtio-ports && udevadm settle --timeout=10
"""


# What systemd is told to run where it is the first process: the command, then the end, as init.sh has them.
SYSTEMD = Path("/lib/systemd/systemd")
UNIT = """
[Unit]
DefaultDependencies=no
Wants=systemd-journald.service
After=systemd-journald.service
[Service]
Type=oneshot
TimeoutStartSec=infinity
Environment=TINYMUX_GUEST={out} TINYMUX_RIG={rig} HOME=/root LANG=C.UTF-8
ExecStart=/bin/sh {out}/command
StandardOutput=append:{out}/log
StandardError=inherit
ExecStopPost=/bin/sh -c 'echo $EXIT_STATUS >{out}/status; sync'
ExecStopPost=systemctl poweroff --force --force
"""


class Unavailable(Exception):
    """The rig cannot be built here; the message says what is missing."""


def which(name: str) -> str | None:
    """A command's path, also from the places that only root has in its PATH."""
    return shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")


def run(*command: str | Path, cwd: Path | None = None) -> str:
    """Run a building step; its output, or Unavailable with its last line."""
    done = subprocess.run([str(word) for word in command], cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip() or done.stdout.strip() or f"exit status {done.returncode}").splitlines()[-1]
        raise Unavailable(f"{command[0]}: {last}")
    return done.stdout


def missing() -> list[str]:
    """Debian packages that the rig needs and this machine lacks."""
    return sorted(
        package for need, package in NEEDS.items() if not (Path(need).exists() if need[0] == "/" else which(need))
    )


def build(rig: Path = RIG) -> Path:
    """Build the guest if it is not there, else do nothing. Its folder: vmlinux, initrd, udev/."""
    if lacking := missing():
        raise Unavailable("missing: " + " ".join(lacking))
    recipe = hashlib.sha256(repr((RECIPE, MODULES)).encode() + (HERE / "init.sh").read_bytes()).hexdigest()
    stamp = rig / "recipe"
    if stamp.exists() and stamp.read_text() == recipe:
        return rig
    if not which("apt-get"):
        raise Unavailable("the kernel comes from Debian's linux-image-amd64: no apt-get here")
    rig.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=rig) as scratch:
        unpacked = unpack(Path(scratch))
        kernel = next((unpacked / "boot").glob("vmlinuz-*"))
        version = kernel.name.removeprefix("vmlinuz-")
        (rig / "vmlinux").write_bytes(decompress(kernel.read_bytes()))
        initramfs(unpacked, version, Path(scratch) / "initramfs", rig / "initrd")
        shutil.rmtree(rig / "udev", ignore_errors=True)
        shutil.copytree(unpacked / "udev", rig / "udev", symlinks=True)
    stamp.write_text(recipe)
    return rig


def unpack(scratch: Path) -> Path:
    """Download Debian's newest kernel and udev and unpack both; nothing is installed."""
    words = run("apt-cache", "depends", "linux-image-amd64").split()
    kernels = [word for word in words if word.startswith("linux-image-") and word != "linux-image-amd64"]
    if not kernels:
        raise Unavailable("no linux-image-amd64 in the package lists: apt-get update, on Debian")
    scratch.chmod(0o755)  # apt fetches as its own user
    run("apt-get", "-qq", "-o", "APT::Sandbox::User=root", "download", kernels[0], "udev", cwd=scratch)
    run("dpkg", "-x", next(scratch.glob("linux-image-*.deb")), scratch)
    run("dpkg", "-x", next(scratch.glob("udev_*.deb")), scratch / "udev")
    return scratch


def decompress(bzimage: bytes) -> bytes:
    """The ELF vmlinux inside a bzImage, which QEMU starts without the boot protocol's slow real-mode part."""
    start = bzimage.find(XZ)
    if start < 0:
        raise Unavailable("the kernel is not compressed by xz, as Debian's is")
    return lzma.LZMADecompressor().decompress(bzimage[start:])


def module_order(folder: Path, names: Sequence[str]) -> list[str]:
    """Paths of the modules and of all that they need, each after what it needs."""
    needs = {}
    for line in (folder / "modules.dep").read_text().splitlines():
        path, _, rest = line.partition(":")
        needs[path] = rest.split()
    paths = {Path(path).stem.replace("-", "_"): path for path in needs}
    order: list[str] = []
    for name in names:
        path = paths[name.replace("-", "_")]
        order += [each for each in [*reversed(needs[path]), path] if each not in order]
    return order


def initramfs(unpacked: Path, version: str, tree: Path, target: Path) -> None:
    """busybox, init.sh and the modules in the order in which they load, as a cpio archive."""
    run(which("depmod") or "depmod", "-b", unpacked, version)
    modules = unpacked / "lib" / "modules" / version
    for folder in ("bin", "proc", "sys", "dev", "modules"):
        (tree / folder).mkdir(parents=True)
    shutil.copy("/bin/busybox", tree / "bin")
    shutil.copy(HERE / "init.sh", tree / "init")
    (tree / "init").chmod(0o755)
    order = module_order(modules, MODULES)
    for path in order:
        shutil.copy(modules / path, tree / "modules")
    (tree / "modules" / "order").write_text("".join(Path(path).name + "\n" for path in order))
    names = "\n".join(str(path.relative_to(tree)) for path in sorted(tree.rglob("*")))
    with target.open("wb") as out:
        subprocess.run(
            ["cpio", "--quiet", "-o", "-H", "newc", "-R", "0:0"], cwd=tree, input=names.encode(), stdout=out, check=True
        )


def qemu(rig: Path, out: Path, boards: Sequence[Path], processors: int = 1) -> list[str]:
    """The command that boots the guest. `out` is shared read-write; each board is a folder for its two sockets:
    `usb` carries usbredir, `control` the test's orders (device.c), which the guest sees as a virtio port."""
    words = ["qemu-system-x86_64", "-M", "q35", "-accel", "tcg,thread=multi,tb-size=512", "-cpu", "max"]
    words += ["-smp", str(processors), "-m", "1024"]
    words += ["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-serial", f"file:{out}/console"]
    words += ["-kernel", str(rig / "vmlinux"), "-initrd", str(rig / "initrd")]
    words += ["-append", f"{KERNEL_LINE} tinymux.out={out} tinymux.rig={rig}"]
    for tag, path, mode in (("root", "/", ",readonly=on"), ("out", out, "")):
        words += ["-fsdev", f"local,id={tag},path={path},security_model=none,multidevs=remap{mode}"]
        words += ["-device", f"virtio-9p-pci,fsdev={tag},mount_tag={tag}"]
    # xhci only: QEMU's UHCI and OHCI lose packets of redirected devices.
    words += ["-device", "qemu-xhci,id=xhci,p2=4,p3=4", "-device", "virtio-serial-pci"]
    # The second board is behind a hub, which can switch its ports' power.
    words += ["-device", "usb-hub,bus=xhci.0,port=2,port-power=on"]
    for number, board in enumerate(boards):
        for kind in ("usb", "control"):
            words += ["-chardev", f"socket,id={kind}{number},path={board / kind},server=on,wait=off"]
        words += ["-device", f"usb-redir,chardev=usb{number},bus=xhci.0,port={PORTS[number]}"]
        words += ["-device", f"virtserialport,chardev=control{number},name=board{number}"]
    return words


def boot(
    command: str,
    out: Path,
    boards: Sequence[Path] = (),
    *,
    timeout: float,
    rig: Path | None = None,
    systemd: bool = False,
) -> int:
    """Boot, run the shell command as root in the checkout's copy, wait for the end. Its exit status; 124 when the
    time (s) ran out or the guest died. Output is in out/log, the kernel's messages in out/console. `systemd`: as the
    first process, and the command as a unit of its."""
    rig = rig or build()
    if systemd:
        (out / "units").mkdir()
        (out / "units" / "rig.service").write_text(UNIT.format(out=out, rig=rig))
    for name in ("status", "log", "console"):
        (out / name).unlink(missing_ok=True)
    (out / "command").write_text(f"{PROLOGUE}cd {ROOT}\n{command}\n")
    machine = subprocess.Popen(
        qemu(rig, out, boards), stdin=subprocess.DEVNULL, stdout=(out / "qemu").open("w"), stderr=subprocess.STDOUT
    )
    try:
        machine.wait(timeout)
    except subprocess.TimeoutExpired:
        pass
    finally:
        machine.kill()
        machine.wait()
    status = out / "status"
    told = status.read_text().strip() if status.exists() else ""
    return int(told) if told.isdigit() else 124


def main() -> int:
    """Build the guest, or run one command in it without a board."""
    try:
        if sys.argv[1:] == ["build"]:
            print(build())
            return 0
        with tempfile.TemporaryDirectory() as folder:
            status = boot(" ".join(sys.argv[1:]) or "uname -a", Path(folder), timeout=120)
            for name in ("console", "qemu", "log") if status == 124 else ("log",):
                path = Path(folder) / name
                sys.stdout.write(path.read_text(errors="replace") if path.exists() else "")
            return status
    except Unavailable as reason:
        print(f"usb rig: {reason}", file=sys.stderr)
        return 77


if __name__ == "__main__":
    sys.exit(main())
