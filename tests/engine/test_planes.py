"""Transposition: every path against the definition in planes.h, both ways."""

from __future__ import annotations

import ctypes
import random

import pytest

PATHS = ("portable", "sse2", "avx2", "gfni-avx2", "gfni")


@pytest.fixture(scope="module", params=PATHS)
def planes(request, codec):
    """The library with one of its paths chosen; by hand where this CPU does not have it."""
    library, path = codec, request.param.encode()
    if library.planes_use(path) < 0:
        library = request.getfixturevalue("codec_by_hand")
        assert library.planes_use(path) == 0
    library.planes_to_lanes.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t]
    library.lanes_to_planes.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t]
    return library


def transposed(planes: bytes) -> bytes:
    """Bit i of word l is lane l in plane i."""
    out = b""
    for start in range(0, len(planes), 128):
        block = [int.from_bytes(planes[i : i + 2], "little") for i in range(start, start + 128, 2)]
        for lane in range(16):
            out += sum((plane >> lane & 1) << i for i, plane in enumerate(block)).to_bytes(8, "little")
    return out


def call(function, data: bytes) -> bytes:
    buffer = ctypes.create_string_buffer(b"\xaa" * (len(data) + 64), len(data) + 64)
    function(buffer, data, len(data) // 128)
    assert buffer.raw[len(data) :] == b"\xaa" * 64, "stored beyond the blocks"
    return buffer.raw[: len(data)]


@pytest.mark.parametrize("blocks", [0, 1, 2, 3, 8])
def test_planes_become_lanes_and_lanes_planes(planes, blocks):
    data = random.Random(blocks).randbytes(128 * blocks)
    assert call(planes.planes_to_lanes, data) == transposed(data)
    assert call(planes.lanes_to_planes, transposed(data)) == data


def test_each_single_bit_goes_to_its_place(planes):
    for bit in range(1024):
        data = (1 << bit).to_bytes(128, "little")
        plane, lane = divmod(bit, 16)
        lanes = int.from_bytes(call(planes.planes_to_lanes, data), "little")
        assert lanes == 1 << (64 * lane + plane)
        assert call(planes.lanes_to_planes, lanes.to_bytes(128, "little")) == data
