"""The tiny's blog on one simulated ATtiny10: pages by path, GET and HEAD, and what it makes of bad requests."""

from __future__ import annotations

import subprocess
from pathlib import Path

import brotli
import pytest
from blog_wire import ACK, FIN, PSH, RST, SYN, checked, request, segment
from scapy.layers.inet import TCP
from server_wire import STACK_START, Tiny

from tinymux.errors import ImageError
from tinymux.images.blog import Page, blog_code_bytes, blog_image, blog_room
from tinymux.images.program import firmware

POST = b"<!doctype html><title>Sixteen computers</title><p>" + b"Each of them has one kilobyte of flash. " * 3
STYLE = b"p{color:#333}" + bytes(range(0xB8, 0xE0))
PAGES = (
    Page("/", brotli.compress(POST)),
    Page("/s", STYLE, "", "text/css"),
    Page("/f", brotli.compress(b"<feed/>"), "br", "application/atom+xml"),
    Page("", b"No such page.", "", status=404),
)


@pytest.fixture(scope="session")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("image") / "blog.bin"
    path.write_bytes(blog_image(PAGES).data)
    return path


def test_each_path_has_its_page(tiny: Tiny) -> None:
    assert request(tiny, "/") == (200, {"Content-Encoding": "br"}, POST)
    assert request(tiny, "/s") == (200, {"Content-Type": "text/css"}, STYLE)
    assert request(tiny, "/f") == (200, {"Content-Type": "application/atom+xml", "Content-Encoding": "br"}, b"<feed/>")


@pytest.mark.parametrize("path", ["/x", "/~", "/%00", "//", "/" + "y" * 400])
def test_what_no_page_has_is_not_found(tiny: Tiny, path: str) -> None:
    assert request(tiny, path) == (404, {}, b"No such page.")


@pytest.mark.parametrize("path", ["/", "/s", "/f", "/x"])
def test_head_is_get_without_the_body(tiny: Tiny, path: str) -> None:
    status, fields, _ = request(tiny, path)
    assert request(tiny, path, "HEAD") == (status, fields, b"")


def test_one_character_tells_pages_apart(tiny: Tiny) -> None:
    """nginx asks for nothing longer."""
    assert request(tiny, "/stylesheet")[2] == STYLE


def test_a_page_without_a_path_is_for_all_others(wire_program: Path, tmp_path: Path) -> None:
    (tmp_path / "image").write_bytes(blog_image([Page("", POST, "")]).data)
    with Tiny(wire_program, tmp_path / "image") as tiny:
        for path in ("/", "/x", "/~"):
            assert request(tiny, path) == (200, {}, POST)


@pytest.mark.parametrize("data", [b"G", b"GET", b"GET ", b"GET /", b"HEAD /"])
def test_a_part_of_a_request_is_left_to_come_again(tiny: Tiny, data: bytes) -> None:
    """Silence: the peer sends it again, and what came after it too."""
    assert not tiny.send(segment(data)).packets
    assert request(tiny, "/")[2] == POST


def test_a_request_in_many_segments_is_answered_once_all_of_it_comes(tiny: Tiny) -> None:
    """One byte each, none of which is enough; a host's retransmission has all that was not acknowledged."""
    question = b"GET / HTTP/1.0\r\n\r\n"
    for at in range(len(question)):
        assert not tiny.send(segment(question[at : at + 1], seq=5 + at)).packets, at
    assert request(tiny, "/")[2] == POST


@pytest.mark.parametrize("data", [b"\0", b"BREW / HTTP/1.0\r\n\r\n", b" HTTP/1.0\r\n\r\n", bytes(range(128, 256)) * 4])
def test_what_is_no_request_is_dropped(tiny: Tiny, data: bytes) -> None:
    assert not tiny.send(segment(data)).packets
    assert request(tiny, "/")[2] == POST


def test_a_connection_from_syn_to_fin(tiny: Tiny) -> None:
    (packet,) = tiny.send(segment(b"", SYN, 1000, 0)).packets
    reply = checked(packet)
    assert (reply[TCP].flags, reply[TCP].seq, reply[TCP].ack) == ("SA", 0, 1001)
    assert not tiny.send(segment(b"", ACK, 1001, 1)).packets
    question = b"GET / HTTP/1.0\r\n\r\n"
    answers = [tiny.send(segment(question, ACK | PSH, 1001, 1)).packets[0] for _ in range(2)]
    assert answers[0] == answers[1], "a retransmission gets the same"
    end = 2 + len(checked(answers[0])[TCP].payload)
    (packet,) = tiny.send(segment(b"", ACK | FIN, 1001 + len(question), end)).packets
    reply = checked(packet)
    assert (reply[TCP].flags, reply[TCP].seq, reply[TCP].ack) == ("A", end, 1002 + len(question))


def test_a_storm_of_half_open_connections_costs_nothing(tiny: Tiny) -> None:
    for seq in range(200):
        assert len(tiny.send(segment(b"", SYN, seq << 20, 0)).packets) == 1
    assert request(tiny, "/")[2] == POST


@pytest.mark.parametrize("flags", [RST, RST | ACK, RST | ACK | PSH, 0])
def test_no_answer_to_rst_or_nothing(tiny: Tiny, flags: int) -> None:
    assert not tiny.send(segment(b"GET / HTTP/1.0\r\n\r\n", flags)).packets


@pytest.mark.parametrize("port", [81, 79, 0, 65535])
def test_other_ports_are_silent(tiny: Tiny, port: int) -> None:
    assert not tiny.send(segment(b"", SYN, 1, 0, port)).packets
    assert request(tiny, "/")[2] == POST


def test_every_single_bit_flip_is_dropped(tiny: Tiny) -> None:
    packet = segment(b"GET / HTTP/1.0\r\n\r\n")
    for bit in range(8 * len(packet)):
        flipped = bytearray(packet)
        flipped[bit // 8] ^= 1 << bit % 8
        assert not tiny.send(bytes(flipped)).packets, bit
    assert request(tiny, "/")[2] == POST


@pytest.mark.parametrize("ppm", [-100_000, 0, 100_000])
@pytest.mark.parametrize(("plane", "gap"), [(50, 2), (50, 3), (31, 5)])
def test_it_follows_the_clock(wire_program: Path, image: Path, plane: int, gap: int, ppm: int) -> None:
    with Tiny(wire_program, image, {"plane": plane / 2, "gap": gap, "ppm": ppm}) as tiny:
        tiny.command("idle 100")
        assert request(tiny, "/f")[2] == b"<feed/>"


def test_the_stack_stays_below_what_is_needed(tiny: Tiny) -> None:
    """Six while the TCP checksum goes, when the last two bytes of ACK have gone."""
    request(tiny, "/")
    assert tiny.command("idle 1").done["lowest_sp"] >= STACK_START - 6


def test_what_cannot_be_an_image_is_refused() -> None:
    page = Page("/a", b"x", "")
    for pages in ([page, page], [Page("/ab", b"x")], [Page("a", b"x")], [Page("/\xe4", b"x")], [Page("/ ", b"x")]):
        with pytest.raises(ImageError):
            blog_image(pages)
    with pytest.raises(ImageError):
        blog_image([Page("/l", b"", "gzip", tail=b"")])


def test_room_is_what_can_be_added() -> None:
    room = blog_room([Page("", b"x" * 100, "")])
    assert len(blog_image([Page("", b"x" * (100 + room), "")]).data) == 1024
    with pytest.raises(ImageError, match=": 1 bytes over"):
        blog_image([Page("", b"x" * (101 + room), "")])


def test_the_program_fits() -> None:
    assert blog_code_bytes() <= 700
    assert blog_code_bytes(live=False) <= 600
    for name in ("blog.elf", "microblog.elf"):
        table = subprocess.run(["avr-nm", firmware(name)], capture_output=True, text=True, check=True).stdout
        labels = {line.split()[2]: int(line.split()[0], 16) for line in table.splitlines()}
        assert max(labels["frame"], labels["tcp_end"]) < 512, "ijmp reaches them through ZL alone"
