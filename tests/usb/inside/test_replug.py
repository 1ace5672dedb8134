"""Two boards in one Bridge, one of which goes away, hangs, or misbehaves: it comes back, and the other one goes on."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

import pytest
from conftest import OPTIONS, SERIALS, few, interfaces, plugs, present, told, until
from measure import LEAK, replugs
from pinging import Pinger
from plug import Plug

from tinymux import Bridge, TinymuxError, UsbBoard
from tinymux.boards import find, replug
from tinymux.boards.usb import plugged

LANES = 4  # of each
AWAY = 10.0  # s; longer than any return takes on a busy machine


@pytest.fixture(scope="module")
def bridge() -> Iterator[Bridge]:
    """Both boards, for all tests of this file."""
    ready = contextlib.contextmanager(plugs)
    with ready(0), ready(1):
        boards = [few(find(serial), LANES) for serial in SERIALS]
    with Bridge(*boards, options=OPTIONS) as up:
        yield up


@pytest.fixture(autouse=True)
def undisturbed(
    bridge: Bridge, plug: Plug, second: Plug, pinger: Pinger, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """Both answer before and after, on the same interfaces. A failure has nothing to do with that of the last test."""
    monkeypatch.setattr(replug, "STEADY", 0.0)
    before = interfaces()
    assert len(before) == 2 * LANES
    assert pinger.all_answer([bridge.nodes[2].address, bridge.nodes[LANES + 2].address], AWAY)
    yield
    for each in (plug, second):
        each.fault("none")
        if not each.plugged:
            each.plug()
    assert pinger.all_answer([node.address for node in bridge.nodes], 2 * AWAY)
    assert interfaces() == before
    bridge.check()


def paths() -> list[str]:
    return [board.path for board in plugged()]


def other_goes_on(bridge: Bridge, pinger: Pinger) -> bool:
    return pinger.all_answer([node.address for node in bridge.nodes[LANES:]], AWAY)


def test_a_replug_keeps_the_interfaces_and_the_packets_and_costs_one_line(
    bridge: Bridge, plug: Plug, pinger: Pinger, caplog: pytest.LogCaptureFixture
) -> None:
    node = bridge.nodes[3].address
    plug.unplug()
    assert until(lambda: present(0) is None)
    first = pinger.number + 1
    assert pinger.until_answer(node, 0.3) == float("inf")
    asked = set(range(first, pinger.number + 1))
    assert other_goes_on(bridge, pinger)
    plug.plug()
    assert until(lambda: pinger.answers(0.1) is None or asked <= pinger.answered, AWAY), "what was sent meanwhile"
    assert told(caplog) == [f"board {SERIALS[0]} unplugged; its interfaces stay"]
    assert sum("is back" in record.message for record in caplog.records) == 1


def test_it_may_come_back_at_another_port_when_chosen_by_serial(bridge: Bridge) -> None:
    board = find(SERIALS[0])
    elsewhere = UsbBoard(**{**vars(board), "path": "9-9"})
    assert board.same(elsewhere)
    by_path = find(board.path)
    assert by_path.chosen == "path"
    assert not by_path.same(elsewhere)


@pytest.mark.parametrize(
    ("fault", "reason"),
    [("hang", "does not answer"), ("stall", "stalls its endpoints"), ("babble", "sends more than a packet holds")],
)
def test_one_that_misbehaves_is_told_of_once_and_the_other_goes_on(
    bridge: Bridge,
    plug: Plug,
    pinger: Pinger,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    fault: str,
    reason: str,
) -> None:
    plug.fault(fault)
    line = f"board {SERIALS[0]} {reason}; its interfaces stay"
    assert until(lambda: pinger.ask(bridge.nodes[0].address) or line in told(caplog), AWAY)
    monkeypatch.setattr(replug, "STEADY", 60.0)
    assert other_goes_on(bridge, pinger)
    if fault == "babble":  # to a request it answers: it is back, and fails again
        resets = plug.count()["resets"]
        assert until(lambda: pinger.ask(bridge.nodes[0].address) or plug.count()["resets"] > resets + 1, AWAY)
        assert until(lambda: len(told(caplog)) == 2)
        assert told(caplog)[1] == f"board {SERIALS[0]} {reason} again: it is tried ever less often, and told of no more"
    assert told(caplog).count(line) == 1
    assert len(told(caplog)) <= 2, "that it is another firmware, or fails again, may be the second"


def test_one_that_hangs_is_reset_and_goes_on(
    bridge: Bridge, plug: Plug, pinger: Pinger, caplog: pytest.LogCaptureFixture
) -> None:
    plug.fault("hang", 1)  # until the next bus reset
    assert pinger.until_answer(bridge.nodes[0].address, AWAY) < AWAY
    assert told(caplog) in ([], [f"board {SERIALS[0]} does not answer; its interfaces stay"])


def test_one_that_does_not_come_back_from_its_reset_goes_without_power(
    bridge: Bridge, second: Plug, pinger: Pinger, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Behind a hub that can switch its ports; the kernel gives it up after its own attempts."""
    monkeypatch.setattr(replug, "RETURN", 3.0)
    second.fault("hang")
    path = find(SERIALS[1]).path
    switched = f"board {SERIALS[1]} does not come back: port {path} is switched"
    assert until(
        lambda: pinger.ask(bridge.nodes[LANES].address) or path not in [each.path for each in plugged()], 2 * AWAY
    )
    second.fault("hang", 1)
    assert until(lambda: switched in told(caplog), AWAY)
    assert pinger.until_answer(bridge.nodes[LANES].address, AWAY) < AWAY


def test_unplugged_during_a_request(bridge: Bridge, plug: Plug, caplog: pytest.LogCaptureFixture) -> None:
    plug.fault("mute")
    failures: list[TinymuxError] = []

    def ask() -> None:
        try:
            bridge.nodes[0].reset()
        except TinymuxError as error:
            failures.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join(0.2)
    plug.unplug()
    thread.join(AWAY)
    assert not thread.is_alive()
    assert len(failures) <= 1
    assert until(lambda: told(caplog), AWAY)
    assert told(caplog) == [f"board {SERIALS[0]} unplugged; its interfaces stay"]


def test_cycles_under_traffic_leak_nothing_and_traffic_is_back_within_a_second(bridge: Bridge, plug: Plug) -> None:
    """The quickest of a few, as this machine may be busy; the benchmark has the median of two hundred."""
    done = replugs(bridge, plug, 6)
    assert done["failure"] == ""
    assert done["files_more"] == 0
    assert done["bytes_more"] < LEAK
    assert done["back_s_min"] < 1.0
