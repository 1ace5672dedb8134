"""The USB transport (ext/usb) on a real kernel's stack, against the pump firmware in the simulated board."""

from __future__ import annotations

import ctypes
import errno
import gc
import os
import threading
import time

import pytest
from conftest import until
from measure import BUDGET, planes_per_s
from plug import Plug
from transport import FULL, IDLE, OP, PLANES, Driver

from tinymux._usb import DEPTH, Link
from tinymux.boards import UsbBoard
from tinymux.boards.usb import SYSFS
from tinymux.errors import BoardError

REFUSED = bytes([OP["REFUSED"], 0])
GET_STATUS, SET_FEATURE, SET_INTERFACE, ENDPOINT_HALT = 0, 3, 11, 0  # USB 2.0 tables 9-4, 9-6
EP_OUT, EP_IN = 0x01, 0x82


def both(planes: int) -> bytes:
    return bytes([OP["BOTH"], planes]) + b"\xff" * (2 * planes)


@pytest.fixture
def driver(link: Link) -> Driver:
    return Driver(link)


def settled(driver: Driver) -> dict[str, int]:
    counts = driver.link.counters()
    assert counts["flying"] == 0, "transfers are left over"
    return counts


def test_every_packet_has_one_answer_of_its_size_in_order(driver: Driver) -> None:
    sent = [both(1 + n % PLANES) for n in range(0, 60, 7)]
    sent += [bytes([OP["TX"], 3]) + b"\xff" * 6, bytes([OP["RX"], 9]), FULL, bytes([OP["RX"], PLANES]), IDLE, FULL]
    for packet in sent:
        assert driver.submit(packet) == 0
    answers = driver.wait(len(sent))
    assert [(a[0], a[1]) for a in answers] == [(p[0], 1 if p[0] == OP["IDLE"] else p[1]) for p in sent]
    assert [len(a) for a in answers] == [{OP["TX"]: 2, OP["IDLE"]: 6}.get(p[0], 2 + 2 * p[1]) for p in sent]
    assert settled(driver)["lost"] == 0


def test_full_packets_share_transfers_and_need_no_zlp(driver: Driver) -> None:
    for _ in range(40):
        assert driver.submit(FULL) == 0
    assert driver.wait(40) == [FULL] * 40
    counts = settled(driver)
    assert counts["transfers_in"] <= 14
    assert counts["transfers_out"] <= 14


def test_no_more_than_depth_packets_are_under_way(driver: Driver) -> None:
    results = [driver.submit(IDLE) for _ in range(DEPTH + 1)]
    assert results == [0] * DEPTH + [-errno.EAGAIN]
    assert len(driver.wait(DEPTH)) == DEPTH


def test_nothing_is_asked_of_the_bus_while_no_packet_is_owed(driver: Driver) -> None:
    driver.ask(FULL)
    counts = settled(driver)
    assert driver.wait(1, 0.3) == []
    assert driver.link.counters() == counts


def test_requests_pass_between_packets(driver: Driver) -> None:
    before = driver.status()["packets"]
    for _ in range(16):
        driver.submit(FULL)
    driver.control(0xC0, 1, length=4)
    assert len(driver.wait(16)) == 16
    assert driver.status()["packets"] == before + 16
    with pytest.raises(OSError, match="control") as refused:
        driver.control(0xC0, 99, length=4)
    assert refused.value.errno == errno.EPIPE


@pytest.mark.parametrize("endpoint", [EP_OUT, EP_IN])
def test_a_stall_is_cleared_and_its_packets_are_answered_as_refused(driver: Driver, endpoint: int) -> None:
    driver.control(0x02, SET_FEATURE, ENDPOINT_HALT, endpoint)
    for _ in range(3):
        driver.submit(FULL)
    assert driver.wait(3) == [REFUSED] * 3
    assert driver.ask(FULL) == FULL
    counts = settled(driver)
    assert (counts["recoveries"], counts["lost"]) == (1, 3)


@pytest.mark.parametrize("endpoint", [EP_OUT, EP_IN])
def test_setting_the_interface_ends_a_halt(driver: Driver, endpoint: int) -> None:
    driver.control(0x02, SET_FEATURE, ENDPOINT_HALT, endpoint)
    assert driver.control(0x82, GET_STATUS, 0, endpoint, 2) == b"\1\0"
    driver.control(0x01, SET_INTERFACE)
    assert driver.control(0x82, GET_STATUS, 0, endpoint, 2) == b"\0\0"


def test_an_answer_that_is_lost_costs_a_second_and_nothing_else(driver: Driver, plug: Plug) -> None:
    plug.fault("lose", 1)
    started = time.monotonic()
    assert driver.ask(FULL) == REFUSED
    assert 0.9 < time.monotonic() - started < 2
    assert driver.ask(FULL) == FULL
    assert settled(driver)["lost"] == 1


def test_a_board_opened_anew_answers_nothing_of_before(board: UsbBoard) -> None:
    first = Driver(board.link())
    for _ in range(20):
        first.submit(FULL)
    first.service()
    first.link.close()
    again = Driver(board.link())
    assert again.ask(both(5)) == both(5)
    again.link.close()


@pytest.mark.parametrize(
    ("fault", "reason"), [("stall", errno.EPIPE), ("babble", errno.EOVERFLOW), ("hang", errno.ETIMEDOUT)]
)
def test_a_board_that_keeps_failing_is_gone_and_says_why(driver: Driver, plug: Plug, fault: str, reason: int) -> None:
    driver.ask(FULL)
    plug.fault(fault)
    driver.submit(FULL)
    driver.wait(100, 4)
    assert driver.link.fault == reason
    assert driver.submit(FULL) == -errno.ENODEV
    driver.link.close()
    assert settled(driver)


@pytest.mark.parametrize("flying", [0, DEPTH])
def test_unplugged_with_transfers_in_flight_and_without(driver: Driver, plug: Plug, flying: int) -> None:
    plug.fault("hang")  # so that they stay in flight
    for _ in range(flying):
        driver.submit(FULL)
    driver.service()
    plug.unplug()
    driver.wait(DEPTH + 1, 0.9)
    assert driver.link.fault == errno.ENODEV
    assert driver.service() == -errno.ENODEV
    with pytest.raises(OSError, match="control"):
        driver.status()
    driver.link.close()
    assert settled(driver)


def test_unplugged_during_a_request(driver: Driver, plug: Plug) -> None:
    plug.fault("mute")
    failures: list[OSError] = []

    def ask() -> None:
        try:
            driver.status()
        except OSError as error:
            failures.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    time.sleep(0.2)
    plug.unplug()
    thread.join(3)
    assert not thread.is_alive()
    assert [failure.errno for failure in failures] == [errno.ENODEV]


def test_unplugged_while_it_is_opened(board: UsbBoard, plug: Plug) -> None:
    plug.fault("mute")
    threading.Timer(0.1, plug.unplug).start()
    with pytest.raises(BoardError, match=r"is not there any more|does not answer"):
        board.link()
    until(lambda: not plug.plugged)


def test_suspended_while_nobody_uses_it_and_never_in_use(board: UsbBoard, plug: Plug) -> None:
    power = SYSFS / board.path / "power"

    def status() -> str:
        return (power / "runtime_status").read_text().strip()

    (power / "autosuspend_delay_ms").write_text("0")
    (power / "control").write_text("auto")
    for _ in range(2):
        assert until(lambda: status() == "suspended")
        driver = Driver(board.link())
        assert driver.ask(FULL) == FULL
        time.sleep(0.1)
        assert status() == "active"
        assert driver.ask(FULL) == FULL
        driver.link.close()
    (power / "control").write_text("on")


def test_two_boards_at_once_are_both_at_full_rate(plug: Plug, second: Plug) -> None:
    assert min(planes_per_s(plug, second, windows=3)) >= 0.95 * BUDGET


class Mallinfo(ctypes.Structure):
    """struct mallinfo2, mallinfo(3): ten sizes."""

    _fields_ = tuple((f"size{number}", ctypes.c_size_t) for number in range(10))
    MAPPED, USED = "size4", "size7"  # hblkhd, uordblks


def used() -> tuple[int, int]:
    """Open files, bytes that are allocated; not what the process is made of, which comes and goes as the heap likes."""
    gc.collect()
    mallinfo = ctypes.CDLL(None).mallinfo2
    mallinfo.restype = Mallinfo
    now = mallinfo()
    return len(os.listdir("/proc/self/fd")), getattr(now, Mallinfo.USED) + getattr(now, Mallinfo.MAPPED)


def test_files_and_memory_are_given_back(board: UsbBoard) -> None:
    before = (0, 0)
    for turn in range(60):
        driver = Driver(board.link())
        for _ in range(turn % 40):
            driver.submit(FULL)
        driver.service()
        driver.link.close()
        if turn == 19:
            before = used()
    files, memory = used()
    assert files == before[0]
    assert memory - before[1] < 100_000  # the buffers of 40 links are 2 MB
