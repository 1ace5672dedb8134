"""The tiny's server on one simulated ATtiny10: what it answers, what it drops, and that it serves on."""

from __future__ import annotations

import random
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.packet import Packet, Raw
from server_wire import STACK_START, Tiny

from tinymux.images.server import firmware, server_code_bytes, server_image

HOST, TINY = "10.16.0.1", "10.16.0.16"
PAGE = b"HTTP/1.0 200 OK\r\n\r\n" + bytes(range(0xB8, 0xE0)) + b"all that SLIP escapes"
REQUEST = b"GET / HTTP/1.0\r\n\r\n"
END, ESC = b"\xc0", b"\xdb"
FIN, SYN, RST, PSH, ACK = 0x01, 0x02, 0x04, 0x08, 0x10


@pytest.fixture(scope="session")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("image") / "server.bin"
    path.write_bytes(server_image(PAGE).data)
    return path


def ip(payload: Packet, **fields: object) -> Packet:
    return IP(src=HOST, dst=TINY, flags="DF", **fields) / payload


def segment(flags: int, seq: int, ack: int = 0, data: bytes = b"", port: int = 80, **fields: object) -> bytes:
    return bytes(ip(TCP(sport=40000, dport=port, flags=flags, seq=seq, ack=ack, **fields) / Raw(data)))


def echo(data: bytes = b"12 bytes....", number: int = 1, **fields: object) -> bytes:
    return bytes(ip(ICMP(type=8, id=7, seq=number) / Raw(data), **fields))


def one(packets: list[bytes]) -> Packet:
    """The one packet that came; its checksums and lengths are right."""
    assert len(packets) == 1
    packet = IP(packets[0])
    assert packet.len == len(packets[0]) and packet.src == TINY and packet.dst == HOST and packet.ttl == 64
    again = packet.copy()
    del again.chksum
    del again.payload.chksum
    assert bytes(again) == packets[0], "a checksum is wrong"
    return packet


def serves(tiny: Tiny) -> None:
    """The very next frames get their answers."""
    assert bytes(one(tiny.send(echo()).packets)[ICMP].payload) == b"12 bytes...."


# --- what it answers ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", range(13))
def test_an_echo_of_up_to_12_bytes_comes_back(tiny: Tiny, length: int) -> None:
    data = bytes(random.Random(length).randrange(256) for _ in range(length))
    reply = one(tiny.send(echo(data, 0x1234)).packets)
    assert (reply[ICMP].type, reply[ICMP].id, reply[ICMP].seq, bytes(reply[ICMP].payload)) == (0, 7, 0x1234, data)


def test_every_carry_of_the_echo_checksum(tiny: Tiny) -> None:
    for number in (0xF000, 0xF6F8, 0xEFF7, 0xF7F8, 0xF0F8, 0x0000, 0xFFFF, 0xF7F7):
        assert one(tiny.send(echo(b"", number)).packets)[ICMP].seq == number


@pytest.mark.parametrize("isn", [1000, 0, 0xFFFFFFFF, 0xFFFFFF00, 0x00C0DB00, 0x7FFFFFFF])
def test_a_page_in_one_segment_with_fin(tiny: Tiny, isn: int) -> None:
    def at(offset: int) -> int:
        return (isn + offset) % 2**32

    reply = one(tiny.send(segment(SYN, isn, options=[("MSS", 1460), ("SAckOK", ""), ("WScale", 7)])).packets)
    assert (reply[TCP].flags, reply[TCP].ack, reply[TCP].sport, reply[TCP].dport) == ("SA", at(1), 80, 40000)
    ours = reply[TCP].seq + 1
    assert not tiny.send(segment(ACK, at(1), ours)).packets, "a bare ACK is not answered"
    for _ in range(2):  # the second time as a retransmission
        reply = one(tiny.send(segment(ACK | PSH, at(1), ours, REQUEST)).packets)
        assert (reply[TCP].flags, reply[TCP].seq, reply[TCP].ack) == ("FPA", ours, at(1 + len(REQUEST)))
        assert bytes(reply[TCP].payload) == PAGE
        assert reply[TCP].window > 1000
    after = ours + len(PAGE) + 1
    reply = one(tiny.send(segment(ACK | FIN, at(1 + len(REQUEST)), after)).packets)
    assert (reply[TCP].flags, reply[TCP].seq, reply[TCP].ack) == ("A", after, at(2 + len(REQUEST)))


@pytest.mark.parametrize("length", [1, 2, 46, 47, 300, 500])
def test_requests_of_any_length(tiny: Tiny, length: int) -> None:
    request = bytes(random.Random(length).randrange(256) for _ in range(length))
    reply = one(tiny.send(segment(ACK | PSH, 5, 1, request)).packets)
    assert reply[TCP].ack == 5 + length and bytes(reply[TCP].payload) == PAGE


def test_request_and_fin_in_one_segment(tiny: Tiny) -> None:
    assert one(tiny.send(segment(ACK | FIN, 5, 1, REQUEST)).packets)[TCP].ack == 5 + len(REQUEST) + 1


def test_a_request_in_two_segments_gets_one_whole_page(tiny: Tiny) -> None:
    """Either segment is answered by the whole page, at the same sequence numbers: the peer keeps one."""
    first = one(tiny.send(segment(ACK | PSH, 5, 1, b"GET /")).packets)
    second = one(tiny.send(segment(ACK | PSH, 10, 1, b" HTTP/1.0\r\n\r\n")).packets)
    assert first[TCP].seq == second[TCP].seq == 1
    assert bytes(first[TCP].payload) == bytes(second[TCP].payload) == PAGE


def test_the_second_segment_of_a_request_alone_gets_the_page(tiny: Tiny) -> None:
    """The first was lost. To acknowledge both and send nothing would leave the peer waiting for ever."""
    reply = one(tiny.send(segment(ACK | PSH, 541, 1, b" HTTP/1.0\r\n\r\n")).packets)
    assert (reply[TCP].seq, reply[TCP].ack, bytes(reply[TCP].payload)) == (1, 554, PAGE)


def test_fin_from_a_peer_that_has_seen_nothing_gets_the_page(tiny: Tiny) -> None:
    """Its request was lost, or it never asked: page and FIN end the connection either way."""
    reply = one(tiny.send(segment(ACK | FIN, 5, 1)).packets)
    assert (reply[TCP].flags, reply[TCP].ack, bytes(reply[TCP].payload)) == ("FPA", 6, PAGE)


@pytest.mark.parametrize("length", [1, 300])
def test_data_with_syn_is_left_to_come_again(tiny: Tiny, length: int) -> None:
    reply = one(tiny.send(segment(SYN, 5, data=b"x" * length)).packets)
    assert (reply[TCP].flags, reply[TCP].ack) == ("SA", 6)


def test_addresses_and_ports_that_slip_escapes(tiny: Tiny) -> None:
    for src, dst in (("192.219.192.219", "219.192.219.192"), ("10.0.0.1", "10.0.0.192")):
        packet = IP(src=src, dst=dst, flags="DF") / TCP(sport=0xC0DB, dport=80, flags="S", seq=0xDBC0DBC0)
        reply = IP(tiny.send(bytes(packet)).packets[0])
        assert (reply.src, reply.dst, reply[TCP].dport, reply[TCP].ack) == (dst, src, 0xC0DB, 0xDBC0DBC1)
        again = reply.copy()
        del again.chksum
        del again.payload.chksum
        assert bytes(again) == bytes(reply)


def test_the_first_frame_after_power_on_needs_no_leading_end(wire_program: Path, image: Path) -> None:
    for seed in range(5):
        with Tiny(wire_program, image, {"seed": seed}) as tiny:
            assert IP(tiny.raw(echo() + END).packets[0])[ICMP].type == 0


def test_data_after_the_page_is_only_acknowledged(tiny: Tiny) -> None:
    reply = one(tiny.send(segment(ACK | PSH, 5, 2 + len(PAGE), b"more")).packets)
    assert (reply[TCP].flags, reply[TCP].ack, bytes(reply[TCP].payload)) == ("A", 9, b"")


@pytest.mark.parametrize("port", [81, 79, 80 + 256, 0, 65535, 80 << 8])
def test_other_ports_are_refused(tiny: Tiny, port: int) -> None:
    reply = one(tiny.send(segment(SYN, 77, port=port)).packets)
    assert (reply[TCP].flags, reply[TCP].seq, reply[TCP].ack, reply[TCP].sport) == ("RA", 0, 78, port)
    reply = one(tiny.send(segment(ACK, 77, 99, b"abc", port=port)).packets)
    assert (reply[TCP].flags, reply[TCP].seq) == ("RA", 99)


@pytest.mark.parametrize("flags", [RST, RST | ACK, RST | SYN, RST | FIN | ACK])
@pytest.mark.parametrize("port", [80, 81])
def test_never_an_answer_to_rst(tiny: Tiny, flags: int, port: int) -> None:
    assert not tiny.send(segment(flags, 77, 1, b"x", port=port)).packets
    serves(tiny)


def test_ip_options_are_skipped(tiny: Tiny) -> None:
    for count in (4, 40):
        assert one(tiny.send(echo(b"o", options=b"\x01" * count)).packets)[ICMP].seq == 1
    packet = IP(src=HOST, dst=TINY, options=b"\x01" * 8) / TCP(sport=40000, dport=80, flags="S", seq=5)
    assert one(tiny.send(bytes(packet)).packets)[TCP].flags == "SA"


# --- what it drops, and serves on --------------------------------------------------------------------------------


def changed(packet: bytes, at: int, value: int) -> bytes:
    return packet[:at] + bytes([packet[at] ^ value]) + packet[at + 1 :]


def mended(packet: bytes, at: int, value: int) -> bytes:
    """One header byte changed, the header checksum right again."""
    again = IP(changed(packet, at, value))
    del again.chksum
    return bytes(again)


def balanced(packet: bytes) -> bytes:
    """TTL one more, the window's high byte one less: header and segment are wrong, their sum is not."""
    again = bytearray(packet)
    again[8] += 1
    again[34] -= 1
    return bytes(again)


DROPPED = {
    "a wrong IP checksum": changed(echo(), 10, 1),
    "a wrong ICMP checksum": changed(echo(), 30, 1),
    "a wrong TCP checksum": changed(segment(SYN, 5), 25, 0x10),
    "wrong payload": changed(segment(ACK, 5, 1, REQUEST), 45, 0x80),
    "an address that the TCP checksum does not know": mended(segment(SYN, 5), 12, 1),
    "version 6": mended(echo(), 0, 0x20),
    "version 0": mended(echo(), 0, 0x40),
    "a header of 16 bytes": mended(echo(), 0, 0x01),
    "a first fragment": bytes(IP(src=HOST, dst=TINY, flags="MF") / ICMP(type=8)),
    "a later fragment": bytes(IP(src=HOST, dst=TINY, frag=1) / ICMP(type=8)),
    "a far fragment": bytes(IP(src=HOST, dst=TINY, frag=0x1F00) / ICMP(type=8)),
    "UDP": bytes(ip(UDP(sport=1, dport=80) / Raw(b"hello"))),
    "an unknown protocol": bytes(ip(Raw(b"hello"), proto=253)),
    "an echo of 13 bytes": echo(b"x" * 13),
    "an echo of 500 bytes": echo(b"x" * 500),
    "an echo reply": bytes(ip(ICMP(type=0, id=7, seq=1) / Raw(b"x"))),
    "a timestamp request": bytes(ip(ICMP(type=13))),
    "an ICMP message of no bytes": bytes(ip(Raw(b""), proto=1)),
    "an echo of 4 bytes": bytes(ip(Raw(b"\x08\x00\xf7\xff"), proto=1)),
    "IP and TCP checksums that are wrong by opposite amounts": balanced(segment(SYN, 5)),
    "data without ACK": segment(PSH, 5, 1, REQUEST),
    "no flags": segment(0, 5, 1),
    "another protocol with a good segment inside": bytes(IP(src=HOST, dst=TINY, proto=4) / Raw(segment(SYN, 5))),
    "a TCP segment of 19 bytes": bytes(ip(Raw(bytes(19)), proto=6)),
    "a TCP header longer than the segment": bytes(ip(TCP(sport=1, dport=80, flags="S", dataofs=15))),
    "a TCP header of 16 bytes": bytes(ip(TCP(sport=1, dport=80, flags="S", dataofs=4))),
    "a zero after the packet": echo() + b"\0\0",
    "a packet cut by zeros": bytes(ip(ICMP(type=8) / Raw(bytes(8))))[:-2],
    "an IP header alone": echo()[:20],
    "half an IP header": echo()[:9],
    "one byte": b"\x45",
    "65,535 bytes announced": mended(mended(echo(), 2, 0xFF), 3, 0xFF),
}


@pytest.mark.parametrize("packet", DROPPED.values(), ids=DROPPED)
def test_dropped_without_a_word(tiny: Tiny, packet: bytes) -> None:
    assert not tiny.send(packet).packets
    serves(tiny)


RAW = {
    "ESC before END": ESC + END,
    "a frame that ends in ESC": END + echo()[:30] + ESC + END,
    "ESC and junk": END + ESC + b"\x00" + ESC + ESC + END,
    "many ENDs": END * 50,
    "a frame without its END": END + echo()[:-1],
    "2,000 bytes without END": END + b"\x45" * 2000,
    "2,000 bytes of a good header": END + mended(echo(), 2, 0x07) + bytes(2000),
    "all bytes": bytes(range(256)),
}


@pytest.mark.parametrize("data", RAW.values(), ids=RAW)
def test_the_next_frame_is_served_after_broken_bytes(tiny: Tiny, data: bytes) -> None:
    assert not tiny.raw(data).packets
    serves(tiny)  # its leading END ends what was open


def test_every_cut_of_a_packet(tiny: Tiny) -> None:
    packet = segment(ACK | PSH, 5, 1, REQUEST)
    for length in range(1, len(packet)):
        assert not tiny.send(packet[:length]).packets, length
    serves(tiny)


def test_every_single_bit_flip_is_dropped(tiny: Tiny) -> None:
    """But for those that no checksum can see: version, TTL and the like are covered, so all of them are."""
    packet = segment(SYN, 5)
    for bit in range(8 * len(packet)):
        assert not tiny.send(changed(packet, bit // 8, 1 << bit % 8)).packets, bit
    serves(tiny)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.integers(0, 85), st.integers(1, 255)), min_size=1, max_size=6),
    st.integers(0, 90),
    st.binary(max_size=20),
)
def test_mutated_packets_are_answered_only_when_they_are_right(tiny: Tiny, changes, cut, tail) -> None:
    packet = segment(ACK | PSH, 5, 1, REQUEST.ljust(46))
    for at, value in changes:
        packet = changed(packet, at, value)
    packet = packet[:cut] + tail or b"\0"
    answers = tiny.send(packet).packets
    if answers:
        parsed = IP(packet)
        assert parsed.len == len(packet)
        again = parsed.copy()
        del again.chksum
        del again.payload.chksum
        assert bytes(again) == packet, "an answer to a packet with a wrong checksum"
    serves(tiny)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.sampled_from([END, ESC, b"\xdc", b"\xdd", b"\x45\x00", echo()[:30], segment(SYN, 5)[:30], b"\0"])
        | st.binary()
    )
)
def test_it_serves_on_after_any_bytes(tiny: Tiny, parts: list[bytes]) -> None:
    assert not tiny.raw(b"".join(parts) or END).packets
    tiny.raw(END)
    serves(tiny)


# --- how fast, how small -----------------------------------------------------------------------------------------

# cycles of the pump chip per plane -> gap that suits every tiny from 7.2 to 8.8 MHz
GAPS = {60: 1, 50: 2, 41: 2, 36: 3, 31: 3}


@pytest.mark.parametrize("ppm", [-100_000, 0, 100_000])
@pytest.mark.parametrize(("plane", "gap"), GAPS.items())
def test_it_follows_the_clock(wire_program: Path, image: Path, plane: int, gap: int, ppm: int) -> None:
    with Tiny(wire_program, image, {"plane": plane / 2, "gap": gap, "ppm": ppm}) as tiny:
        tiny.command("idle 100")
        serves(tiny)
        assert one(tiny.send(segment(SYN, 5, options=[("MSS", 1460)])).packets)[TCP].flags == "SA"
        reply = one(tiny.send(segment(ACK | PSH, 6, 1, REQUEST.ljust(46))).packets)
        assert bytes(reply[TCP].payload) == PAGE


@pytest.mark.parametrize("ppm", [-100_000, 0, 100_000])
def test_the_page_takes_ten_planes_a_byte(wire_program: Path, image: Path, ppm: int) -> None:
    with Tiny(wire_program, image, {"ppm": ppm}) as tiny:
        frame = tiny.send(segment(ACK | PSH, 5, 1, REQUEST)).frames[0]
    page = len(PAGE) + PAGE.count(END) + PAGE.count(ESC)
    assert frame["planes"] <= 11 * 40 + 10 * page + 15, "the headers take a plane a byte more, for sum and escape"
    assert frame["first"] <= 9, "turnaround"


@pytest.mark.parametrize(("ppm", "gap", "syn", "most"), [(0, 3, 44, 8000), (-100_000, 2, 44, 7800), (0, 2, 60, 8000)])
def test_planes_of_a_whole_connection(
    wire_program: Path, tmp_path: Path, ppm: int, gap: int, syn: int, most: int
) -> None:
    """SYN, ACK, a request of 86 bytes, FIN; a reply of 440 bytes. Without the host's waiting before it talks."""
    (tmp_path / "image").write_bytes(server_image(PAGE.ljust(400)).data)
    options = [("MSS", 1460)] + [("NOP", None)] * (syn - 44)
    quiet = 64
    with Tiny(wire_program, tmp_path / "image", {"ppm": ppm, "gap": gap, "quiet": quiet}) as tiny:
        tiny.command("idle 10")
        packets = [
            segment(SYN, 5, options=options),
            segment(ACK, 6, 1),
            segment(ACK | PSH, 6, 1, REQUEST.ljust(46)),
            segment(ACK | FIN, 52, 402),
        ]
        answers = [tiny.send(packet) for packet in packets]
    assert [len(packet) for packet in packets] == [syn, 40, 86, 40]
    assert [[len(packet) for packet in answer.packets] for answer in answers] == [[40], [], [440], [40]]
    assert sum(answer.done["planes"] - quiet for answer in answers) <= most


def test_ram_and_stack_stay_apart(tiny: Tiny) -> None:
    """SP points to the next free byte: 4 bytes of stack, below them the ICMP message ends at 0x5B."""
    tiny.send(segment(ACK | PSH, 5, 1, REQUEST))
    tiny.send(echo(b"\xc0" * 12))
    assert tiny.send(echo(b"x" * 13)).done["lowest_sp"] >= STACK_START - 4


def test_the_server_fits(tmp_path: Path) -> None:
    assert server_code_bytes() <= 600
    done = subprocess.run(["avr-nm", firmware("server.elf")], capture_output=True, text=True, check=True)
    handlers = {line.split()[2]: int(line.split()[0], 16) for line in done.stdout.splitlines()}
    for name in ("frame", "tcp_end", "tcp_send", "icmp_end", "slip_end"):
        assert handlers[name] < 512, f"ijmp reaches {name} through ZL alone"
