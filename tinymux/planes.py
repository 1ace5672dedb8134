"""Planes to lanes and back: the transposition of 64 x 16 bits, as fast as the CPU's vectors allow.

64 planes are 128 bytes, for each plane the byte of lanes 0-7, then that of lanes 8-15. The same as lanes are sixteen
little-endian 64-bit words: bit i of word l is lane l in plane i. Any number of such blocks is taken at once.
"""

from __future__ import annotations

from tinymux._codec import planes_path_names as paths
from tinymux._codec import to_lanes, to_planes
from tinymux._codec import use_planes_path as use

__all__ = ["paths", "to_lanes", "to_planes", "use"]
