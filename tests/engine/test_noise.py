"""Noise: every single wrong bit costs at most the frame it hit and the next, and nothing wrong gets through."""

from __future__ import annotations

import random

import pytest
from model import Model, echoed, ping

from tinymux._engine import Wire

SIZE = 13  # with 12, one wrong bit makes an IPv6 packet of the right length, and that has no checksum


def started(library, **options) -> tuple[Model, Wire]:
    model = Model(library)
    wire = Wire(model.capsule, model, **options)
    wire.run()
    return model, wire


def ask(wire: Wire, number: int) -> list[bytes]:
    """One packet after another, as somebody who waits for each answer does."""
    wire.send(6, ping(number, SIZE))
    wire.run(20_000)
    return [packet for _, packet in wire.receive()]


@pytest.mark.parametrize(("who", "duplex", "step"), [("host", 1, 2), ("tiny", 1, 2), ("both", 1, 1), ("both", 0, 2)])
def test_one_wrong_bit_costs_at_most_the_frame_it_hit_and_the_next(model_library, who, duplex, step):
    model, wire = started(model_library, duplex=duplex)
    ask(wire, 0)
    start = model.plane
    ask(wire, 1)
    span = model.plane - start  # planes of one exchange
    worst = 0
    for plane in range(0, span + 40, step):
        model.flip(6, model.plane + plane, who)
        lost = 0
        for number in range(4):
            answers = ask(wire, number)
            assert all(answer == echoed(ping(number, SIZE)) for answer in answers) or number == 0
            lost += echoed(ping(number, SIZE)) not in answers
        worst = max(worst, lost)
        assert lost <= 2, f"plane {plane} of the exchange"
    assert worst <= 2
    assert wire.counters(6)["drop_collision"] <= 1


def test_many_wrong_bits_let_nothing_wrong_through_and_the_lane_recovers(model_library):
    noise = random.Random(1)
    model, wire = started(model_library)
    for _ in range(30):
        for _ in range(6):
            model.flip(6, model.plane + noise.randrange(3000), noise.choice(["host", "tiny", "both"]))
        for number in range(3):
            for answer in ask(wire, number):
                # The model checks no more than the header, and so does the engine: the payload may be damaged.
                assert answer[:20] == echoed(ping(number, SIZE))[:20]
        wire.run(20_000)
        wire.receive()
        assert ask(wire, 9) == [echoed(ping(9, SIZE))] or ask(wire, 9) == [echoed(ping(9, SIZE))]


def test_noise_on_one_lane_does_not_touch_its_neighbours(model_library):
    noise = random.Random(2)
    model, wire = started(model_library)
    for _ in range(60):
        model.flip(6, model.plane + noise.randrange(20_000))
    for number in range(10):
        for lane in range(16):
            wire.send(lane, ping(number, SIZE))
        wire.run(20_000)
    got = wire.receive()
    for lane in set(range(16)) - {6}:
        assert [packet for at, packet in got if at == lane] == [echoed(ping(number, SIZE)) for number in range(10)]
