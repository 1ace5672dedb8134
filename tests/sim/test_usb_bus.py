"""The host and the full-speed bus: frames, transactions and what they cost (USB 2.0, chapters 5 and 8)."""

from __future__ import annotations

import pytest
from boardbench import EAGAIN, ENODEV, EPIPE, ETIMEDOUT, MS, US, Board, firmware

NOTHING, SINK, SOURCE, BOTH, ECHO, INTERRUPTS = range(6)
OUT, IN = 1, 2
FULL = bytes(range(64))


@pytest.fixture
def usb(board) -> Board:
    """A device with one bulk endpoint each way, enumerated; its firmware is firmware/bulk.c."""
    board.new(firmware("bulk.c"))
    assert board.do("enumerate") == 0
    return board


def mode(usb, what: int) -> None:
    assert usb.control(0x40, 1, what) == (0, b"")


def stuff(usb, packets: int = 64) -> None:
    while packets and usb.out(OUT, FULL) == 0:
        packets -= 1


def rate(usb, out: bool, into: bool, ms: int = 20) -> tuple[float, float]:
    """Packets per frame, OUT and IN, with the queues of these ways kept full."""
    usb.do("credit", IN, into << 20)
    stuff(usb, 64 * out)
    usb.run(3 * MS)
    before = usb.get("packets-1"), usb.get("packets-18")
    end = usb.get("time") + ms * MS
    while (now := usb.get("time")) < end:
        stuff(usb, 64 * out)
        usb.run(min(end - now, MS // 2))
        while isinstance(usb.into(IN), bytes):
            pass
    return (usb.get("packets-1") - before[0]) / ms, (usb.get("packets-18") - before[1]) / ms


def test_enumeration_gives_address_and_configuration(usb):
    assert usb.get("attached") == 1
    assert usb.control(0x80, 6, 0x100, data=18)[1][:8].hex() == "12010002ff000010"
    assert usb.get("misuse") == 0
    assert usb.get("unknown") == 0
    assert usb.get("illegal") == 0


def test_no_device_no_enumeration(board):
    board.new()
    start = board.get("time")
    assert board.do("enumerate") == ENODEV
    assert board.get("time") - start == pytest.approx(2000 * MS, rel=0.01)


@pytest.mark.parametrize(("what", "out", "into"), [(SINK, 19, 0), (SOURCE, 0, 19)])
def test_one_way_19_packets_of_64_bytes_a_frame(usb, what, out, into):
    mode(usb, what)
    assert rate(usb, out > 0, into > 0) == (pytest.approx(out, abs=0.1), pytest.approx(into, abs=0.1))


def test_both_ways_share_the_frame(usb):
    mode(usb, BOTH)
    out, into = rate(usb, True, True)
    assert out + into == pytest.approx(19, abs=0.6)  # less what NAKs cost
    assert out == pytest.approx(into, abs=0.6)


def test_asking_an_endpoint_that_has_nothing_costs_the_other_one(usb):
    mode(usb, SINK)
    out, _ = rate(usb, True, True)
    assert out == pytest.approx(17, abs=0.5)  # 77 byte times and 8 for the NAK, in turn


def test_a_naked_out_costs_as_much_as_an_accepted_one(usb):
    stuff(usb)
    usb.run(5 * MS)
    naks = usb.get("naks-1")
    usb.run(10 * MS)
    assert usb.get("packets-1") == 2  # the banks
    assert usb.get("naks-1") - naks == 190


def test_a_naked_in_costs_eight_byte_times(usb):
    usb.do("credit", IN, 1)
    usb.run(5 * MS)
    naks = usb.get("naks-18")
    usb.run(10 * MS)
    # (1,500 - 6 for SOF - 77 that an answer might need) / 8, and the one that was begun
    assert usb.get("naks-18") - naks == pytest.approx(10 * 178, abs=10)


def test_without_work_the_bus_carries_frames_only(usb):
    before = usb.get("transactions")
    usb.run(100 * MS)
    assert usb.get("transactions") == before


def test_packets_come_back_in_order_and_whole(usb):
    mode(usb, ECHO)
    sent = [bytes((n + i) & 255 for i in range(n * 7 % 65)) for n in range(60)]
    usb.do("credit", IN, 60)
    for packet in sent:
        assert usb.out(OUT, packet) == 0
    got = []
    for _ in range(200):
        usb.run(1 * MS)
        while isinstance(packet := usb.into(IN), bytes):
            got.append(packet)
    assert got == sent
    assert b"" in got  # a ZLP is a packet
    assert usb.get("misuse") == 0


def test_run_stops_at_each_arrival(usb):
    mode(usb, ECHO)
    usb.do("credit", IN, 2)
    usb.out(OUT, b"a")
    usb.out(OUT, b"b")
    assert usb.run(50 * MS)
    assert usb.into(IN) == b"a"
    assert usb.into(IN) == EAGAIN
    assert usb.run(50 * MS)
    assert usb.into(IN) == b"b"
    start = usb.get("time")
    assert not usb.run(5 * MS)
    assert usb.get("time") - start == 5 * MS


def test_credits_bound_what_the_host_asks_for(usb):
    mode(usb, SOURCE)
    usb.do("credit", IN, 3)
    usb.run(2 * MS)
    usb.run(20 * MS)
    usb.run(20 * MS)
    assert [usb.into(IN)[0] for _ in range(3)] == [0, 1, 2]
    assert usb.into(IN) == EAGAIN


def test_the_out_queue_is_bounded(usb):
    assert [usb.out(OUT, b"") for _ in range(64)] == [0] * 64
    assert usb.out(OUT, b"") == EAGAIN
    assert usb.do("waiting", OUT) == 64


@pytest.mark.parametrize("latency_us", [0, 125, 2000])
def test_the_host_learns_of_packets_after_its_latency(board, latency_us):
    usb = board.new(firmware("bulk.c"), latency_us=latency_us)
    assert usb.do("enumerate") == 0
    mode(usb, ECHO)
    usb.do("credit", IN, 1)
    usb.out(OUT, FULL)
    start = usb.get("time")
    usb.run(1 * US)
    while usb.do("waiting", OUT) == 1:
        usb.run(1 * US)
    gone = usb.get("time") - start
    # the transaction itself takes 77 byte times, 51 us, and may have to wait for the next frame
    assert latency_us * US <= gone - 51 * US <= (latency_us + 60) * US
    assert usb.run(50 * MS) or isinstance(usb.into(IN), bytes)


def test_stall_halts_a_pipe_until_the_feature_is_cleared(usb):
    mode(usb, BOTH)
    assert usb.control(0x40, 2, 0b110) == (0, b"")
    usb.out(OUT, b"a")
    usb.do("credit", IN, 1)
    usb.run(5 * MS)
    usb.run(5 * MS)
    assert usb.out(OUT, b"a") == EPIPE
    while (got := usb.into(IN)) != EPIPE:
        assert isinstance(got, bytes)
    for endpoint in (0x01, 0x82):
        assert usb.control(0x02, 1, 0, endpoint) == (0, b"")
    assert usb.out(OUT, b"b") == 0
    usb.run(5 * MS)
    usb.run(5 * MS)
    assert usb.do("waiting", OUT) == 0
    assert isinstance(usb.into(IN), bytes)


def test_control_transfers_with_data_both_ways(usb):
    data = bytes(range(100))
    assert usb.control(0x40, 3, data=data) == (0, b"")
    assert usb.control(0xC0, 3, data=100) == (100, data)
    assert usb.control(0xC0, 3, data=32) == (32, data[:32])  # ends on a full packet
    assert usb.control(0xC0, 3, data=200) == (100, data)  # ends with a short one
    assert usb.control(0x40, 3, data=data[:16]) == (0, b"")
    assert usb.get("misuse") == 0


def test_control_stall_and_what_follows(usb):
    assert usb.control(0xC0, 99, data=4) == (EPIPE, b"")
    assert usb.control(0x80, 6, 0x300, data=4)[0] == EPIPE
    assert usb.control(0x80, 6, 0x100, data=18)[0] == 18


def test_a_request_that_is_never_answered_times_out_after_five_seconds(usb):
    start = usb.get("time")
    assert usb.control(0xC0, 4, data=4) == (ETIMEDOUT, b"")
    assert usb.get("time") - start == pytest.approx(5000 * MS, rel=0.001)
    assert usb.control(0x80, 6, 0x100, data=18)[0] == 18


def test_control_transfers_pass_while_bulk_is_busy(usb):
    mode(usb, BOTH)
    usb.do("credit", IN, 1000)
    stuff(usb)
    usb.run(2 * MS)
    assert usb.control(0xC0, 5, data=4)[0] == 4


def test_the_interrupt_of_an_endpoint(usb):
    mode(usb, INTERRUPTS)
    stuff(usb, 20)
    usb.run(10 * MS)
    assert usb.do("waiting", OUT) == 0
    assert usb.get("misuse") == 0


def counts(usb) -> list[int]:
    return list(usb.control(0xC0, 5, data=4)[1])


def test_a_frame_every_millisecond(usb):
    before = counts(usb)[0]
    usb.run(100 * MS)
    after = counts(usb)[0]
    assert (after - before) % 256 in (100, 101)


def frame(usb) -> int:
    return usb.peek(0xE4) | usb.peek(0xE5) << 8


def test_the_frame_number_counts_on_while_nobody_looks(usb):
    before = frame(usb)
    for ms in (1, 1, 500, 3000):
        usb.run(ms * MS)
        assert (frame(usb) - before) % 2048 == ms % 2048
        before = frame(usb)


def test_suspend_after_three_milliseconds_of_silence_and_resume(usb):
    before = counts(usb)
    usb.do("suspend")
    usb.run(2 * MS)
    assert usb.control(0xC0, 5, data=4)[0] == ENODEV
    usb.run(50 * MS)
    usb.do("resume")
    after = counts(usb)
    assert after[1] - before[1] == 1
    assert after[2] - before[2] == 1
    assert (after[0] - before[0]) % 256 < 5
    mode(usb, ECHO)  # address and configuration are kept
    usb.do("credit", IN, 1)
    usb.out(OUT, b"x")
    usb.run(5 * MS)
    assert usb.into(IN) == b"x"


def test_bus_reset_unconfigures(usb):
    mode(usb, ECHO)
    before = counts(usb)[3]
    usb.do("reset")
    usb.run(1 * MS)
    usb.out(OUT, b"x")
    usb.run(5 * MS)
    assert usb.do("waiting", OUT) == 1
    assert usb.do("enumerate") == 0
    assert counts(usb)[3] - before == 2


def test_unplugging_ends_everything_and_plugging_in_again_works(usb):
    mode(usb, ECHO)
    stuff(usb)
    usb.do("detach")
    assert usb.get("attached") == 0
    assert usb.control(0xC0, 5, data=4)[0] == ENODEV
    usb.run(10 * MS)
    assert usb.do("enumerate") == 0
    assert usb.do("waiting", OUT) == 0
    usb.do("credit", IN, 1)
    usb.out(OUT, b"again")
    usb.run(5 * MS)
    assert usb.into(IN) == b"again"


def test_slices_do_not_change_what_happens(board):
    def trace(slice_ps: int) -> list[int]:
        usb = board.new(firmware("bulk.c"))
        usb.do("enumerate")
        mode(usb, BOTH)
        usb.do("credit", IN, 30)
        stuff(usb)
        end = usb.get("time") + 4 * MS
        while usb.get("time") < end:
            usb.run(min(slice_ps, end - usb.get("time")))
        names = ("cycle", "pc", "packets-1", "naks-1", "packets-18", "naks-18", "transactions")
        return [usb.get(name) for name in names]

    # in slices of a microsecond there is no room to jump over a waiting loop
    assert trace(4 * MS) == trace(10 * US) == trace(333_333) == trace(1 * US)
