"""What bench_links.py runs in a network namespace of its own: links.py SCENARIO REFLECT, prints a JSON object.

Each tun carries the packets between two nodes, .2 and .3 of its network: what one sends the kernel forwards to the
other, through the same tun. So packets go round for ever, as fast as the loop under test takes them.
"""

from __future__ import annotations

import json
import os
import pty
import resource
import select
import socket
import subprocess
import sys
import time
import tty
from pathlib import Path

import pytun
import sliplib
from pyroute2 import IPRoute

from tinymux._engine import Engine, Loopback, Ttys

SIZE = 100  # bytes of a packet
SECONDS = 0.7
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
    """Seconds that the engine's thread has had."""
    for task in Path("/proc/self/task").iterdir():
        if (task / "comm").read_text().strip() == "tinymux-engine":
            return int((task / "schedstat").read_text().split()[0]) / 1e9
    raise RuntimeError("no engine runs")


def measure(engine: Engine, boards: int, lanes: int) -> tuple[float, float]:
    """Packets per s of wall time and CPU s per packet of the engine's thread, each way counted once."""

    def packets() -> int:
        return sum(engine.counters(board, lane)["packets_in"] for board in range(boards) for lane in range(lanes))

    time.sleep(0.2)
    start, cpu, before = time.monotonic(), engine_cpu(), packets()
    time.sleep(SECONDS)
    count, cpu, wall = packets() - before, engine_cpu() - cpu, time.monotonic() - start
    return count / wall, cpu / max(count, 1)


def looped(boards: int, tuns: list[pytun.TunTapDevice], lanes: int) -> Engine:
    engine = Engine()
    for board in range(boards):
        engine.add_board(Loopback())
        for lane in range(lanes):
            engine.attach(board, lane, tuns[board * lanes + lane].fileno())
    return engine


def reflect(program: str) -> dict[str, float]:
    """One tun, the engine's loop and the raw blocking one in turns; packets per CPU second."""
    ratios, costs = [], []
    for _ in range(5):
        (tun,) = networks(1)
        seed(1, 32)
        line = [program, str(tun.fileno()), str(SECONDS)]
        raw = subprocess.run(line, pass_fds=[tun.fileno()], capture_output=True, text=True, timeout=30, check=True)
        count, cpu = map(int, raw.stdout.split())
        engine = looped(1, [tun], 1)
        engine.start()
        _, cost = measure(engine, 1, 1)
        engine.stop()
        tun.close()
        ratios.append(cpu / 1e9 / count / cost)
        costs.append(cost)
    return {"ratio": sorted(ratios)[2], "us": sorted(costs)[2] * 1e6}


def many(_: str) -> dict[str, float]:
    """CPU per packet with 64 boards of synthetic nodes and with one."""
    costs = {}
    for boards in (1, 64):
        tuns = networks(boards * LANES)
        engine = looped(boards, tuns, LANES)
        seed(len(tuns), 4)
        engine.start()
        _, costs[boards] = measure(engine, boards, LANES)
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


def pytun_sliplib(tuns: list[pytun.TunTapDevice], slaves: list[int]) -> float:
    """Round trips per s of the way one writes it with python-pytun and sliplib."""
    poll, drivers, count = select.epoll(), {slave: sliplib.Driver() for slave in slaves}, 0
    to_tun = dict(zip(slaves, tuns, strict=True))
    to_tty = {tun.fileno(): (tun, slave) for tun, slave in zip(tuns, slaves, strict=True)}
    for fd in (*to_tun, *to_tty):
        poll.register(fd, select.EPOLLIN)
    start = time.monotonic()
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
    return count / (time.monotonic() - start)


def ttys(program: str) -> dict[str, float]:
    """Sixteen nodes on ptys with 32 packets each on the way: this engine, then python-pytun with sliplib."""
    rates: list[float] = []
    for peer in (False, True):
        tuns, (slaves, far) = networks(LANES), ports(program)
        if peer:
            seed(LANES, 32)
            rates.append(pytun_sliplib(tuns, slaves))
        else:
            engine = Engine()
            engine.add_board(Ttys(slaves))
            for lane, tun in enumerate(tuns):
                engine.attach(0, lane, tun.fileno())
            seed(LANES, 32)
            engine.start()
            rate, cost = measure(engine, 1, LANES)
            rates.append(rate)
            engine.stop()
        assert far.stdin
        far.stdin.close()
        far.wait(10)
        for slave in slaves:
            os.close(slave)
        for tun in tuns:
            tun.close()
    return {"rate": rates[0], "peer_rate": rates[1], "us": cost * 1e6}


def idle(_: str) -> dict[str, float]:
    """Sixteen simulated boards with all their interfaces, and nothing to do."""
    import tinymux

    boards = [tinymux.SimulatedBoard(seed=number) for number in range(16)]
    with tinymux.Bridge(*boards, network="10.16.0.0/23"):
        time.sleep(2)
        before, start = resource.getrusage(resource.RUSAGE_SELF), time.monotonic()
        time.sleep(3)
        after, wall = resource.getrusage(resource.RUSAGE_SELF), time.monotonic() - start
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"percent": 100 * cpu / wall}


if __name__ == "__main__":
    print(json.dumps({"reflect": reflect, "many": many, "ttys": ttys, "idle": idle}[sys.argv[1]](sys.argv[2])))
