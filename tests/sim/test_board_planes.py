"""The whole board with the real pump firmware: planes, faults, determinism, programming lines, power."""

from __future__ import annotations

import hashlib
import random
import time

import pytest
from boardbench import ENODEV, MS, Board, PumpBoard
from test_board_wires import FAST, TINY
from tinybench import Tpi

IDLE = 0xFFFF

# Pulls its lane low in every other plane.
STRIPES = (
    FAST
    + """
1:      sbic PINB,1
        rjmp 1b
        sbi  DDRB,0
2:      sbis PINB,1
        rjmp 2b
3:      sbic PINB,1
        rjmp 3b
        cbi  DDRB,0
4:      sbis PINB,1
        rjmp 4b
        rjmp 1b
"""
)
# Counts planes in which its lane is low, in RAM at 0x40 (low byte) and 0x41.
COUNT = (
    FAST
    + """
        clr  r16
        clr  r17
        clr  r18
        sts  0x40,r16
        sts  0x41,r17
1:      sbic PINB,1
        rjmp 1b
2:      in   r19,PINB
        sbrs r19,1
        rjmp 2b
        sbrc r19,0
        rjmp 1b
        subi r16,-1
        cpse r16,r18
        rjmp 3f
        subi r17,-1
3:      sts  0x40,r16
        sts  0x41,r17
        rjmp 1b
"""
)


@pytest.fixture
def image(avr_image):
    return lambda code: avr_image(TINY + code)


def counted(board: Board, lane: int) -> int:
    return board.do("tinyram", lane, 0x40) | board.do("tinyram", lane, 0x41) << 8


def noise_of(board: Board, seed: int, noise: float, planes: int = 6200) -> list[int]:
    bench = PumpBoard(board, seed=seed, noise=noise)
    return bench.planes([IDLE] * planes)


def test_planes_are_sampled_before_they_are_driven(board):
    bench = PumpBoard(board)
    source = random.Random(1)
    drive = [source.getrandbits(16) for _ in range(310)]
    assert bench.planes(drive)[1:] == drive[:-1]


@pytest.mark.parametrize("ppm", [-100_000, 0, 100_000])
def test_tinies_follow_the_pump_at_the_limits_of_their_oscillators(board, image, ppm):
    bench = PumpBoard(board, {lane: image(STRIPES) for lane in range(16)}, ppm=ppm)
    bench.start()
    got = bench.planes([IDLE] * 62)
    assert set(got[2::2]) | set(got[3::2]) == {0, IDLE}
    assert len(set(got[2::2])) == len(set(got[3::2])) == 1


def test_tinies_count_every_low_plane(board, image):
    bench = PumpBoard(board, {lane: image(COUNT) for lane in range(16)})
    bench.start()
    source = random.Random(2)
    drive = [source.getrandbits(16) for _ in range(1000)] + [IDLE] * 3
    bench.planes(drive)
    assert [counted(board, lane) for lane in range(16)] == [sum(not p >> lane & 1 for p in drive) for lane in range(16)]


def test_the_pump_moves_290_000_planes_a_second_both_ways(board):
    bench = PumpBoard(board)
    bench.planes([IDLE] * 310)
    start = board.get("time")
    bench.planes([IDLE] * 31 * 300)
    assert 31 * 300 / ((board.get("time") - start) * 1e-12) > 290_000
    assert board.get("misuse") == board.get("unknown") == board.get("illegal") == 0


def digest(board: Board, image, slice_ps: int = 70 * MS, **settings: float) -> str:
    bench = PumpBoard(board, {lane: image(STRIPES) for lane in range(0, 16, 2)}, **settings)
    bench.start()
    for _ in range(70 * MS // slice_ps):
        board.run(slice_ps)
    data = repr(bench.planes([random.Random(n).getrandbits(16) for n in range(2000)]))
    return hashlib.sha256(f"{data} {board.get('time')} {board.get('cycle')}".encode()).hexdigest()


def test_the_same_seed_gives_the_same_trace_and_slices_do_not_matter(board, image):
    settings = {"seed": 5, "noise": 0.01, "loss": 0.01, "ppm": 12_345, "latency_us": 125}
    first = digest(board, image, **settings)
    assert digest(board, image, **settings) == first
    assert digest(board, image, 7 * MS, **settings) == first
    assert digest(board, image, **{**settings, "seed": 6}) != first


@pytest.mark.parametrize("noise", [0.001, 0.02])
def test_noise_flips_as_many_sampled_levels_as_asked_for(board, noise):
    planes = noise_of(board, 3, noise)
    flips = sum((plane ^ IDLE).bit_count() for plane in planes)
    expected = len(planes) * 16 * noise
    assert abs(flips - expected) < 5 * expected**0.5
    lanes = [sum(not plane >> lane & 1 for plane in planes) for lane in range(16)]
    assert min(lanes) > 0


def test_noise_reaches_the_tinies_too(board, image):
    bench = PumpBoard(board, {lane: image(COUNT) for lane in range(16)}, noise=0.02)
    bench.start()
    bench.planes([IDLE] * 6200)
    flips = sum(counted(board, lane) for lane in range(16))
    expected = 6200 * 16 * 0.02
    assert abs(flips - expected) < 5 * expected**0.5


def test_byte_loss_masks_start_bits_of_bytes_to_the_tinies(board, image):
    bench = PumpBoard(board, {lane: image(COUNT) for lane in range(16)}, loss=0.25)
    bench.start()
    byte = [0] + [IDLE] * 11  # a start bit, 0xFF
    bench.planes(byte * 500)
    lost = sum(500 - counted(board, lane) for lane in range(16))
    expected = 500 * 16 * 0.25
    assert abs(lost - expected) < 5 * (expected * 0.75) ** 0.5


def test_without_faults_none_happen(board):
    assert set(noise_of(board, 1, 0)) == {IDLE}


# --- programming lines ---


class Lane:
    """One lane of a board as the TPI host of tinybench.py wants it."""

    def __init__(self, bench: PumpBoard, lane: int) -> None:
        self.bench, self.lane = bench, lane

    def ask(self, what: str, level: int) -> None:
        assert what == "reset"
        self.bench.hold(0 if level else 1 << self.lane)

    def planes(self, bits: str) -> str:
        drive = [IDLE ^ (bit == "0") << self.lane for bit in bits]
        return "".join(str(plane >> self.lane & 1) for plane in self.bench.planes(drive))

    def run(self, ps: int) -> None:
        self.bench.board.run(ps)


def test_a_tiny_in_reset_is_identified_read_and_written_over_its_lane(board, image):
    code = image(STRIPES)
    bench = PumpBoard(board, {3: code, 9: code})
    bench.start()
    tpi = Tpi(Lane(bench, 9))
    tpi.enter()
    assert tpi.load(0x3FC0, 3).hex() == "1e9003"
    assert tpi.load(0x4000, len(code)) == code
    tpi.erase()
    assert tpi.load(0x4000, 4) == b"\xff" * 4
    new = image(COUNT)
    tpi.program(0x4000, new)
    assert tpi.load(0x4000, len(new)) == new
    tpi.leave()
    board.run(70 * MS)
    before = counted(board, 9)
    bench.planes([0, IDLE] * 10 + [IDLE] * 2)
    assert (counted(board, 9) - before) % 65536 == 10


def test_its_neighbours_go_on_meanwhile(board, image):
    bench = PumpBoard(board, {lane: image(COUNT) for lane in range(16)})
    bench.start()
    tpi = Tpi(Lane(bench, 0))
    tpi.enter()
    before = [counted(board, lane) for lane in range(16)]
    bench.planes([0b0101010101010100 ^ IDLE, IDLE] * 50 + [IDLE] * 2)
    gone = [(counted(board, lane) - before[lane]) % 65536 for lane in range(16)]
    assert gone == [50 if lane and lane % 2 == 0 else 0 for lane in range(16)]


# --- power ---


def test_a_power_cycle_starts_everything_again(board, image):
    bench = PumpBoard(board, {lane: image(STRIPES) for lane in range(16)})
    bench.start()
    assert board.get("running") == 0xFFFF
    board.do("power")
    assert board.get("running") == 0
    assert board.control(0xC0, 1, data=4)[0] == ENODEV
    assert board.do("enumerate") == 0
    bench.start()
    assert set(bench.planes([IDLE] * 62)[2:]) == {0, IDLE}


def test_an_idle_board_costs_next_to_nothing(board, image):
    bench = PumpBoard(board, {lane: image(STRIPES) for lane in range(16)})
    bench.start()
    start = time.process_time(), time.monotonic()
    board.run(10_000 * MS)
    assert time.monotonic() - start[1] < 1  # ten seconds; about a millisecond where nobody sanitizes or else runs
