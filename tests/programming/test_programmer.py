"""What a Programmer does to tinies, on the simulated board with the real pump firmware."""

from __future__ import annotations

import pytest

from tinymux.errors import BoardError, TinymuxError
from tinymux.images import Image

ERASED = b"\xff" * 1024


def actions(outcomes):
    return [(outcome.lane, outcome.action) for outcome in outcomes]


def test_sixteen_tinies_take_sixteen_images(bench, image):
    images = {lane: image(lane) for lane in range(16)}
    assert actions(bench.programmer.flash(images)) == [(lane, "written") for lane in range(16)]
    assert bench.flashes() == [images[lane].data for lane in range(16)]
    assert [outcome.data for outcome in bench.programmer.read(range(16))] == bench.flashes()


def test_what_matches_already_is_not_written_unless_asked_for(bench, image):
    images = {2: image(1), 3: image(2)}
    bench.board.load(2, images[2].data)
    assert actions(bench.programmer.flash(images)) == [(2, "unchanged"), (3, "written")]
    assert actions(bench.programmer.flash({2: images[2]}, always=True)) == [(2, "written")]
    assert bench.flashes()[2] == images[2].data


def test_a_short_image_leaves_nothing_of_a_longer_one(bench, image):
    bench.programmer.flash({0: image(1)})
    bench.programmer.flash({0: image(2, 7)})
    assert bench.flashes()[0] == image(2, 7).data + ERASED[7:]


def test_words_that_stay_erased_are_left_out(bench):
    sparse = Image("sparse", b"\x01\x02" + b"\xff" * 500 + b"\x03\x04" + b"\xff" * 300 + b"\x05")
    assert bench.programmer.flash({9: sparse})[0].ok
    assert bench.flashes()[9] == sparse.data.ljust(1024, b"\xff")
    assert bench.programmer.flash({9: Image("blank", b"\xff\xff")})[0].action == "written"
    assert bench.flashes()[9] == ERASED


def test_identify_tells_signature_configuration_calibration_and_lock(bench):
    bench.board.tune(4, config=0xFB, lock=0xFC, signature=b"\x1e\x8f\x09")
    ours, other = bench.programmer.identify([3, 4])
    assert ours.identity.part == "ATtiny10"
    assert (ours.identity.configuration, ours.identity.calibration, ours.identity.lock) == (0xFF, 0x80, 0xFF)
    assert other.identity.part == "ATtiny5"
    assert (other.identity.configuration, other.identity.lock) == (0xFB, 0xFC)


def test_erase_and_the_lock_bits_go_with_it(bench, image):
    bench.programmer.flash({5: image(5)})
    bench.board.tune(5, lock=0xFC)
    assert bench.programmer.erase([5])[0].action == "erased"
    assert bench.flashes()[5] == ERASED
    assert bench.programmer.identify([5])[0].identity.lock == 0xFF


def test_a_locked_tiny_is_flashed_all_the_same(bench, image):
    bench.board.load(5, image(1).data)
    bench.board.tune(5, lock=0xFC)
    assert bench.programmer.flash({5: image(2)})[0].action == "written"
    assert bench.flashes()[5] == image(2).data


def test_configuration_is_written_and_reset_disable_refused(bench):
    assert (
        bench.programmer.configure({6: 0xFB, 7: 0xFF})
        and bench.programmer.identify([6])[0].identity.configuration == 0xFB
    )
    assert bench.programmer.configure({6: 0xFF})[0].action == "written"  # a bit comes back: erased first
    assert bench.programmer.identify([6])[0].identity.configuration == 0xFF
    with pytest.raises(TinymuxError, match="RSTDISBL"):
        bench.programmer.configure({6: 0xFE})


@pytest.mark.parametrize("address", [0x3F40, 0x3F3E, 0x3F00])
def test_no_job_can_program_reset_disable(bench, address):
    """Below all policy: the engine itself refuses."""
    before = 0x3F40 - address
    bench.programming.begin([0])
    with pytest.raises(BoardError, match="not permitted"):
        bench.programming.run(0, [("write", address, b"\xff" * before + b"\xfe\xff" + b"\xff" * 8)])
    bench.programming.run(0, [("write", address, b"\xff" * before + b"\xfb\xff" + b"\xff" * 8)])


def test_verify_lists_each_wrong_byte(bench, image):
    wrong = bytearray(image(3).data)
    wrong[0x10] ^= 0x40
    wrong[0x3FF] ^= 1
    bench.board.load(8, bytes(wrong))
    bench.board.load(9, image(3).data)
    first, second = bench.programmer.verify({8: image(3), 9: image(3)})
    assert (first.action, second.action) == ("different", "verified")
    assert not first.ok
    assert [(d.address, d.wanted ^ d.found) for d in first.differences] == [(0x10, 0x40), (0x3FF, 1)]
    assert "2 bytes differ: 0x010" in first.reason


def test_progress_is_told_for_each_tiny(bench, image):
    told = []
    bench.programmer.tell = told.append
    bench.programmer.flash({1: image(1), 2: image(2)}, always=True)
    writing = [p for p in told if p.lane == 2 and p.doing == "writing"]
    assert [p.done for p in writing] == sorted(p.done for p in writing)
    assert writing[-1].done == writing[-1].total == 2048
    assert len({p.done for p in writing}) > 20


def test_real_times_of_the_memory(make, image):
    """With the datasheet's longest times, and no more on top of them than polls and frames take."""
    bench = make(word_s=4.5e-3, erase_s=10e-3)
    start = bench.board.time
    assert bench.programmer.flash({0: image(0, 64)}, always=True)[0].action == "written"
    assert 0.154 <= bench.board.time - start <= 0.154 + 0.16
    assert bench.flashes()[0][:64] == image(0, 64).data


@pytest.mark.parametrize("later", [0.15e-3, 0.95e-3, 1.1e-3, 1.5e-3, 6e-3])
def test_words_that_take_longer_than_the_ones_before(make, image, later):
    """The predicted time is only a guess: a word that was sent too early is sent again."""
    bench = make(word_s=1e-3)
    looks = 0

    def wait():
        nonlocal looks
        looks += 1
        for lane in range(4):
            bench.board.tune(lane, word_s=later if looks >= 300 + 40 * lane else 1e-3)
        bench.wire.run(124)

    bench.programmer._wait = wait
    images = {lane: image(lane, 400) for lane in range(4)}
    assert all(outcome.action == "written" for outcome in bench.programmer.flash(images))
    assert looks > 450
    assert bench.flashes()[:4] == [images[lane].data + ERASED[400:] for lane in range(4)]


def test_lane_noise_is_got_over(make, image):
    bench = make(lane_noise=2e-5, seed=5)
    images = {lane: image(lane) for lane in range(16)}
    recoveries = 0

    def wait():
        nonlocal recoveries
        recoveries = max(recoveries, *(report.recoveries for report in bench.programming.reports()))
        bench.wire.run(124)

    bench.programmer._wait = wait
    outcomes = bench.programmer.flash(images)
    assert recoveries
    assert all(outcome.ok for outcome in outcomes), [str(outcome) for outcome in outcomes]
    assert bench.flashes() == [images[lane].data for lane in range(16)]


def test_two_programmers_do_not_share_a_lane(bench, image):
    bench.programming.begin([3])
    told = "sim/2,3: cannot be programmed: busy: lane 3 is being programmed already"
    with pytest.raises(BoardError, match=told):
        bench.programmer.flash({2: image(1), 3: image(2)})
    assert bench.flashes()[2:4] == [ERASED, ERASED]
    bench.programming.end([3])
    assert all(outcome.ok for outcome in bench.programmer.flash({2: image(1), 3: image(2)}))
