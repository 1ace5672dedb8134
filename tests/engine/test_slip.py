"""SLIP: every path against RFC 1055 as written down here, in any pieces, within bounds."""

from __future__ import annotations

import ctypes
import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

END, ESC, ESC_END, ESC_ESC = 0xC0, 0xDB, 0xDC, 0xDD
MORE, PACKET, OVERSIZE, GARBLED = range(4)

# Bytes that are often special, and long plain stretches.
special = st.sampled_from([END, ESC, ESC_END, ESC_ESC])
streams = st.lists(st.one_of(st.binary(max_size=200), special.map(lambda b: bytes([b])))).map(b"".join)
PATHS = ("portable", "sse2", "avx2", "vbmi2")


class Decoder(ctypes.Structure):
    _fields_ = [
        ("packet", ctypes.c_void_p),
        ("capacity", ctypes.c_size_t),
        ("length", ctypes.c_size_t),
        ("escape", ctypes.c_bool),
        ("complete", ctypes.c_bool),
        ("wrong", ctypes.c_int),
    ]


@pytest.fixture(scope="module", params=PATHS)
def slip(request, codec):
    """The library with one of its paths chosen; by hand where this CPU does not have it."""
    library, path = codec, request.param.encode()
    if library.slip_use(path) < 0:
        library = request.getfixturevalue("codec_by_hand")
        assert library.slip_use(path) == 0
    library.slip_encode.restype = library.slip_decode.restype = ctypes.c_size_t
    library.slip_encode.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t]
    library.slip_decode.argtypes = [ctypes.POINTER(Decoder), ctypes.c_char_p, ctypes.c_size_t, ctypes.c_void_p]
    return library


def escaped(packet: bytes) -> bytes:
    """RFC 1055, byte by byte."""
    return packet.replace(b"\xdb", b"\xdb\xdd").replace(b"\xc0", b"\xdb\xdc")


def encode(slip, packet: bytes) -> bytes:
    room = 2 * len(packet) + 2
    buffer = ctypes.create_string_buffer(b"\xaa" * (room + 64), room + 64)
    length = slip.slip_encode(buffer, packet, len(packet))
    assert buffer.raw[room:] == b"\xaa" * 64, "stored beyond SLIP_BOUND"
    return buffer.raw[:length]


def decode(slip, pieces: list[bytes], capacity: int) -> list[tuple[int, bytes]]:
    """All events of a stream that comes in pieces."""
    buffer = ctypes.create_string_buffer(b"\xaa" * (capacity + 64), capacity + 64)
    decoder = Decoder(packet=ctypes.addressof(buffer), capacity=capacity)
    event = ctypes.c_int()
    events = []
    for piece in pieces:
        rest = piece
        while rest:
            taken = slip.slip_decode(decoder, rest, len(rest), ctypes.addressof(event))
            assert 0 < taken <= len(rest)
            assert event.value != MORE or taken == len(rest)
            if event.value != MORE:
                events.append((event.value, buffer.raw[: decoder.length] if event.value == PACKET else b""))
            rest = rest[taken:]
    assert buffer.raw[capacity:] == b"\xaa" * 64, "stored beyond the capacity"
    return events


def expected(stream: bytes, capacity: int) -> list[tuple[int, bytes]]:
    events = []
    for frame in stream.split(bytes([END]))[:-1]:
        packet, wrong, i = bytearray(), MORE, 0
        while i < len(frame) and not wrong:
            byte, i = frame[i], i + 1
            if byte == ESC:
                byte, i = (frame[i] if i < len(frame) else END), i + 1
                wrong = MORE if byte in (ESC_END, ESC_ESC) else GARBLED
                byte = END if byte == ESC_END else ESC
            if not wrong and len(packet) == capacity:
                wrong = OVERSIZE
            packet.append(byte)
        if frame:
            events.append((wrong, b"") if wrong else (PACKET, bytes(packet)))
    return events


def cut(stream: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({0, len(stream), *(c % (len(stream) + 1) for c in cuts)})
    return [stream[a:b] for a, b in itertools.pairwise(places)]


@settings(max_examples=150, deadline=None)
@given(packet=streams)
def test_encodes_as_the_rfc_says_with_an_end_on_both_sides(slip, packet):
    assert encode(slip, packet) == b"\xc0" + escaped(packet) + b"\xc0"


@settings(max_examples=150, deadline=None)
@given(packets=st.lists(streams.filter(bool), max_size=4), cuts=st.lists(st.integers(0, 5000)))
def test_what_is_encoded_comes_back_in_any_pieces(slip, packets, cuts):
    stream = b"".join(encode(slip, packet) for packet in packets)
    capacity = max((len(packet) for packet in packets), default=1)
    assert decode(slip, cut(stream, cuts), capacity) == [(PACKET, packet) for packet in packets]


@settings(max_examples=300, deadline=None)
@given(stream=streams, cuts=st.lists(st.integers(0, 5000)), capacity=st.integers(0, 300))
def test_any_bytes_decode_as_the_reference_does(slip, stream, cuts, capacity):
    assert decode(slip, cut(stream, cuts), capacity) == expected(stream, capacity)


def test_an_endless_frame_is_bounded_and_the_next_one_is_good(slip):
    stream = [b"x" * 1000] * 100 + [b"\xc0good\xc0"]
    assert decode(slip, stream, 100) == [(OVERSIZE, b""), (PACKET, b"good")]


@pytest.mark.parametrize("tail", [b"\xdb\xc0", b"\xdbx\xc0", b"\xdb\xdb\xdc\xc0"])
def test_a_broken_escape_costs_its_frame_only(slip, tail):
    for length in (0, 1, 31, 32, 33, 63, 64, 65):
        stream = b"\xc0" + b"x" * length + tail + b"\xc0good\xc0"
        assert decode(slip, [stream], 1500) == [(GARBLED, b""), (PACKET, b"good")]
