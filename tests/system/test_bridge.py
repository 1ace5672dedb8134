"""tinymux.Bridge over real tuns, with the simulated board running the real firmware files."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from commands import ROOT
from pyroute2 import IPRoute
from traces import state
from web import ask

import tinymux
from tinymux import tuns
from tinymux.errors import BoardError, NetworkError, TinymuxError
from tinymux.images import server_images
from tinymux.namespace import PLAIN_TCP, Namespace

IFF_UP = 1


def ping(address, size=8, count=1, wait=3):
    """Whether each echo request was answered."""
    command = ["ping", "-n", "-q", "-c", str(count), "-i", "0.2", "-s", str(size), "-W", str(wait), str(address)]
    return subprocess.run(command, stdout=subprocess.DEVNULL, timeout=30, check=False).returncode == 0


def eventually(true, seconds=5):
    """Wait for something to become true."""
    end = time.monotonic() + seconds
    while not true() and time.monotonic() < end:
        time.sleep(0.01)
    return true()


def interfaces(prefix="tmx"):
    """The kernel's view of our interfaces, by name."""
    with IPRoute() as route:
        return {link.get("ifname"): link for link in route.get_links() if link.get("ifname").startswith(prefix)}


def addresses(index):
    """Local and peer addresses of an interface, IPv6 included."""
    with IPRoute() as route:
        return [(a.get("local"), a.get("address"), a["prefixlen"]) for a in route.get_addr(index=index)]


@pytest.fixture(scope="module")
def board():
    return tinymux.SimulatedBoard()


def test_sixteen_interfaces_are_up_with_addresses_and_routes(board):
    with tinymux.Bridge(board, network="10.77.0.0/24") as bridge:
        present = interfaces()
        assert sorted(present) == sorted(node.interface for node in bridge.nodes)
        for number, node in enumerate(bridge.nodes):
            link = present[node.interface]
            assert link["flags"] & IFF_UP
            assert link.get("mtu") == node.image.mtu == 576
            assert str(node.address) == f"10.77.0.{16 + number}"
            assert addresses(link["index"]) == [("10.77.0.1", str(node.address), 32)]
            with IPRoute() as route:
                (way,) = route.route("get", dst=str(node.address))
                assert way.get("oif") == link["index"]
                assert way.get("prefsrc") == "10.77.0.1"
    assert interfaces() == {}


def test_nothing_is_sent_to_a_tiny_unasked(board):
    roomy = [tinymux.Image(image.name, image.data, mtu=1500) for image in board.images]  # 1,280 and up have IPv6
    with tinymux.Bridge(tinymux.SimulatedBoard(image=roomy)) as bridge:
        time.sleep(1.5)
        assert [node.counters.packets_out for node in bridge.nodes] == [0] * 16


def test_every_node_answers_ping_and_serves_the_page_that_names_it(board):
    with tinymux.Bridge(board) as bridge:
        for node in bridge.nodes:
            assert node.counters.packets_in == 0
            assert ping(node.address)
            status, page, _ = ask(f"{node.address}:80")
            assert status == 200
            assert f"iny {node.index}<".encode() in page
            # Echo reply, SYN+ACK, page, ACK of the FIN; the engine counts a packet after it has handed it over.
            assert eventually(lambda node=node: node.counters.packets_in == 4)
            counters = node.counters
            assert counters.packets_out >= counters.packets_in
            assert counters.bytes_in > len(page)
            assert counters.planes > 1000
            assert counters.dropped == 0


def test_a_reset_node_serves_again_and_its_neighbours_never_stop(board):
    with tinymux.Bridge(board) as bridge:
        before = [node.counters.resets for node in bridge.nodes]
        bridge.nodes[3].reset()
        assert ask(f"{bridge.nodes[4].address}:80")[0] == 200
        assert ask(f"{bridge.nodes[3].address}:80")[0] == 200
        after = [node.counters.resets for node in bridge.nodes]
        assert [a - b for a, b in zip(after, before, strict=True)] == [0, 0, 0, 1] + [0] * 12


def test_counters_stay_readable_and_stop_may_come_twice(board):
    bridge = tinymux.Bridge(board)
    with pytest.raises(TinymuxError, match="not running"):
        bridge.nodes[0].counters  # noqa: B018
    assert not bridge.running
    bridge.start()
    assert bridge.running
    with pytest.raises(TinymuxError, match="runs already"):
        bridge.start()
    assert ping(bridge.nodes[0].address)
    bridge.stop()
    bridge.stop()
    assert not bridge.running
    assert bridge.nodes[0].counters.packets_in == 1
    assert bridge.nodes[1].counters.packets_in == 0
    with pytest.raises(TinymuxError, match="not running"):
        bridge.nodes[0].reset()


def test_a_bridge_may_be_started_again_and_again(board):
    bridge = tinymux.Bridge(board)
    for _ in range(5):
        with bridge:
            assert bridge.nodes[7].counters.packets_in == 0
            assert ping(bridge.nodes[7].address)


def test_what_a_tiny_does_not_speak_is_dropped_and_the_next_page_is_served(board):
    with tinymux.Bridge(board) as bridge:
        address = str(bridge.nodes[5].address)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((address, 81), timeout=5)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
            datagrams.sendto(b"\xc0\xdb\xdc\xdd" * 20, (address, 80))
        assert not ping(address, size=1000, wait=1)  # more than an MTU: fragments
        assert ask(f"{address}:80")[0] == 200


def test_an_erased_chip_answers_nothing_and_the_others_serve(board):
    images = [None, *board.images[1:]]
    with tinymux.Bridge(tinymux.SimulatedBoard(image=images)) as bridge:
        assert not ping(bridge.nodes[0].address, count=2, wait=1)
        assert bridge.nodes[0].counters.packets_in == 0
        assert ask(f"{bridge.nodes[1].address}:80")[0] == 200


def test_a_silent_tiny_is_reset_at_growing_intervals(board, monkeypatch):
    monkeypatch.setattr("tinymux.watch.FIRST_PAUSE", 0.2)
    images = [None, *board.images[1:]]
    with tinymux.Bridge(tinymux.SimulatedBoard(image=images)) as bridge:
        before = bridge.nodes[0].counters.resets
        ping(bridge.nodes[0].address, count=12, wait=1)
        resets = bridge.nodes[0].counters.resets - before
        assert 1 <= resets <= 4
        assert [node.counters.resets for node in bridge.nodes[1:]] == [before] * 15
        bridge.check()


def test_pages_come_through_over_lanes_that_lose_bytes(board):
    poor = tinymux.SimulatedBoard(image=board.images, byte_loss=0.0005, lane_noise=0.00001, seed=7)
    with tinymux.Bridge(poor) as bridge:
        for node in bridge.nodes[:8]:  # TCP tries again after 1, 2, 4, 8, 16 s
            assert ask(f"{node.address}:80", seconds=60)[0] == 200


@pytest.mark.parametrize("error", [-100_000, 100_000])
def test_tinies_serve_at_either_end_of_their_oscillators_tolerance(board, error):
    with tinymux.Bridge(tinymux.SimulatedBoard(image=board.images, rc_error=error)) as bridge:
        assert ask(f"{bridge.nodes[9].address}:80")[0] == 200


def test_two_bridges_run_side_by_side(board):
    with (
        tinymux.Bridge(board, network="10.77.0.0/24") as one,
        tinymux.Bridge(tinymux.SimulatedBoard(paced=False), network="10.78.0.0/24", prefix="other") as two,
    ):
        assert len(interfaces("other")) == 16
        assert ask(f"{one.nodes[2].address}:80")[0] == ask(f"{two.nodes[2].address}:80")[0] == 200


def test_two_boards_make_thirty_two_nodes(board):
    with tinymux.Bridge(board, tinymux.SimulatedBoard(seed=1), network="10.77.0.0/24") as bridge:
        assert [node.index for node in bridge.nodes] == list(range(32))
        last = bridge.nodes[31]
        assert (last.board, last.lane, last.interface, str(last.address)) == (1, 15, "tmx31", "10.77.0.47")
        assert ask(f"{last.address}:80")[0] == 200
        assert last.counters.packets_in > 0
        assert bridge.nodes[15].counters.packets_in == 0


def plain_tcp():
    return [(Path("/proc/sys/net/ipv4") / name).read_text().strip() for name in PLAIN_TCP]


def test_a_named_namespace_is_made_with_plain_tcp_and_removed(board, named_namespace):
    here = plain_tcp()
    with tinymux.Bridge(board, netns=named_namespace) as bridge:
        assert interfaces() == {}
        assert plain_tcp() == here
        with bridge.namespace.inside():
            assert len(interfaces()) == 16
            assert plain_tcp() == ["0"] * 3
            assert ask(f"{bridge.nodes[6].address}:80")[0] == 200
            assert ping("127.0.0.1")
    assert not (Path("/run/netns") / named_namespace).exists()


@pytest.mark.parametrize("plain", [None, True, False])
def test_a_namespace_that_is_given_is_kept_as_it_was(board, named_namespace, plain):
    with Namespace(named_namespace) as given:
        with given.inside():
            before = plain_tcp(), state()
        with tinymux.Bridge(board, netns=named_namespace, plain_tcp=plain) as bridge, bridge.namespace.inside():
            assert plain_tcp() == (["0"] * 3 if plain else before[0])
            assert len(interfaces()) == 16
        with given.inside():
            assert (plain_tcp(), state()) == before


class Broken(Exception):
    pass


def broken(*_, **__):
    raise Broken


@pytest.mark.parametrize(
    ("where", "step"),
    [
        (tinymux.SimulatedBoard, "open"),
        (tinymux.Bridge, "_add"),
        (tinymux.bridge, "Watch"),
        (tuns, "_configure"),
        (tuns.os, "set_inheritable"),
    ],
)
def test_a_start_that_fails_halfway_leaves_nothing(board, monkeypatch, where, step):
    bridge = tinymux.Bridge(board)
    with monkeypatch.context() as patched:
        patched.setattr(where, step, broken)
        with pytest.raises(Broken):
            bridge.start()
    assert not bridge.running
    assert interfaces() == {}
    with bridge:
        assert ping(bridge.nodes[0].address)


def test_a_failed_start_leaves_no_namespace(board, monkeypatch, named_namespace):
    monkeypatch.setattr(tinymux.SimulatedBoard, "open", broken)
    with pytest.raises(Broken):
        tinymux.Bridge(board, netns=named_namespace).start()


def test_no_file_descriptor_and_no_thread_is_left(board):
    def count():
        return len(os.listdir("/proc/self/fd")), len(os.listdir("/proc/self/task"))

    with tinymux.Bridge(board):
        pass
    before = count()
    for _ in range(3):
        with tinymux.Bridge(board):
            pass
        with pytest.raises(TinymuxError):
            tinymux.Bridge(board, options={"gap": 1000}).start()
    assert count() == before


def test_options_of_the_engine_are_passed_on_or_refused(board):
    with tinymux.Bridge(board, options={"gap": 4, "offload_acks": 0}) as bridge:
        assert ask(f"{bridge.nodes[0].address}:80")[0] == 200
        assert bridge.nodes[0].counters.lane["acks_offloaded"] == 0
    with pytest.raises(TinymuxError, match="no option 'gaps'"):
        tinymux.Bridge(board, options={"gaps": 4}).start()


def test_bare_acks_are_offloaded_for_images_without_tcp_state_only():
    server = server_images(1)[0]
    images = [server, replace(server, stateless=False), *[None] * 14]
    with tinymux.Bridge(tinymux.SimulatedBoard(images)) as bridge:
        for node in bridge.nodes[:2]:
            assert ask(f"{node.address}:80")[0] == 200
        offloaded = [node.counters.lane["acks_offloaded"] for node in bridge.nodes[:2]]
    assert offloaded[0] > 0 and offloaded[1] == 0


def test_a_killed_process_leaves_no_interface():
    program = "import time, tinymux\nwith tinymux.Bridge(tinymux.SimulatedBoard()):\n print(flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE) as child:
        assert child.stdout.readline()
        assert len(interfaces()) == 16
        child.send_signal(signal.SIGKILL)
    assert eventually(lambda: interfaces() == {})


@pytest.mark.parametrize(
    ("network", "reason"),
    [
        ("10.16.0.0/28", "no room for 16 nodes: give a /27 or larger"),
        ("10.16.0.5/24", "write 10.16.0.0/24"),
        ("fd00::/64", "is no IPv4 network"),
        ("ten", "is no IPv4 network"),
        ("127.0.0.0/8", "reserved"),
        ("224.0.0.0/24", "reserved"),
    ],
)
def test_networks_that_cannot_be_are_refused(board, network, reason):
    with pytest.raises(NetworkError, match=reason):
        tinymux.Bridge(board, network=network)


@pytest.mark.parametrize("route", ["10.16.0.0/16", "10.16.0.20/32", "10.16.0.0/24"])
def test_a_network_that_is_routed_already_is_refused(board, route):
    with IPRoute() as routes, contextlib.ExitStack() as stack:
        routes.route("add", dst=route, oif=1)
        stack.callback(routes.route, "del", dst=route, oif=1)
        with pytest.raises(NetworkError, match=rf"routes {route} through lo already; choose another --network"):
            tinymux.Bridge(board).start()


def test_a_default_route_in_halves_is_no_hindrance(board):
    with IPRoute() as routes, contextlib.ExitStack() as stack:
        for half in ("0.0.0.0/1", "128.0.0.0/1"):
            routes.route("add", dst=half, oif=1)
            stack.callback(routes.route, "del", dst=half, oif=1)
        with tinymux.Bridge(board) as bridge:
            assert ping(bridge.nodes[0].address)


def test_a_second_bridge_on_the_same_names_or_network_is_refused_and_the_first_goes_on(board):
    with tinymux.Bridge(board) as first:
        with pytest.raises(NetworkError, match="an interface tmx0 is there already"):
            tinymux.Bridge(board, network="10.78.0.0/24").start()
        with pytest.raises(NetworkError, match=r"10\.16\.0\.0/24 is in use: this host routes 10\.16\.0\."):
            tinymux.Bridge(board, prefix="other").start()
        assert ping(first.nodes[0].address)


@pytest.mark.parametrize("prefix", ["", "3com", "has space", "waytoolongprefix", "a/b"])
def test_prefixes_that_cannot_name_an_interface_are_refused(board, prefix):
    with pytest.raises(NetworkError, match="cannot begin interface names"):
        tinymux.Bridge(board, prefix=prefix)


def test_a_bridge_without_a_board_is_refused():
    with pytest.raises(BoardError, match="needs a board"):
        tinymux.Bridge()


@pytest.mark.parametrize("name", ["../x", "a b", "", ".."])
def test_names_that_no_namespace_has_are_refused(board, name):
    with pytest.raises(NetworkError, match="cannot be the name"):
        tinymux.Bridge(board, netns=name).start()


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"image": [None] * 15}, "one image for all or 16, not 15"),
        ({"rc_error": 200_000}, "rc_error"),
        ({"rc_error": [0] * 3}, "rc_error"),
        ({"lane_noise": 1.5}, "lane_noise is a probability"),
        ({"byte_loss": -1}, "byte_loss is a probability"),
        ({"seed": -1}, "seed"),
        ({"serial": "xyz"}, "20 hex digits"),
        ({"image": bytes(1025)}, "too large"),
    ],
)
def test_boards_that_cannot_be_are_refused_before_anything_is_made(settings, reason):
    with pytest.raises(TinymuxError, match=reason):
        tinymux.SimulatedBoard(**settings)
