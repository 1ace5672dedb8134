"""Every wrong bit in a stream of frames costs at most the frame it hit and the next: as bytes, as planes, on a port.

Whole exchanges over a lane, with answers and resynchronisation, are in test_noise.py.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator

import pytest
from test_bits import In, line
from test_tty import Rig, packet

from tinymux import slip
from tinymux.slip import Decoder, encode

COUNT = 6
# Each has its number in it; with ENDs and ESCs in it, at its ends too.
PACKETS = [packet(30 + number, 0xB8)[:-5] + bytes([0xC0, 0xDB, number, 0xDB, 0xC0]) for number in range(COUNT)]


def flips(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The data with each of its bits inverted, and the byte where that is."""
    for bit in range(8 * len(data)):
        wrong = bytearray(data)
        wrong[bit // 8] ^= 1 << bit % 8
        yield bit // 8, bytes(wrong)


def cost(got: list[bytes]) -> list[int]:
    """Which of the packets are not among those that came, which are in order."""
    come = [PACKETS.index(one) for one in got if one in PACKETS]
    assert come == sorted(set(come))
    return [number for number in range(COUNT) if number not in come]


def check_cost(lost: list[int], hit: int) -> None:
    """Nothing before the frame that was hit, nothing after the next."""
    assert set(lost) <= {hit, hit + 1}, f"a bit in frame {hit} cost {lost}"


@pytest.fixture(params=slip.paths())
def path(request):
    slip.use(request.param)
    yield request.param
    slip.use(slip.paths()[0])


@pytest.mark.parametrize("leading_end", [True, False])
def test_in_the_bytes(path, leading_end):
    """Also where one END is all that there is between two frames."""
    frames = [encode(one)[not leading_end :] for one in PACKETS]
    where = [number for number, frame in enumerate(frames) for _ in frame]
    worst = 0
    for at, wrong in flips(b"".join(frames)):
        lost = cost(Decoder().feed(wrong))
        check_cost(lost, where[at])
        worst = max(worst, len(lost))
    assert worst == 2 - leading_end, "an END between two ENDs costs nothing"


@pytest.mark.parametrize("pause", [0, 1, 3])
def test_in_the_planes_of_a_lane(codec, pause):
    """Nine idle planes between frames, as the rules of a lane have it, bring any receiver back."""
    codec.bits_for_tests_receive.argtypes = [ctypes.POINTER(In), ctypes.c_uint64, ctypes.c_uint, ctypes.c_char_p]
    planes: list[int] = []
    where: list[int] = []
    for number, one in enumerate(PACKETS):
        planes += line(encode(one)[1:], pause) + [1] * 9
        where += [number] * (len(planes) - len(where))
    word = sum(level << at for at, level in enumerate(planes))
    for at in range(len(planes)):
        check_cost(cost(Decoder().feed(heard(codec, word ^ 1 << at, len(planes)))), where[at])


def heard(codec: ctypes.CDLL, word: int, count: int) -> bytes:
    """The bytes in so many planes, by runs of 31."""
    state, buffer, found = In(), ctypes.create_string_buffer(16), b""
    for at in range(0, count, 31):
        n = min(31, count - at)
        made = codec.bits_for_tests_receive(state, word >> at & (1 << n) - 1, n, buffer)
        found += buffer.raw[:made]
    return found


def test_on_a_port():
    """The same on a serial port, up to the tun: what did not come is counted, and no packet comes twice."""
    rig = Rig(1)
    mark = packet(200)
    frames = [encode(one) for one in PACKETS[:3]]
    where = [number for number, frame in enumerate(frames) for _ in frame]
    for at, wrong in flips(b"".join(frames)):
        before = rig.counters(0)
        os.write(rig.far[0], wrong + encode(mark))
        got = []
        while (one := rig.tuns[0].recv(2000)) != mark:
            got.append(one)
        lost = [number for number in cost(got) if number < 3]
        check_cost(lost, where[at])
        after = rig.counters(0)
        dropped = sum(after[name] - before[name] for name in after if name.startswith("drop_"))
        damaged = len(got) - (3 - len(lost))  # in what no checksum of IP covers
        assert damaged >= 0
        assert (dropped + damaged > 0) == bool(lost)
    rig.close()
