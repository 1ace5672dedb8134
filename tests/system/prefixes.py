"""What to put before a command to take rights or files from it, or to give a plain user what it needs."""

from __future__ import annotations

import shlex
import stat
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def in_mounts(*script):
    """Run the command in a mount namespace of its own, after these lines of shell."""
    return ["unshare", "--mount", "sh", "-ec", "\n".join([*script, 'exec "$@"']), "sh"]


def setpriv(*arguments):
    return ["setpriv", *arguments, "--"]


NET_ADMIN_ONLY = setpriv("--bounding-set", "-all,+net_admin")
NO_RIGHTS = setpriv("--bounding-set", "-all")
PLAIN_USER = setpriv("--reuid", "nobody", "--regid", "nogroup", "--clear-groups")
USER_WITH_NET_ADMIN = setpriv(*PLAIN_USER[1:-1], "--inh-caps", "+net_admin", "--ambient-caps", "+net_admin")
OWN_NAMESPACES = ["unshare", "--user", "--map-root-user", "--net", "--"]


def opened_for_all():
    """Lines that let every user open /dev/net/tun, as udev does, and read this Python and this checkout.

    Either may be in a home directory that is closed to others; all of it is undone with the mount namespace.
    """
    yield "mkdir -p /dev/net; mount -t tmpfs -o mode=755 none /dev/net; mknod -m 666 /dev/net/tun c 10 200"
    wanted = sorted({Path(sys.base_prefix).resolve(), Path(sys.prefix).resolve(), ROOT})
    closed = {}
    for path in wanted:
        for ancestor in reversed(path.parents):
            if not ancestor.stat().st_mode & stat.S_IXOTH:
                closed[path] = ancestor
                break
    if not closed:
        return
    yield "mount -t tmpfs -o mode=755 none /mnt"
    for number, path in enumerate(closed):
        yield f"mkdir /mnt/{number}; mount --rbind {shlex.quote(str(path))} /mnt/{number}"
    for ancestor in sorted(set(closed.values())):
        yield f"mount -t tmpfs -o mode=755 none {shlex.quote(str(ancestor))}"
    for number, path in enumerate(closed):
        place = shlex.quote(str(path))
        yield f"mkdir -p {place}; mount --rbind /mnt/{number} {place}"
