"""The microblog on one simulated ATtiny10: an entry and a count of visits in RAM, in a page that is one brotli body."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import brotli
import pytest
from blog_wire import request, segment
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from server_wire import STACK_START, Tiny

from tinymux.images.blog import (
    CONTEXT,
    COUNT_BYTES,
    LIVE_BYTES,
    SKIP,
    TEXT_BYTES,
    Page,
    blog_image,
    live_brotli,
    live_plain,
)

BEFORE = b"<!doctype html><title>A blog</title><p>"
AFTER = b"<form method=post><input name=t>"
POST = b"<p>Another"


def image(encoding: str) -> bytes:
    body, tail = (live_brotli if encoding else live_plain)(BEFORE, AFTER)
    pages = (Page("/p", POST, ""), Page("/", body, encoding, tail=tail), Page("/q", POST * 2, ""))
    return blog_image(pages).data


@pytest.fixture(scope="session", params=["br", ""], ids=["br", "plain"])
def live_image(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("image") / "microblog.bin"
    path.write_bytes(image(request.param))
    return path


@pytest.fixture
def tiny(wire_program: Path, live_image: Path) -> Iterator[Tiny]:
    with Tiny(wire_program, live_image) as tiny:
        tiny.command("idle 100")
        yield tiny


def shown(page: bytes) -> tuple[bytes, int]:
    """Entry and count of a page."""
    before, after = page[: len(BEFORE)], page[len(BEFORE) + LIVE_BYTES :]
    assert before == BEFORE
    if after.startswith(b"<style >"):
        after = after[10:].removeprefix(b"</style>")
    assert after == AFTER
    live = page[len(BEFORE) :][:LIVE_BYTES]
    assert live[COUNT_BYTES : COUNT_BYTES + 1] == b" "
    return live[COUNT_BYTES + 1 :], int(live[:COUNT_BYTES])


def look(tiny: Tiny) -> tuple[bytes, int]:
    status, _, page = request(tiny)
    assert status == 200
    return shown(page)


def post(tiny: Tiny, body: bytes) -> tuple[bytes, int]:
    status, _, page = request(tiny, method="POST", body=body)
    assert status == 200
    return shown(page)


def test_after_power_on_there_is_no_entry(wire_program: Path, live_image: Path) -> None:
    for seed in range(5):
        with Tiny(wire_program, live_image, {"seed": seed}) as tiny:
            tiny.command("idle 100")
            assert look(tiny) == (b" " * TEXT_BYTES, 1)


@pytest.mark.parametrize(
    "text", [b"h", b"hello", b"fifteen letters", b"sixteen letters!", b"<b>\xc3\x9f</b> = \xc0\xdb"]
)
def test_an_entry_is_shown_at_once_and_stays(tiny: Tiny, text: bytes) -> None:
    expected = text.ljust(TEXT_BYTES)
    assert post(tiny, b"t=" + text) == (expected, 1)
    assert request(tiny, "/p")[2] == POST
    assert request(tiny, "/q")[2] == POST * 2
    assert request(tiny, "/nowhere")[0] == 404
    assert look(tiny) == (expected, 2)


def test_a_shorter_entry_leaves_nothing_of_the_one_before(tiny: Tiny) -> None:
    post(tiny, b"t=sixteen letters!")
    assert post(tiny, b"t=one")[0] == b"one".ljust(TEXT_BYTES)
    assert post(tiny, b"t=")[0] == b" " * TEXT_BYTES


def test_what_is_too_long_is_cut(tiny: Tiny) -> None:
    assert post(tiny, b"t=" + b"0123456789abcdef" * 20)[0] == b"0123456789abcdef"
    assert look(tiny) == (b"0123456789abcdef", 2)


def test_control_characters_become_spaces(tiny: Tiny) -> None:
    assert post(tiny, b"t=a\0b\tc\x1bd\r\n")[0] == b"a b c d".ljust(TEXT_BYTES)


def test_each_look_at_the_live_page_counts_once(tiny: Tiny) -> None:
    for count in range(1, 1003):
        assert look(tiny) == (b" " * TEXT_BYTES, count % 1000)
        if count % 200 == 0:
            request(tiny, "/p")
            request(tiny, "/", "HEAD")


def test_only_post_changes_the_entry(tiny: Tiny) -> None:
    post(tiny, b"t=kept")
    request(tiny, "/?t=lost")
    request(tiny, "/?t=lost", "HEAD")
    assert request(tiny, "/", "GET", b"t=lost")[0] == 200
    assert look(tiny)[0] == b"kept".ljust(TEXT_BYTES)


def test_a_post_without_a_field_changes_nothing(tiny: Tiny) -> None:
    post(tiny, b"t=kept")
    assert post(tiny, b"nothing to see")[0] == b"kept".ljust(TEXT_BYTES)


def test_the_stack_stays_below_what_is_kept(tiny: Tiny) -> None:
    """Four bytes; six while the last two sums go, when the headers before have gone."""
    post(tiny, b"t=" + b"\xc0" * 16)
    assert tiny.command("idle 1").done["lowest_sp"] >= STACK_START - 6


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=24))
def test_any_entry_keeps_the_page_right(tiny: Tiny, text: bytes) -> None:
    """Whatever it is: checksums, brotli stream and the rest of the page hold (blog_wire.py looks at all of them)."""
    assert post(tiny, b"t=" + text)[0] == bytes(max(byte, 32) for byte in text[:TEXT_BYTES]).ljust(TEXT_BYTES)


def test_a_damaged_post_is_not_answered_and_its_retransmission_mends_the_entry(tiny: Tiny) -> None:
    packet = segment(b"POST / HTTP/1.0\r\n\r\nt=as it was meant")
    for at in range(1, len(packet), 3):
        damaged = packet[:at] + bytes([packet[at] ^ 0x15]) + packet[at + 1 :]
        assert not tiny.send(damaged).packets, at
        assert not tiny.send(packet[:at]).packets, at
    assert len(tiny.send(packet).packets) == 1
    assert look(tiny)[0] == b"as it was meant".ljust(TEXT_BYTES)


def test_what_a_damaged_post_can_leave_until_it_comes_again(tiny: Tiny) -> None:
    """Where there is no RAM for both: each character is the old entry's or what has come; never more than that."""
    old, new = b"kept as it was..", b"and now this one"
    post(tiny, b"t=" + old)
    packet = segment(b"POST / HTTP/1.0\r\n\r\nt=" + new)
    first = packet.index(new)
    for at in range(len(packet)):
        post(tiny, b"t=" + old)
        tiny.send(packet[:at] + bytes([packet[at] ^ 0x15]) + packet[at + 1 :])
        came = bytes(letter ^ 0x15 * (first + n == at) for n, letter in enumerate(new))
        entry, _ = look(tiny)
        assert all(letter in (old[n], max(came[n], 32)) for n, letter in enumerate(entry)), at
        if at < 20:
            assert entry == old, "the IP header's checksum comes first"


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_no_damage_to_another_request_changes_the_entry(tiny: Tiny, method: str) -> None:
    post(tiny, b"t=kept")
    packet = segment(f"{method} /p HTTP/1.0\r\n\r\n".encode())
    for bit in range(8 * len(packet)):
        flipped = bytearray(packet)
        flipped[bit // 8] ^= 1 << bit % 8
        assert not tiny.send(bytes(flipped)).packets, bit
    assert look(tiny)[0] == b"kept".ljust(TEXT_BYTES)


@settings(max_examples=200, deadline=None)
@given(
    before=st.text(max_size=80),
    after=st.text(min_size=2, max_size=200),
    live=st.binary(min_size=LIVE_BYTES, max_size=LIVE_BYTES),
    balance=st.binary(min_size=2, max_size=2),
)
def test_a_live_page_is_a_brotli_stream_whatever_the_ram_holds(
    before: str, after: str, live: bytes, balance: bytes
) -> None:
    """What follows the live bytes may depend on nothing in them: an encoder uses the two bytes before as context."""
    html = f"<!doctype html><pre>Visit {before}", f"</pre><form method=post>{after}</form><button>Post</button>"
    body, tail = live_brotli(html[0].encode(), html[1].encode())
    cut = CONTEXT + len(SKIP)
    stream = body + live + tail[:cut] + balance + tail[cut:]
    assert brotli.decompress(stream) == html[0].encode() + live + html[1].encode()


@pytest.mark.parametrize("ppm", [-100_000, 0, 100_000])
@pytest.mark.parametrize(("plane", "gap"), [(50, 2), (50, 3), (31, 5)])
def test_it_follows_the_clock(wire_program: Path, live_image: Path, plane: int, gap: int, ppm: int) -> None:
    with Tiny(wire_program, live_image, {"plane": plane / 2, "gap": gap, "ppm": ppm}) as tiny:
        tiny.command("idle 100")
        assert post(tiny, b"t=in time") == (b"in time".ljust(TEXT_BYTES), 1)
