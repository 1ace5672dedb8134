"""The pump firmware: planes per second under the full-speed frame budget, and its size."""

from __future__ import annotations

import pytest

from tinymux import _simulator
from tinymux._tables import PROTOCOL
from tinymux.images import ATMEGA32U4, firmware, load

OPCODES = PROTOCOL["opcodes"]
PLANES = PROTOCOL["packet"]["planes"]
EP_OUT, EP_IN = PROTOCOL["usb"]["ep_out"], PROTOCOL["usb"]["ep_in"]
RELEASED = b"\xff\xff"


def planes_per_second(opcode: int, packets: int) -> float:
    """Board-time rate of a run of full packets, kept as deep as a host controller would."""
    pump = load(firmware("pump.elf"), ATMEGA32U4)
    board = _simulator.Board(pump.data)
    board.enumerate()
    carries = opcode in (OPCODES["BOTH"], OPCODES["TX"])
    packet = bytes([opcode, PLANES]) + (RELEASED * PLANES if carries else b"")
    board.usb_credit(EP_IN, packets)
    sent = answered = 0
    start = board.time
    while answered < packets:
        while sent < packets and board.usb_out_waiting(EP_OUT) < 8:
            board.usb_out(EP_OUT, packet)
            sent += 1
        board.run(0.001)
        while (answer := board.usb_in(EP_IN)) is not None:
            assert answer[:2] == bytes([opcode, PLANES])
            answered += 1
        assert board.time - start < 5
    return packets * PLANES / (board.time - start)


@pytest.mark.parametrize(
    ("name", "key", "needed"),
    [
        ("BOTH", "pump_planes_per_s", ">= 290000"),
        ("TX", "pump_tx_planes_per_s", ""),
        ("RX", "pump_rx_planes_per_s", ""),
    ],
)
def test_planes_per_second(benchmark, figure, name, key, needed):
    rate = benchmark.pedantic(planes_per_second, args=(OPCODES[name], 5000), rounds=1)
    figure(key, rate, "planes/s, board time", needed)


def test_firmware_bytes(figure):
    figure("firmware_bytes", len(load(firmware("pump.elf"), ATMEGA32U4).data), "bytes of flash", "<= 2048")
