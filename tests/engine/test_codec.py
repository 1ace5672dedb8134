"""tinymux.slip and tinymux.planes: the codec over the buffer protocol."""

from __future__ import annotations

import random

import pytest

from tinymux import planes, slip


@pytest.mark.parametrize("make", [bytes, bytearray, memoryview])
def test_slip_takes_any_buffer_and_gives_bytes(make):
    packet = bytes(range(256)) * 20
    frame = slip.encode(make(packet))
    assert frame == b"\xc0" + packet.replace(b"\xdb", b"\xdb\xdd").replace(b"\xc0", b"\xdb\xdc") + b"\xc0"
    assert slip.decode(make(frame)) == packet
    assert slip.decode(frame[1:]) == packet


@pytest.mark.parametrize(
    "frame", [b"", b"\xc0", b"no end", b"\xc0a\xc0b\xc0", b"a\xc0b", b"\xdbx\xc0", b"a\xc0\xdbx\xc0"]
)
def test_slip_decode_refuses_what_is_not_one_frame(frame):
    with pytest.raises(ValueError):
        slip.decode(frame)


def test_a_decoder_takes_pieces_and_counts_what_it_drops():
    decoder = slip.Decoder(10)
    assert decoder.feed(b"\xc0one\xc0\xc0tw") == [b"one"]
    assert decoder.pending
    assert decoder.feed(b"o\xc0" + b"\xdbx\xc0" + b"y" * 11 + b"\xc0" + b"z" * 10 + b"\xc0") == [b"two", b"z" * 10]
    assert (decoder.garbled, decoder.oversize, decoder.pending) == (1, 1, False)


def test_every_path_gives_the_same():
    noise = random.Random(1)
    packet = bytes(noise.choice((0xC0, 0xDB, noise.randrange(256))) for _ in range(3000))
    data = noise.randbytes(128 * 5)
    frames, lanes = set(), set()
    for path in slip.paths():
        slip.use(path)
        frames.add(slip.encode(packet))
        assert slip.decode(slip.encode(packet)) == packet
    for path in planes.paths():
        planes.use(path)
        lanes.add(planes.to_lanes(data))
        assert planes.to_planes(planes.to_lanes(data)) == data
    slip.use(slip.paths()[0])
    planes.use(planes.paths()[0])
    assert len(frames) == len(lanes) == 1
    with pytest.raises(ValueError, match="portable"):
        slip.use("abacus")


def test_planes_come_in_whole_blocks():
    assert planes.to_lanes(b"") == b""
    for call in (planes.to_lanes, planes.to_planes):
        with pytest.raises(ValueError, match="128"):
            call(bytes(100))
