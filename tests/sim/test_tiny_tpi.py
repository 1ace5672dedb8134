"""TPI and NVM of the simulated ATtiny10, bit-banged over its lane as the host does it (datasheet 8127, 14 and 15)."""

from __future__ import annotations

import random

import pytest
from tinybench import MS, RELEASED, Tpi, TpiError


@pytest.fixture
def tpi(bench):
    bench.set("word_ps", 100_000_000)  # 0.1 ms, so that polling is seen but short
    bench.set("erase_ps", 300_000_000)
    bench.ask("clock", 1)
    bench.ask("power", 7, 0)
    host = Tpi(bench)
    host.enter()
    return host


def test_identification_signature_and_factory_bytes(tpi):
    assert tpi.read(0x8F) == 0x80  # SLDCS TPIIR
    assert tpi.load(0x3FC0, 3) == bytes([0x1E, 0x90, 0x03])
    assert tpi.load(0x3F40, 1) == b"\xff"
    assert tpi.load(0x3F80, 1) == b"\x80"


def test_program_and_verify_then_run(tpi, bench, avr_image):
    image = avr_image("ldi r16,0x42\nsts 0x40,r16\n1: rjmp 1b\n")
    image += random.Random(3).randbytes(200)
    tpi.erase()
    tpi.program(0x4000, image)
    assert tpi.load(0x4000, len(image)) == image
    assert tpi.load(0x4000 + len(image), 1024 - len(image)) == b"\xff" * (1024 - len(image))
    tpi.leave()
    bench.run(65 * MS)
    assert bench.io(0x40) == 0x42
    assert bench.get("errors") == 0


def test_a_write_only_clears_bits(tpi, bench):
    tpi.program(0x4010, b"\x0f\x33")
    tpi.program(0x4010, b"\xfc\x55")
    assert tpi.load(0x4010, 2) == bytes([0x0F & 0xFC, 0x33 & 0x55])
    tpi.erase()
    assert tpi.load(0x4010, 2) == b"\xff\xff"
    assert (bench.get("words"), bench.get("erases")) == (2, 1)


def test_busy_lasts_as_long_as_the_operation(tpi, bench):
    bench.set("word_ps", 4_500_000_000)
    tpi.command(0x1D)
    tpi.pointer(0x4000)
    tpi.write(0x64, 0x12)
    tpi.write(0x64, 0x34)
    bench.run(3 * MS)
    assert tpi.read(0x72) == 0x80
    assert tpi.load(0x4000, 1) == b"\xff"  # cannot be read while busy
    tpi.pointer(0x4002)
    tpi.write(0x64, 0x00, 0x64, 0x00)  # refused
    bench.run(2 * MS)
    assert tpi.read(0x72) == 0
    assert tpi.load(0x4000, 4) == b"\x12\x34\xff\xff"
    assert bench.get("refused") == 2


def test_section_erase_and_configuration(tpi, bench):
    tpi.program(0x4000, b"\x00\x00")
    tpi.program(0x3F40, b"\xfb\xff")  # CKOUT
    assert bench.get("config") == 0xFB
    tpi.erase(0x14, 0x3F41)
    assert bench.get("config") == 0xFF
    assert tpi.load(0x4000, 2) == b"\0\0"
    tpi.erase(0x14, 0x4001)
    assert tpi.load(0x4000, 2) == b"\xff\xff"


def test_lock_bits_keep_programmers_out_until_chip_erase(tpi):
    tpi.program(0x4000, b"\x11\x22")
    tpi.program(0x3F00, b"\xfc\xff")
    assert tpi.load(0x4000, 2) == b"\xff\xff"  # cannot be read
    tpi.program(0x4002, b"\x00\x00")
    tpi.erase(0x14, 0x4001)
    assert tpi.load(0x3F00, 1) == b"\xfc"
    tpi.erase(0x10, 0x4001)
    assert tpi.load(0x3F00, 1) == b"\xff"
    assert tpi.load(0x4000, 4) == b"\xff" * 4


def test_nothing_is_programmed_below_4500_mv(tpi, bench):
    bench.set("vcc", 3300)
    tpi.program(0x4000, b"\x00\x00")
    bench.set("vcc", 5000)
    assert tpi.load(0x4000, 2) == b"\xff\xff"
    assert bench.get("refused") == 2


def test_guard_time(tpi, bench):
    for code, idle in [(7, 0), (6, 2), (5, 4), (4, 8), (3, 16), (2, 32), (1, 64), (0, 128)]:
        tpi.write(0xC2, code)
        seen = bench.planes(Tpi.frame(0x82) + "1" * 150)[13:]
        assert seen.index("0") == idle + 2  # GT and two idle bits
        assert seen[idle + 2 :].startswith(Tpi.frame(code))


def test_needs_sixteen_clocks_with_the_line_high(bench):
    bench.ask("clock", 1)
    bench.ask("power", 1, 0)
    host = Tpi(bench)
    bench.planes("1" * 14 + "0")
    bench.planes("1" * 15)
    with pytest.raises(TpiError):
        host.read(0x8F)
    bench.planes("1" * 16)
    assert host.read(0x8F) == 0x80


@pytest.mark.parametrize("wrong", range(8))
def test_a_wrong_key_does_not_open_the_memory(bench, wrong):
    bench.ask("clock", 1)
    bench.ask("power", 1, 0)
    host = Tpi(bench)
    bench.planes("1" * 20)
    host.write(0xE0, *(byte ^ (index == wrong) for index, byte in enumerate(Tpi.KEY)))
    assert host.read(0x80) == 0
    host.pointer(0x3FC0)
    assert host.read(0x20) == 0


def test_parity_error_stops_everything_until_a_break(tpi, bench):
    bad = Tpi.frame(0x8F)
    bench.planes(bad[:9] + str(1 - int(bad[9])) + "11")
    with pytest.raises(TpiError):
        tpi.read(0x8F)
    bench.planes("0" * 12 + "11")
    assert tpi.read(0x8F) == 0x80
    assert bench.get("errors") == 1


def test_frame_error_and_two_breaks(tpi, bench):
    bench.planes(Tpi.frame(0x8F)[:10] + "0111")
    with pytest.raises(TpiError):
        tpi.read(0x8F)
    bench.planes("0" * 12 + "1" + "0" * 12 + "1")
    assert tpi.read(0x80) == 2  # NVM is still enabled


def test_break_aborts_an_instruction(tpi, bench):
    tpi.pointer(0x1234)
    bench.planes(Tpi.frame(0x68) + "0" * 12 + "11")
    assert tpi.read(0x8F) == 0x80


def test_collision_while_a_one_is_left_to_the_pull_up(tpi, bench):
    # The answer 0xff: after its first one the driver is off. Pull low there.
    bench.ask("set", "m40", 0xFF)
    tpi.pointer(0x40)
    bench.planes(Tpi.frame(0x20) + "1111" + "1111" + "0" + "1" * 20)
    assert bench.get("errors") == 1
    with pytest.raises(TpiError):
        tpi.read(0x8F)


def test_unknown_instruction_is_an_error(tpi, bench):
    tpi.write(0x00)
    assert bench.get("errors") == 1


def test_lane_is_released_in_reset_and_after(tpi, bench):
    assert tpi.read(0x8F) == 0x80
    bench.planes("1" * 4)
    assert bench.get("pin0") == RELEASED
    tpi.leave()
    assert bench.get("pin0") == RELEASED


def test_random_bits_never_break_it(bench):
    """Noise may do anything but crash, and two BREAKs always bring it back."""
    rng = random.Random(11)
    bench.ask("clock", 1)
    bench.ask("power", 1, 0)
    host = Tpi(bench)
    for _ in range(40):
        bench.planes("".join(rng.choice("01") for _ in range(200)))
        bench.planes("1" * 200 + "0" * 12 + "1" + "0" * 12 + "1" * 150)
        host.write(0xC2, 0x06)
        assert host.read(0x8F) == 0x80


def test_a_whole_chip_is_programmed(tpi, bench):
    image = random.Random(5).randbytes(1024)
    tpi.program(0x4000, image)
    assert bytes.fromhex(bench.ask("get", "flash")) == image
