"""Synthetic nodes answer as nodes would."""

from __future__ import annotations

import select
import socket
import time

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


def burst(ask, packets=200, window=8):
    """So many packets in a row that the loop no longer waits for the tun, but reads it."""
    question = bytes(IP(src=HERE, dst=THERE) / UDP())
    for _ in range(packets // window):
        for _ in range(window):
            ask.near.send(question)
        for _ in range(window):
            ask.near.recv(2000)


def test_a_packet_after_a_burst_is_heard(ask):
    for pause in (0, 0.0001, 0.01, 0.05):
        burst(ask)
        time.sleep(pause)
        ask(IP(src=HERE, dst=THERE) / UDP())
    assert ask.engine.counters(0, 5)["packets_in"] == 4 * 201


def test_a_tun_that_vanishes_after_a_burst_is_told(ask):
    burst(ask)
    ask.near.close()
    assert select.select([ask.engine.events_fd], [], [], 2)[0]
    assert [(event.kind, event.lane) for event in ask.engine.events()] == [("tun_error", 5)]


def test_after_a_burst_the_loop_sleeps(ask):
    burst(ask)
    time.sleep(0.05)
    before = time.process_time()
    time.sleep(0.3)
    assert time.process_time() - before < 0.01


def test_a_tun_replaced_after_a_burst_is_waited_for_once(ask):
    """At any moment of its going cold; the loop sleeps afterwards."""
    for _ in range(200):
        burst(ask, packets=24)
        near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        near.settimeout(2)
        ask.engine.attach(0, 5, far.fileno())
        far.close()
        ask.near.close()
        ask.near = near
    time.sleep(0.05)
    before = time.process_time()
    time.sleep(0.3)
    assert time.process_time() - before < 0.01
    burst(ask)
