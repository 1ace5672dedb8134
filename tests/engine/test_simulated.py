"""The wire over the simulated board: the real pump firmware and the real server, in board time."""

from __future__ import annotations

import pytest
from model import ping

from tinymux import SimulatedBoard
from tinymux._engine import Wire

SPREAD = [round(-100_000 + lane * 200_000 / 15) for lane in range(16)]  # ppm: all that the datasheet allows


def started(rc_error: int | list[int] = 0, **options: int) -> Wire:
    opened = SimulatedBoard(paced=False, rc_error=rc_error).open()
    wire = Wire(opened.transport, opened.owner, **options)
    wire.run()
    return wire


def ask_all(wire: Wire, rounds: int) -> None:
    for number in range(rounds):
        for lane in range(16):
            wire.send(lane, ping(number))
    wire.run(seconds=1.0)
    got = wire.receive()
    for lane in range(16):
        answers = [packet for at, packet in got if at == lane]
        assert [answer[24:] for answer in answers] == [ping(number)[24:] for number in range(rounds)], f"lane {lane}"
        assert all(answer[12:21] == ping()[16:20] + ping()[12:16] + b"\0" for answer in answers)


@pytest.mark.parametrize("duplex", [0, 1])
@pytest.mark.parametrize("rc_error", [0, -100_000, 100_000, SPREAD], ids=["nominal", "slow", "fast", "spread"])
def test_every_tiny_answers_every_ping_whatever_its_oscillator(rc_error, duplex):
    wire = started(rc_error, duplex=duplex)
    ask_all(wire, 10)
    for lane in range(16):
        counters = wire.counters(lane)
        assert (counters["packets_out"], counters["silences"], counters["collisions"]) == (10, 0, 0)


def test_runs_that_go_one_way_are_used_and_save_time():
    seconds = {}
    for duplex in (0, 1):
        wire = started(duplex=duplex)
        start = wire.seconds
        ask_all(wire, 20)
        seconds[duplex] = wire.seconds - start
        board = wire.board_counters()
        assert bool(board["planes_tx"]) == bool(board["planes_rx"]) == bool(duplex)
    assert seconds[1] < 0.75 * seconds[0]


def test_noise_and_lost_bytes_do_no_lasting_harm():
    opened = SimulatedBoard(paced=False, lane_noise=1e-5, byte_loss=1e-3, seed=1).open()
    wire = Wire(opened.transport, opened.owner)
    wire.run()
    for number in range(30):
        for lane in range(16):
            wire.send(lane, ping(number))
        wire.run(seconds=0.1)
    answers = wire.receive()
    assert len(answers) > 0.8 * 30 * 16
    for lane in range(16):
        assert sum(at == lane for at, _ in answers) > 15
