"""Sixteen ATtiny10s behind one USB cable, each with its own Linux network interface."""

from __future__ import annotations

from tinymux.boards import SimulatedBoard, TtyBoard, UsbBoard, boards
from tinymux.bridge import Bridge, Node
from tinymux.counters import Counters
from tinymux.errors import TinymuxError
from tinymux.images import Image

__all__ = ["Bridge", "Counters", "Image", "Node", "SimulatedBoard", "TinymuxError", "TtyBoard", "UsbBoard", "boards"]
