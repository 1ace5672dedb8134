"""Synthetic nodes answer as nodes would."""

from __future__ import annotations

import socket

import pytest
from scapy.layers.inet import ICMP, IP, UDP
from scapy.packet import Raw

from tinymux._engine import Engine, Loopback

HERE, THERE = "10.9.0.1", "10.9.0.2"


@pytest.fixture
def ask():
    """What a node sends back."""
    engine = Engine()
    engine.add_board(Loopback())
    near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    near.settimeout(2)
    engine.attach(0, 5, far.fileno())
    engine.start()

    def once(packet: IP) -> IP:
        near.send(bytes(packet))
        return IP(near.recv(2000))

    once.engine, once.near = engine, near
    yield once
    engine.stop()


@pytest.mark.parametrize("size", [0, 1, 56, 1400])
def test_ping(ask, size):
    answer = ask(IP(src=HERE, dst=THERE, ttl=17) / ICMP(id=3, seq=9) / Raw((bytes(range(256)) * 6)[:size]))
    assert bytes(answer) == bytes(
        IP(src=THERE, dst=HERE, ttl=64) / ICMP(type=0, id=3, seq=9) / bytes(answer[ICMP].payload)
    )
    assert len(answer[ICMP].payload) == size


def test_udp_comes_back_from_where_it_went(ask):
    question = IP(src=HERE, dst=THERE, ttl=255) / UDP(sport=7, dport=7) / Raw(b"hello")
    assert bytes(ask(question)) == bytes(IP(src=THERE, dst=HERE, ttl=64) / UDP(sport=7, dport=7) / Raw(b"hello"))


def test_what_is_no_packet_is_counted(ask):
    ask.near.send(b"\x55" * 30)
    ask(IP(src=HERE, dst=THERE) / UDP())
    counters = ask.engine.counters(0, 5)
    assert (counters["packets_out"], counters["packets_in"], counters["drop_version"]) == (2, 1, 1)
