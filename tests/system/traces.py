"""What tinymux could leave behind on a machine."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from pyroute2 import IPRoute, netns


def state():
    """Interfaces, IPv4 routes and named namespaces."""
    with IPRoute() as route:
        links = {link["index"]: link.get("ifname") for link in route.get_links()}
        routes = [(r.get("dst"), r["dst_len"], r["table"], r.get("oif")) for r in route.get_routes(family=2)]
    return links, routes, sorted(netns.listnetns())


def processes_in(folder):
    """Processes whose working directory is in the folder: all of tinymux's own nginx."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cwd"):
        with contextlib.suppress(OSError):
            if str(folder) in os.readlink(path):
                found.append(path)
    return found
