"""Packets over lanes and back: the wire on the model board, whose tinies work one bit at a time."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from model import Model, echoed, exchange, ipv4, ping, tcp

from tinymux._engine import Wire
from tinymux.errors import BoardError, TinymuxError

STARTUP = 0x4000  # planes: beyond any start-up


def wire_on(model: Model, **options) -> Wire:
    wire = Wire(model.capsule, model, **options)
    wire.run()
    return wire


def test_starting_a_wire_releases_the_tinies_it_is_for(model):
    wire = Wire(model.capsule, model, lanes=[3, 5])
    assert model.resets == 0xFFFF & ~(1 << 3 | 1 << 5)
    wire.run()
    assert wire.seconds >= 0.07
    del wire
    assert model.resets == 0xFFFF


@pytest.mark.parametrize("lane", range(16))
def test_a_packet_comes_back_on_its_lane(model, lane):
    wire = wire_on(model)
    assert exchange(wire, lane, ping()) == [(lane, echoed(ping()))]
    counters = wire.counters(lane)
    assert (counters["packets_out"], counters["packets_in"], counters["bytes_in"]) == (1, 1, len(ping()))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    payload=st.one_of(
        st.binary(max_size=400), st.lists(st.sampled_from(b"\xc0\xdb\xdc\xdd\xff\0"), max_size=600).map(bytes)
    ),
    gap=st.integers(2, 7),
    depth=st.integers(1, 8),
    duplex=st.integers(0, 1),
    leading_end=st.integers(0, 1),
    talks_with_leading_end=st.integers(0, 1),
    pause=st.integers(0, 20),
    think=st.integers(0, 60),
)
def test_any_packet_survives_whatever_the_timing(
    model_library, payload, gap, depth, duplex, leading_end, talks_with_leading_end, pause, think
):
    model = Model(model_library)
    model.tune(7, leading_end=talks_with_leading_end, pause=pause, think=think)
    wire = wire_on(model, gap=gap, gap_tx=gap, depth=depth, duplex=duplex, leading_end=leading_end)
    for packet in (ipv4(payload), ping(1), ipv4(payload)):
        assert exchange(wire, 7, packet) == [(7, echoed(packet))]
    assert not any(wire.counters(7)[name] for name in ("collisions", "drop_slip", "drop_length", "drop_stalled"))


def test_sixteen_lanes_work_at_the_same_time_and_in_order(model):
    wire = wire_on(model)
    for number in range(20):
        for lane in range(16):
            wire.send(lane, ping(number, size=lane * 10))
    wire.run(400_000)
    got = wire.receive()
    for lane in range(16):
        assert [packet for at, packet in got if at == lane] == [echoed(ping(n, size=lane * 10)) for n in range(20)]


def test_an_answered_packet_takes_few_planes(model):
    """41 bytes of 12 planes, 33 planes of thinking, 41 bytes of 10: the rest is waiting, which must stay small."""
    wire = wire_on(model, duplex=0, on_packet=lambda lane, packet: wire.send(lane, ping()))
    for lane in range(16):
        wire.send(lane, ping())
    wire.run(100_000)
    planes = 100_000 / min(wire.counters(lane)["packets_in"] for lane in range(16))
    assert planes < 41 * 12 + 33 + 41 * 10 + 4 * 31 + 31


@pytest.mark.parametrize("late", [100, 500, 900])
def test_lanes_that_start_out_of_step_fall_into_step(model, late):
    wire = wire_on(model, on_packet=lambda lane, packet: wire.send(lane, ping()))
    for lane in range(10):
        wire.send(lane, ping())
    wire.run(late)
    for lane in range(10, 16):
        wire.send(lane, ping())
    wire.run(50_000)
    before = wire.board_counters()
    wire.run(20_000)
    after = wire.board_counters()
    assert after["planes_both"] - before["planes_both"] < 20_000 * 0.1
    assert after["planes_tx"] > before["planes_tx"]


def test_the_clock_stands_when_there_is_nothing_to_do(model):
    wire = wire_on(model)
    exchange(wire, 0, ping())
    before = model.plane
    assert wire.run(seconds=1.0) == 0
    assert model.plane == before


def test_a_lane_is_silent_long_enough_after_an_answer(model):
    wire = wire_on(model, turnaround=200, on_packet=lambda lane, packet: wire.send(lane, ping()))
    wire.send(0, ping())
    wire.run(100_000)
    assert 100_000 / wire.counters(0)["packets_in"] > 41 * 12 + 33 + 41 * 10 + 200


def test_bare_acks_are_followed_without_waiting_for_an_answer_and_can_be_offloaded(model_library):
    took = {}
    for offload in (0, 1):
        model = Model(model_library)
        model.tune(0, mute=1)
        wire = wire_on(model, offload_acks=offload, duplex=0)
        for packet in [tcp(0x10)] * 10 + [ping()]:
            wire.send(0, packet)
        took[offload] = wire.run(100_000)
        counters = wire.counters(0)
        assert (counters["acks_offloaded"], counters["packets_out"]) == (10 * offload, 11 - 10 * offload)
        assert model.saw(0, "frames") == counters["packets_out"]
    assert took[0] - took[1] < 10 * (41 * 12 + 64 + 31)


def test_a_packet_longer_than_the_mtu_is_dropped_both_ways(model):
    wire = wire_on(model, mtu=100)
    assert exchange(wire, 0, ping(size=200)) == []
    assert wire.counters(0)["drop_oversize"] == 1
    with pytest.raises(TinymuxError):
        wire.send(0, bytes(1501))
    assert exchange(wire, 0, ping()) == [(0, echoed(ping()))]


def test_silence_makes_a_lane_suspect_once_and_an_answer_clears_it(model):
    wire = wire_on(model, suspect=3)
    model.tune(2, mute=1)
    for number in range(5):
        assert exchange(wire, 2, ping(number)) == []
    assert (wire.counters(2)["silences"], wire.counters(2)["suspect"]) == (5, 1)
    model.tune(2, mute=0)
    assert len(exchange(wire, 2, ping())) == 1
    model.tune(2, mute=1)
    for number in range(3):
        exchange(wire, 2, ping(number))
    assert wire.counters(2)["suspect"] == 2


def test_packets_that_nobody_must_answer_make_no_lane_suspect(model):
    wire = wire_on(model)
    model.tune(2, mute=1)
    for packet in [tcp(0x10), tcp(0x04), ipv4(b"udp", protocol=17)] * 5:
        exchange(wire, 2, packet)
    assert (wire.counters(2)["packets_out"], wire.counters(2)["silences"]) == (15, 0)


def test_a_tiny_that_speaks_unasked_is_heard_while_the_clock_runs(model):
    wire = wire_on(model, scan_ms=1000)
    model.tune(4, chatter=300)
    exchange(wire, 9, ping())
    assert wire.counters(4)["packets_in"] == 1


@pytest.mark.parametrize("trouble", ["stuck_low", "jabber"])
def test_a_lane_that_makes_no_sense_leaves_the_others_alone(model, trouble):
    wire = wire_on(model, mtu=300)
    model.tune(1, **{trouble: 1})
    for number in range(60):
        assert (0, echoed(ping(number))) in exchange(wire, 0, ping(number))
    assert (wire.counters(1)["suspect"], wire.counters(1)["packets_in"]) == (1, 0)
    before = model.plane
    assert wire.run(seconds=0.1) == 0, "the clock may stop for a stuck lane"
    assert model.plane == before


def test_a_lane_that_was_stuck_works_again_when_it_is_free(model):
    wire = wire_on(model, mtu=300)
    model.tune(1, stuck_low=1)
    for number in range(60):
        exchange(wire, 0, ping(number))
    model.tune(1, stuck_low=0)
    exchange(wire, 0, ping())
    assert exchange(wire, 1, ping()) == [(1, echoed(ping()))]


def test_a_packet_that_the_board_refuses_is_sent_again(model):
    wire = wire_on(model)
    wire.send(0, ping())
    wire.send(1, ping())
    wire.run(200)
    model.refuse_next()
    wire.run(100_000)
    assert sorted(wire.receive()) == [(0, echoed(ping())), (1, echoed(ping()))]
    assert wire.board_counters()["bad_packets"] == 1


def test_a_board_that_goes_is_told(model):
    wire = wire_on(model)
    wire.send(0, ping())
    model.unplug()
    with pytest.raises(BoardError):
        wire.run(1000)


def test_the_same_calls_give_the_same_planes(model_library):
    traces = []
    for _ in range(2):
        model = Model(model_library)
        wire = wire_on(model)
        for lane in range(16):
            for number in range(5):
                wire.send(lane, ping(number, size=lane * 7))
        wire.run(50_000)
        traces.append((wire.receive(), wire.planes, wire.seconds, [wire.counters(lane) for lane in range(16)]))
    assert traces[0] == traces[1]


def test_what_on_packet_raises_comes_out_of_run(model):
    def fail(lane: int, packet: bytes) -> None:
        raise ZeroDivisionError

    wire = wire_on(model, on_packet=fail)
    wire.send(0, ping())
    with pytest.raises(ZeroDivisionError):
        wire.run(10_000)


@pytest.mark.parametrize("option", [{"gap": 8}, {"depth": 0}, {"mtu": 1501}, {"no_such": 1}, {"listen": -1}])
def test_wrong_options_are_refused(model, option):
    with pytest.raises(TinymuxError, match="option"):
        Wire(model.capsule, model, **option)


def test_wrong_lanes_are_refused(model):
    wire = wire_on(model)
    for lane in (-1, 16):
        with pytest.raises(BoardError):
            wire.send(lane, ping())
        with pytest.raises(BoardError):
            wire.counters(lane)
