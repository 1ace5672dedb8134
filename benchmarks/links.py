"""What bench_links.py runs in a network namespace of its own: links.py SCENARIO REFLECT, prints a JSON object.

Each tun carries the packets between two nodes, .2 and .3 of its network: what one sends the kernel forwards to the
other, through the same tun. So packets go round for ever, as fast as the loop under test takes them.
"""

from __future__ import annotations

import json
import os
import pty
import select
import socket
import subprocess
import sys
import time
import tty
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import pytun
import sliplib
from pyroute2 import IPRoute

from tinymux._engine import Engine, Loopback, Ttys

SIZE = 100  # bytes of a packet
SECONDS, PIECE, PATIENCE = 0.7, 0.02, 20.0  # s of each measurement, and of its pieces; at most
LEAST = 1000  # packets in a piece
ROUNDS = 5  # of what is compared, in turns
LANES = 16


def sysctl(name: str, value: int) -> None:
    Path("/proc/sys/net", name).write_text(f"{value}\n")


def networks(count: int) -> list[pytun.TunTapDevice]:
    """So many tuns, each a network whose packets are forwarded back into it."""
    for name in ("ipv4/ip_forward", "ipv6/conf/default/disable_ipv6"):
        sysctl(name, 1)
    for name in ("rp_filter", "send_redirects"):
        sysctl(f"ipv4/conf/all/{name}", 0)
        sysctl(f"ipv4/conf/default/{name}", 0)
    tuns = []
    with IPRoute() as route:
        route.link("set", index=1, state="up")
        for number in range(count):
            tun = pytun.TunTapDevice(name=f"t{number}", flags=pytun.IFF_TUN | pytun.IFF_NO_PI)
            (index,) = route.link_lookup(ifname=tun.name)
            route.link("set", index=index, txqlen=500, state="up")
            route.route("add", dst=f"{base(number)}.0/24", oif=index)
            tuns.append(tun)
    return tuns


def base(number: int) -> str:
    return f"10.{1 + number // 256}.{number % 256}"


def seed(count: int, window: int) -> None:
    """Put so many packets on the way in each network."""
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
        for number in range(count):
            ends = (socket.inet_aton(f"{base(number)}.{node}") for node in (2, 3))
            header = b"\x45\0" + SIZE.to_bytes(2, "big") + b"\0\1\0\0\x40\x11\0\0" + b"".join(ends)
            for _ in range(window):
                raw.sendto(header + bytes(SIZE - 20), (f"{base(number)}.3", 0))


def engine_cpu() -> float:
    """Seconds that the engine's thread has had, to the nanosecond."""
    for task in Path("/proc/self/task").iterdir():
        if (task / "comm").read_text().strip() == "tinymux-engine":
            return time.clock_gettime(~int(task.name) << 3 | 6)  # its CPU-time clock (pthread_getcpuclockid)
    raise RuntimeError("no engine runs")


@dataclass(frozen=True)
class Measured:
    """Packets per s of wall time; CPU s per packet, each way counted once, in each of many short pieces."""

    rate: float
    costs: list[float]

    @property
    def cost(self) -> float:
        return median(self.costs)


def measure(engine: Engine, boards: int, lanes: int) -> Measured:
    """In pieces of time, so that what else the machine does shows in some of them only."""

    def now() -> tuple[float, int]:
        packets = (engine.counters(board, lane)["packets_in"] for board in range(boards) for lane in range(lanes))
        return engine_cpu(), sum(packets)

    time.sleep(0.1)
    costs, start = [], time.monotonic()
    last = first = now()
    while time.monotonic() < start + SECONDS or (not costs and time.monotonic() < start + PATIENCE):
        time.sleep(PIECE)
        cpu, packets = now()
        if packets - last[1] >= LEAST:
            costs.append((cpu - last[0]) / (packets - last[1]))
            last = cpu, packets
    return Measured((last[1] - first[1]) / (time.monotonic() - start), costs)


def looped(boards: int, tuns: list[pytun.TunTapDevice], lanes: int) -> Engine:
    engine = Engine()
    for board in range(boards):
        engine.add_board(Loopback())
        for lane in range(lanes):
            engine.attach(board, lane, tuns[board * lanes + lane].fileno())
    return engine


def raw(program: str, tun: pytun.TunTapDevice) -> Measured:
    """The same of the blocking loop in C, by a process of its own."""
    os.set_blocking(tun.fileno(), True)
    line = [program, str(tun.fileno()), str(SECONDS)]
    done = subprocess.run(line, pass_fds=[tun.fileno()], capture_output=True, text=True, timeout=30, check=True)
    pieces = [(int(packets), int(cpu)) for packets, cpu in map(str.split, done.stdout.splitlines())]
    return Measured(sum(packets for packets, _ in pieces) / SECONDS, [cpu / 1e9 / packets for packets, cpu in pieces])


def reflect(program: str) -> dict[str, float]:
    """One tun, the raw blocking loop and the engine's in turns."""
    (tun,) = networks(1)
    seed(1, 32)
    raws, loops = [], []
    for _ in range(ROUNDS):
        raws.append(raw(program, tun))
        engine = looped(1, [tun], 1)
        engine.start()
        loops.append(measure(engine, 1, 1))
        engine.stop()
    raw_cost, cost = (median([piece for turn in turns for piece in turn.costs]) for turns in (raws, loops))
    rate = median(loop.rate / raw.rate for loop, raw in zip(loops, raws, strict=True))
    return {"ratio": raw_cost / cost, "us": cost * 1e6, "raw_us": raw_cost * 1e6, "rate_ratio": rate}


def many(_: str) -> dict[str, float]:
    """CPU per packet with 64 boards of synthetic nodes and with one."""
    costs = {}
    for boards in (1, 64):
        tuns = networks(boards * LANES)
        engine = looped(boards, tuns, LANES)
        seed(len(tuns), 4)
        engine.start()
        costs[boards] = measure(engine, boards, LANES).cost
        dropped = sum(
            count
            for board in range(boards)
            for lane in range(LANES)
            for name, count in engine.counters(board, lane).items()
            if name.startswith("drop_")
        )
        engine.stop()
        for tun in tuns:
            tun.close()
        assert dropped == 0
    return {"ratio": costs[64] / costs[1], "us": costs[64] * 1e6}


def ports(program: str) -> tuple[list[int], subprocess.Popen[bytes]]:
    """Sixteen serial ports, and who answers at their other ends until its stdin is closed."""
    pairs = [pty.openpty() for _ in range(LANES)]
    for _, slave in pairs:
        tty.setraw(slave)
    masters = [master for master, _ in pairs]
    far = subprocess.Popen([program, "ttys", *map(str, masters)], pass_fds=masters, stdin=subprocess.PIPE)
    for master in masters:
        os.close(master)
    return [slave for _, slave in pairs], far


def engine_on(tuns: list[pytun.TunTapDevice], slaves: list[int]) -> Measured:
    engine = Engine()
    engine.add_board(Ttys(slaves))
    for lane, tun in enumerate(tuns):
        engine.attach(0, lane, tun.fileno())
    engine.start()
    try:
        return measure(engine, 1, len(tuns))
    finally:
        engine.stop()


def pytun_sliplib(tuns: list[pytun.TunTapDevice], slaves: list[int]) -> Measured:
    """The way one writes it with python-pytun and sliplib."""
    poll, drivers, count = select.epoll(), {slave: sliplib.Driver() for slave in slaves}, 0
    to_tun = dict(zip(slaves, tuns, strict=True))
    to_tty = {tun.fileno(): (tun, slave) for tun, slave in zip(tuns, slaves, strict=True)}
    for fd in (*to_tun, *to_tty):
        poll.register(fd, select.EPOLLIN)
    start, cpu = time.monotonic(), time.thread_time()
    while time.monotonic() < start + SECONDS:
        for fd, _ in poll.poll(0.1):
            if fd in to_tty:
                tun, slave = to_tty[fd]
                os.write(slave, drivers[slave].send(tun.read(1500)))
            else:
                drivers[fd].receive(os.read(fd, 4096))
                while packet := drivers[fd].get(block=False):
                    to_tun[fd].write(packet)
                    count += 1
    poll.close()
    return Measured(count / (time.monotonic() - start), [(time.thread_time() - cpu) / max(count, 1)])


def ttys(program: str) -> dict[str, float]:
    """Sixteen nodes on ptys with 32 packets each on the way: this engine and python-pytun with sliplib in turns.

    Between them the raw loop reflects the same packets on one tun: what reading and writing a tun, and the kernel's
    forwarding, take of each round trip, whoever makes it.
    """
    ours, peers, raws = [], [], []
    for _ in range(ROUNDS):
        for contender, results in ((engine_on, ours), (pytun_sliplib, peers)):
            tuns, (slaves, far) = networks(LANES), ports(program)
            seed(LANES, 32)
            results.append(contender(tuns, slaves))
            assert far.stdin
            far.stdin.close()
            far.wait(10)
            for slave in slaves:
                os.close(slave)
            for tun in tuns:
                tun.close()
        (tun,) = networks(1)
        seed(1, 32)
        raws.append(raw(program, tun))
        tun.close()
    cost, peer_cost, raw_cost = (median([turn.cost for turn in turns]) for turns in (ours, peers, raws))
    return {
        "rate": median(turn.rate for turn in ours),
        "ratio": median(our.rate / peer.rate for our, peer in zip(ours, peers, strict=True)),
        "us": cost * 1e6,
        "peer_us": peer_cost * 1e6,
        "raw_us": raw_cost * 1e6,
    }


def resting(seconds: float = 3) -> tuple[float, float]:
    """Per cent of a core that this process takes while nothing happens, and its engine's thread."""
    time.sleep(2)
    process, engine, start = time.process_time(), engine_cpu(), time.monotonic()
    time.sleep(seconds)
    wall = time.monotonic() - start
    return 100 * (time.process_time() - process) / wall, 100 * (engine_cpu() - engine) / wall


def first_packet(pauses: int = 20) -> float:
    """Seconds, the median, that a UDP datagram and its answer take after 0.1 s of silence."""
    took = []
    with IPRoute() as route, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as near:
        route.addr("add", index=route.link_lookup(ifname="t0")[0], address=f"{base(0)}.1", prefixlen=24)
        near.bind((f"{base(0)}.1", 7))
        near.connect((f"{base(0)}.2", 7))
        near.settimeout(5)
        for _ in range(pauses):
            time.sleep(0.1)
            start = time.perf_counter()
            near.send(b"hello")
            near.recv(100)
            took.append(time.perf_counter() - start)
    return median(took)


def idle(_: str) -> dict[str, float]:
    """Sixteen boards with all their interfaces and nothing to do: simulated ones, then synthetic nodes."""
    import tinymux

    boards = [tinymux.SimulatedBoard(seed=number) for number in range(16)]
    with tinymux.Bridge(*boards, network="10.16.0.0/23"):
        percent, _thread = resting()
    tuns = networks(16 * LANES)
    engine = looped(16, tuns, LANES)
    engine.start()
    _process, thread = resting()
    took = first_packet()
    engine.stop()
    return {"percent": percent, "loop_percent": thread, "first_us": took * 1e6}


if __name__ == "__main__":
    print(json.dumps({"reflect": reflect, "many": many, "ttys": ttys, "idle": idle}[sys.argv[1]](sys.argv[2])))
