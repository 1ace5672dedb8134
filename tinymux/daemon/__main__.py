"""`tinymuxd [FILE]`: run the service in the foreground, as service managers want it."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

from tinymux.boards.usb import CONFIGURATION
from tinymux.daemon.notify import Manager
from tinymux.daemon.service import Daemon
from tinymux.errors import TinymuxError


def main() -> None:
    """Entry point: exit status 0 after a signal, 1 with one line where it cannot start, 2 for wrong usage."""
    words = sys.argv[1:]
    if len(words) > 1 or any(word.startswith("-") for word in words):
        print(f"usage: tinymuxd [FILE]\n\nFILE: {CONFIGURATION} where it is not given; see docs/daemon.md")
        sys.exit(0 if words[0] in ("-h", "--help") else 2)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        Daemon(Path(words[0]) if words else CONFIGURATION, Manager()).run()
    except TinymuxError as error:
        print(f"tinymuxd: error: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
