"""What bench_boards.py runs in a network namespace: boards.py BOARDS SIZE HOST [OPTION=NUMBER...], prints JSON.

Synthetic boards at full line rate on real tuns: each lane has its next packet at once, so that nothing but its own
half duplex lies between two of them. The packets wait in the tuns before a round begins. Their answers go to HOST,
within the engine's writes: 127.0.0.1 is where no packet from a network may go, so routing drops them; 10.0.0.1 has a
UDP socket, which is full. What the kernel does for that is in the thread's CPU time, and so are the synthetic boards.
"""

from __future__ import annotations

import json
import resource
import socket
import sys
import time

import pytun
from links import LANES, base, engine_cpu, sysctl
from pyroute2 import IPRoute

from tinymux._engine import Engine, SyntheticBoard

HOST, PORT = "10.0.0.1", 7  # with a socket
FEW = 24  # packets that wait for each of 1,024 nodes when a round begins: what the caches can hold
PATIENCE = 20.0  # s
BEGIN, END = 0.2, 0.85  # the part of a round that is measured
ROUNDS = 15
GOOD = (
    "packets_out",
    "packets_in",
    "bytes_out",
    "bytes_in",
    "resyncs",
    "resets",
)  # lane counters that stand for no loss


def networks(count: int) -> list[pytun.TunTapDevice]:
    """So many tuns, each with a node behind it."""
    sysctl("ipv6/conf/default/disable_ipv6", 1)
    for which in ("all", "default"):
        sysctl(f"ipv4/conf/{which}/rp_filter", 0)
    tuns = []
    with IPRoute() as route:
        route.link("set", index=1, state="up")
        route.addr("add", index=1, address=HOST, prefixlen=32)
        for number in range(count):
            tun = pytun.TunTapDevice(name=f"t{number}", flags=pytun.IFF_TUN | pytun.IFF_NO_PI)
            index = socket.if_nametoindex(tun.name)
            route.link("set", index=index, txqlen=400, state="up")
            route.route("add", dst=f"{base(number)}.2/32", oif=index)
            tuns.append(tun)
    return tuns


def fill(count: int, size: int, packets: int, host: str) -> None:
    """Let packets wait for each node: UDP with the sender's port as the receiver's."""
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
        ports = 2 * PORT.to_bytes(2, "big") + (size - 20).to_bytes(2, "big") + bytes(2)
        for number in range(count):
            node = f"{base(number)}.2"
            ends = socket.inet_aton(host) + socket.inet_aton(node)
            packet = b"\x45\0" + size.to_bytes(2, "big") + b"\0\1\0\0\x40\x11\0\0" + ends + ports + bytes(size - 28)
            for _ in range(packets):
                raw.sendto(packet, (node, 0))


def at(made: list[SyntheticBoard], board_time: float) -> tuple[float, float]:
    """Wait until the boards have come so far on average: the thread's CPU time then, and the boards' time, s."""
    deadline = time.monotonic() + PATIENCE
    while True:
        before = engine_cpu()
        passed = sum(board.seconds for board in made) / len(made)
        if passed >= board_time:
            return (before + engine_cpu()) / 2, passed
        assert time.monotonic() < deadline
        time.sleep(0.0005)


def main(boards: int, size: int, host: str, **options: int) -> dict[str, float]:
    """The median of some rounds; the first one tells how long they are."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (8192, max(8192, resource.getrlimit(resource.RLIMIT_NOFILE)[1])))
    waiting = min(400, FEW * 64 // boards)
    costs, took = [], 0.0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as full:
        full.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        full.bind(("", PORT))
        tuns = networks(boards * LANES)
        engine, made = Engine(), [SyntheticBoard() for _ in range(boards)]
        for board in made:
            engine.add_board(board.transport, board, startup_ms=1, **options)
        for number in range(ROUNDS + 1):
            fill(len(tuns), size, waiting, host)
            for lane, tun in enumerate(tuns):
                engine.attach(*divmod(lane, LANES), tun.fileno())
            start = sum(board.seconds for board in made) / boards
            engine.start()
            if took:
                (cpu, board), (cpu_end, board_end) = (at(made, start + took * part) for part in (BEGIN, END))
                costs.append((cpu_end - cpu) / (board_end - board))
            deadline = time.monotonic() + PATIENCE
            while any(engine.counters(board, 0)["packets_in"] < waiting * (number + 1) for board in range(boards)):
                assert time.monotonic() < deadline
                time.sleep(0.005)
            time.sleep(0.05)
            took = took or sum(board.seconds for board in made) / boards - start
            engine.stop()
    lanes = [engine.counters(board, lane) for board in range(boards) for lane in range(LANES)]
    lost = sum(number for lane in lanes for name, number in lane.items() if name not in GOOD)
    return {
        "boards": boards / sorted(costs)[ROUNDS // 2],
        "best": boards / min(costs),
        "round_trips_per_s": waiting / took,
        "lost": lost + sum(engine.board_counters(board)["bad_packets"] for board in range(boards)),
    }


if __name__ == "__main__":
    chosen = (word.split("=") for word in sys.argv[4:])
    print(
        json.dumps(
            main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], **{name: int(number) for name, number in chosen})
        )
    )
