"""The tiny's blog on one simulated ATtiny10: pages by path, GET and HEAD, and what it makes of bad requests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import brotli
import pytest
from scapy.layers.inet import IP, TCP
from scapy.packet import Raw
from server_wire import Tiny

from tinymux.images.blog import Page, blog_image

HOST, TINY = "10.16.0.1", "10.16.0.16"
FIN, SYN, RST, PSH, ACK = 0x01, 0x02, 0x04, 0x08, 0x10
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


@pytest.fixture
def tiny(wire_program: Path, image: Path) -> Iterator[Tiny]:
    with Tiny(wire_program, image) as tiny:
        tiny.command("idle 100")
        yield tiny


def segment(data: bytes = b"", flags: int = ACK | PSH, seq: int = 5, ack: int = 1, port: int = 80) -> bytes:
    return bytes(
        IP(src=HOST, dst=TINY, flags="DF") / TCP(sport=40000, dport=port, flags=flags, seq=seq, ack=ack) / Raw(data)
    )


def ask(tiny: Tiny, request: bytes) -> bytes:
    """The answer to a request, all of it, in one segment with FIN; the checksums are right."""
    (packet,) = tiny.send(segment(request)).packets
    reply = IP(packet)
    again = reply.copy()
    del again.chksum
    del again.payload.chksum
    assert bytes(again) == packet, "a checksum is wrong"
    assert (reply.len, reply[TCP].flags, reply[TCP].seq) == (len(packet), "FPA", 1)
    assert reply[TCP].ack == 5 + len(request)
    return bytes(reply[TCP].payload)


def get(tiny: Tiny, path: str, method: str = "GET") -> tuple[int, dict[str, str], bytes]:
    """Status, header fields and decoded body."""
    header, _, body = ask(tiny, f"{method} {path} HTTP/1.0\r\n\r\n".encode()).partition(b"\r\n\r\n")
    status, *lines = header.decode().split("\r\n")
    fields = dict(line.split(":") for line in lines)
    return int(status.split()[1]), fields, brotli.decompress(body) if body and "Content-Encoding" in fields else body


def test_each_path_has_its_page(tiny: Tiny) -> None:
    assert get(tiny, "/") == (200, {"Content-Encoding": "br"}, POST)
    assert get(tiny, "/s") == (200, {"Content-Type": "text/css"}, STYLE)
    assert get(tiny, "/f") == (200, {"Content-Type": "application/atom+xml", "Content-Encoding": "br"}, b"<feed/>")


@pytest.mark.parametrize("path", ["/x", "/~", "/%00", "//", "/" + "y" * 400])
def test_what_no_page_has_is_not_found(tiny: Tiny, path: str) -> None:
    assert get(tiny, path) == (404, {}, b"No such page.")


@pytest.mark.parametrize("path", ["/", "/s", "/f", "/x"])
def test_head_is_get_without_the_body(tiny: Tiny, path: str) -> None:
    status, fields, _ = get(tiny, path)
    assert get(tiny, path, "HEAD") == (status, fields, b"")
