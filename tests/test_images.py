"""Image files: what is read from them, and what is refused with a reason."""

from __future__ import annotations

import struct

import pytest

from tinymux.errors import ImageError
from tinymux.images import ATMEGA32U4, ATTINY10, Image, load, server_images
from tinymux.images.server import server_code_bytes, server_image

CODE = bytes([0x3A, 0xC0, 0x12, 0xE0, 0xFF, 0xCF])  # begins with ':' as Intel HEX does


def elf(segments, machine=83, flags=100, cut=0):
    """A minimal 32-bit little-endian ELF: header, program headers, data."""
    start = 52 + 32 * len(segments)
    heads, body = b"", b""
    for address, data in segments:
        heads += struct.pack("<8I", 1, start + len(body), address, address, len(data), len(data), 5, 1)
        body += data
    ident = b"\x7fELF\x01\x01\x01" + bytes(9)
    head = ident + struct.pack("<HHIIIIIHHHHHH", 2, machine, 1, 0, 52, 0, flags, 52, 32, len(segments), 40, 0, 0)
    content = head + heads + body
    return content[: len(content) - cut]


def hex_record(address, data, kind=0):
    fields = bytes([len(data), address >> 8, address & 255, kind]) + data
    return ":" + (fields + bytes([-sum(fields) & 255])).hex().upper() + "\n"


END = hex_record(0, b"", 1)


def test_raw_bytes_and_raw_files_are_taken_as_they_are(tmp_path):
    (tmp_path / "x.bin").write_bytes(CODE)
    assert load(CODE).data == CODE
    assert load(tmp_path / "x.bin").data == CODE
    assert load(str(tmp_path / "x.bin")).name == str(tmp_path / "x.bin")


def test_intel_hex_fills_gaps_with_erased_flash(tmp_path):
    path = tmp_path / "x.hex"
    path.write_text(hex_record(0, CODE) + hex_record(8, b"\x01\x02") + END)
    assert load(path).data == CODE + b"\xff\xff\x01\x02"


def test_elf_takes_flash_and_leaves_other_memories(tmp_path):
    path = tmp_path / "x.elf"
    path.write_bytes(elf([(0, CODE), (0x820000, b"\xfe")]))
    assert load(path).data == CODE


@pytest.mark.parametrize("size", [1, 1023, 1024])
def test_images_up_to_the_whole_flash_fit(size):
    assert len(load(bytes(size)).data) == size


def test_one_byte_too_many_is_refused_with_the_figures():
    with pytest.raises(ImageError, match=r"too large: 1025 bytes, 1 more than the 1024 of an ATtiny10"):
        load(bytes(1025))


def test_the_pump_chip_takes_more_than_a_tiny():
    assert len(load(elf([(0, bytes(2000))], flags=0x85), ATMEGA32U4).data) == 2000


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "nothing in it"),
        (elf([(0x820000, b"\xfe")]), "nothing in it"),
        (elf([(0, bytes(1026))]), "too large: 1026 bytes"),
        (elf([(0x7FFFFF, CODE)]), "too large"),
        (elf([(0, CODE)], machine=62), "not for an AVR"),
        (elf([(0, CODE)], flags=5), "another chip than the ATtiny10"),
        (elf([(0, CODE)], cut=3), "cut short"),
        (elf([(0, CODE)])[:60], "damaged ELF|cut short"),
        (elf([(0, CODE)])[:20], "damaged ELF"),
        (b"\x7fELF", "damaged ELF"),
        ((hex_record(0, CODE)).encode(), "no end record"),
        ((":0100000001FD\n" + END).encode(), "damaged Intel HEX"),
        ((":zz\n" + END).encode(), "damaged Intel HEX"),
        ((hex_record(1024, CODE) + END).encode(), "too large: 1030 bytes"),
        ((hex_record(0, b"\xff\xff", 4) + hex_record(0, CODE) + END).encode(), "too large"),
    ],
)
def test_files_that_are_no_image_are_refused(tmp_path, content, reason):
    path = tmp_path / "broken"
    path.write_bytes(content)
    with pytest.raises(ImageError, match=reason) as caught:
        load(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_unreadable_files_are_refused(tmp_path):
    with pytest.raises(ImageError, match="cannot be read: No such file"):
        load(tmp_path / "missing.elf")
    with pytest.raises(ImageError, match="cannot be read: Is a directory"):
        load(tmp_path)
    huge = tmp_path / "huge"
    with huge.open("wb") as file:
        file.truncate(5 << 20)
    with pytest.raises(ImageError, match="too large to be an image"):
        load(huge)


def test_every_cut_of_an_elf_is_an_image_or_an_image_error():
    content = elf([(0, CODE)])
    for length in range(len(content)):
        try:
            load(content[:length], ATTINY10)
        except ImageError:
            continue
        assert length < 4, length  # less than ELF's magic number is raw bytes


def test_an_mtu_that_ipv4_cannot_have_is_refused():
    with pytest.raises(ImageError, match="MTU of 60"):
        Image("x", CODE, mtu=60)


def test_each_nodes_server_has_a_page_of_its_own_and_fits():
    images = server_images(16)
    assert len({image.data for image in images}) == 16
    assert all(len(image.data) <= 1024 for image in images)
    assert b"<h1>tiny 15</h1>" in images[15].data


def test_a_page_may_fill_the_flash_and_not_a_byte_more():
    room = 1024 - server_code_bytes() - 1  # the END of its frame is stored with it
    assert len(server_image(b"x" * room).data) == 1024
    with pytest.raises(ImageError, match=r"the page is too large: 1 bytes over the 1024 of an ATtiny10"):
        server_image(b"x" * (room + 1))
    with pytest.raises(ImageError, match="the page is too large: 1 bytes over"):
        server_image(b"x" * (room - 1) + b"\xc0")  # escaped for SLIP, it takes two
