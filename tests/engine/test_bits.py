"""Bytes as bits on a lane: every gap, every phase, any runs of planes, against one bit at a time."""

from __future__ import annotations

import ctypes

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

runs = st.lists(st.integers(1, 48), min_size=1, max_size=200)


class Out(ctypes.Structure):
    _fields_ = [("at", ctypes.c_void_p), ("end", ctypes.c_void_p), ("word", ctypes.c_uint64), ("have", ctypes.c_uint)]


class In(ctypes.Structure):
    _fields_ = [("word", ctypes.c_uint64), ("have", ctypes.c_uint8), ("idle", ctypes.c_uint32)]


@pytest.fixture(scope="module")
def bits(codec):
    codec.bits_for_tests_take.restype = ctypes.c_uint64
    codec.bits_for_tests_receive.argtypes = [ctypes.POINTER(In), ctypes.c_uint64, ctypes.c_uint, ctypes.c_char_p]
    return codec


def line(data: bytes, gap: int, last_gap: int = 0) -> list[int]:
    """The planes of a byte stream, idle ones between the bytes."""
    planes = []
    for i, byte in enumerate(data):
        planes += [0, *(byte >> n & 1 for n in range(8)), *[1] * (gap if i + 1 < len(data) else last_gap)]
    return planes


def sent(bits, data: bytes, gap: int, sizes: list[int]) -> tuple[list[int], int]:
    """All planes that `data` makes when taken in runs of these sizes, and how many of them carry it."""
    out, made, planes, carried = Out(), ctypes.c_uint(), [], 0
    bits.bits_for_tests_start(ctypes.byref(out), data, len(data))
    while True:
        for n in sizes:
            word = bits.bits_for_tests_take(ctypes.byref(out), gap, n, ctypes.byref(made))
            assert word < 1 << n
            planes += [word >> i & 1 for i in range(n)]
            carried += made.value
            if made.value < n or not n:
                return planes, carried


def heard(bits, planes: list[int], sizes: list[int]) -> tuple[bytes, int]:
    """The bytes in these planes, taken in runs of these sizes, and how long it has been idle."""
    state, buffer, found, at = In(), ctypes.create_string_buffer(16), b"", 0
    while at < len(planes):
        for n in sizes:
            run = planes[at : at + n]
            at += len(run)
            word = sum(bit << i for i, bit in enumerate(run))
            count = bits.bits_for_tests_receive(state, word, len(run), buffer)
            assert count <= 48 // 9 + 1
            found += buffer.raw[:count]
    return found, bits.bits_for_tests_idle(ctypes.byref(state))


@settings(max_examples=200, deadline=None)
@given(data=st.binary(max_size=60), gap=st.integers(0, 7), sizes=runs)
def test_sends_start_bit_data_and_gap_in_any_runs(bits, data, gap, sizes):
    planes, carried = sent(bits, data, gap, sizes)
    want = line(data, gap)
    assert carried == len(want)
    assert planes == want + [1] * (len(planes) - len(want))


@settings(max_examples=200, deadline=None)
@given(
    data=st.binary(max_size=60), gap=st.integers(0, 7), phase=st.integers(0, 100), tail=st.integers(0, 99), sizes=runs
)
def test_hears_bytes_at_any_phase_and_gap_and_counts_the_silence(bits, data, gap, phase, tail, sizes):
    planes = [1] * phase + line(data, gap) + [1] * tail
    assert heard(bits, planes, sizes) == (data, tail if data else phase + tail)


@settings(max_examples=100, deadline=None)
@given(
    data=st.binary(min_size=1, max_size=30), pauses=st.lists(st.integers(0, 40), min_size=30, max_size=30), sizes=runs
)
def test_hears_bytes_with_any_pauses_between_them(bits, data, pauses, sizes):
    planes = [bit for byte, pause in zip(data, pauses, strict=False) for bit in line(bytes([byte]), 0, pause)]
    assert heard(bits, planes, sizes)[0] == data


@settings(max_examples=100, deadline=None)
@given(junk=st.lists(st.integers(0, 1), max_size=100), data=st.binary(max_size=20), sizes=runs)
def test_nine_idle_planes_end_any_junk(bits, junk, data, sizes):
    found, _ = heard(bits, junk + [1] * 9 + line(data, 3), sizes)
    assert found.endswith(data)
    assert len(found) - len(data) <= len(junk) // 9 + 1
