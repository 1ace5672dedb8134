"""The test's hand on a board's cable: orders to the device outside the guest (device/main.c)."""

from __future__ import annotations

import json
import os
import select
from typing import Any

TIMEOUT = 5.0  # s


class Plug:
    """One board of the rig."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.file = os.open(f"/dev/virtio-ports/board{number}", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)

    def order(self, line: str) -> str:
        """Give one order; the device's answer."""
        os.write(self.file, line.encode() + b"\n")
        answer = b""
        while not answer.endswith(b"\n"):
            if not select.select([self.file], [], [], TIMEOUT)[0]:
                raise TimeoutError(f"board {self.number} did not answer to {line!r}")
            answer += os.read(self.file, 4096)
        text = answer.decode().strip()
        assert not text.startswith("error"), text
        return text

    def plug(self) -> None:
        self.order("plug")

    def unplug(self) -> None:
        self.order("unplug")

    def fault(self, name: str, value: int = 0) -> None:
        self.order(f"fault {name} {value}")

    def count(self) -> dict[str, Any]:
        return json.loads(self.order("count"))

    @property
    def plugged(self) -> bool:
        return self.count()["board_ns"] > 0

    def close(self) -> None:
        os.close(self.file)
