"""What one tiny and one board carry, in board time (exact) and in wall time; and how fast the simulator is."""

from __future__ import annotations

import pytest
from client import HttpClient, PingClient
from wires import HOST, LANES, address, drive

from tinymux.images.server import server_code_bytes

REQUEST = b"GET / HTTP/1.0\r\n\r\n".ljust(46)  # 86 bytes with its headers
PAGE = 400  # 440 with its headers


def ping(lane: int) -> PingClient:
    return PingClient(HOST, address(lane))


def fetch(lane: int) -> HttpClient:
    return HttpClient(HOST, address(lane), REQUEST)


def test_packets_per_second_per_tiny(benchmark, figure):
    """ICMP echo with 12 bytes of payload, both directions counted, all sixteen at once; the slowest tiny counts."""
    run, clients = benchmark.pedantic(drive, args=(ping, LANES, 1.0), rounds=3)
    packets = 2 * min(client.replies for client in clients)
    figure("icmp_pps_per_tiny", packets / run.board, "packets/s, board time", ">= 800")
    figure("icmp_pps_per_tiny_wall", packets / run.wall, "packets/s, wall time, free-running")


@pytest.mark.parametrize(
    ("lanes", "key", "needed"), [(1, "http_rps_lane", ">= 33"), (LANES, "http_rps_board", ">= 830")]
)
def test_requests_per_second(benchmark, figure, lanes, key, needed):
    """Requests of 86 B, replies of 440 B, with Linux's 60-byte SYN; one connection after another on each lane."""
    run, clients = benchmark.pedantic(drive, args=(fetch, lanes, 2.0, PAGE), rounds=1)
    pages = [client.pages for client in clients]
    assert all(page == pages[0][0] and len(page) == PAGE for ones in pages for page in ones)
    requests = sum(map(len, pages))
    figure(key, requests / run.board, "requests/s, board time", needed)
    if lanes == LANES:
        figure("planes_per_request", run.planes * lanes / requests, "planes")


def test_simulated_speed(benchmark, figure):
    """All sixteen serving, on one core, free-running; the median of five runs."""
    ratios = []

    def once() -> None:
        run, _ = drive(fetch, LANES, 0.5, PAGE)
        ratios.append(run.board / run.cpu)

    benchmark.pedantic(once, rounds=5)
    figure("sim_realtime_ratio", sorted(ratios)[2], "x real time", ">= 1.5")


def test_server_code_bytes(figure):
    figure("server_code_bytes", server_code_bytes(), "bytes of flash without the page", "<= 600")
