"""The pump firmware as a USB device: enumeration, standard requests, vendor requests."""

from __future__ import annotations

import struct

import pytest
from pump_board import EP_IN, EP_OUT, OP, PROTOCOL, REQUEST, SERIAL, Board, Stall, run_of

USB = PROTOCOL["usb"]
DEVICE, CONFIGURATION, STRING = 0x0100, 0x0200, 0x0300
ENGLISH = 0x0409
GET, SET = 0x80, 0x00
INTERFACE, ENDPOINT = 1, 2
IN_ADDRESS = 0x80 | EP_IN

DEVICE_DESCRIPTOR = struct.pack(
    "<BBHBBBBHHHBBBB",
    *(18, 1, 0x0200, 0xFF, 0, 0, 64),
    *(USB["vendor_id"], USB["product_id"], PROTOCOL["version"]["firmware"], 1, 2, 3, 1),
)
CONFIGURATION_DESCRIPTOR = bytes(
    [
        *(9, 2, 32, 0, 1, 1, 0, 0x80, USB["current_ma"] // 2),
        *(9, 4, 0, 0, 2, 0xFF, 0, 0, 0),
        *(7, 5, EP_OUT, 2, 64, 0, 0),
        *(7, 5, IN_ADDRESS, 2, 64, 0, 0),
    ]
)


def string_descriptor(text: str) -> bytes:
    characters = text.encode("utf-16-le")
    return bytes([2 + len(characters), 3]) + characters


DESCRIPTORS = {
    DEVICE: DEVICE_DESCRIPTOR,
    CONFIGURATION: CONFIGURATION_DESCRIPTOR,
    STRING: bytes([4, 3]) + struct.pack("<H", ENGLISH),
    STRING | 1: string_descriptor(USB["manufacturer"]),
    STRING | 2: string_descriptor(USB["product"]),
    STRING | 3: string_descriptor(SERIAL.hex().upper()),
}


def stalls(board: Board, kind: int, request: int, value: int = 0, index: int = 0, length: int = 0) -> bool:
    """Whether it stalls; and EP0 must go on to work at once."""
    stalled = False
    try:
        board.control(kind, request, value, index, length)
    except Stall:
        stalled = True
    assert board.control(GET, 6, DEVICE, 0, 18) == DEVICE_DESCRIPTOR
    return stalled


def test_a_board_without_a_host_holds_all_tinies_in_reset(powered: Board) -> None:
    powered.run(200)
    assert powered.running == 0
    assert powered.driven_low() == 0


def test_it_connects_within_100_ms_of_vbus(powered: Board) -> None:
    powered.call("attach")
    powered.run(100)
    assert powered.call("attached")


@pytest.mark.parametrize("value", DESCRIPTORS, ids=hex)
def test_descriptors_byte_for_byte(board: Board, value: int) -> None:
    assert board.control(GET, 6, value, ENGLISH, 255) == DESCRIPTORS[value]


@pytest.mark.parametrize("length", [1, 2, 8, 9, 17, 18, 19, 64, 255, 4096])
def test_an_answer_is_clipped_to_what_the_host_asked_for(board: Board, length: int) -> None:
    assert board.control(GET, 6, DEVICE, 0, length) == DEVICE_DESCRIPTOR[:length]


def test_a_read_of_no_bytes_is_a_transfer_without_data(board: Board) -> None:
    assert board.control(GET, 6, DEVICE, 0, 0) == b""
    assert board.control(GET, 6, DEVICE, 0, 18) == DEVICE_DESCRIPTOR


@pytest.mark.parametrize("value", [0x0000, 0x0101, 0x0201, STRING | 4, STRING | 0xEE, 0x0400, 0x0500, 0x0600, 0x0F00])
def test_descriptors_that_do_not_exist_stall(board: Board, value: int) -> None:
    assert stalls(board, GET, 6, value, 0, 64)


def test_addresses_change_after_the_status_stage(board: Board) -> None:
    for address in (1, 127, 64):
        board.control(SET, 5, address)
        board.run(2)
        assert board.control(GET, 6, DEVICE, 0, 18) == DEVICE_DESCRIPTOR
    assert stalls(board, SET, 5, 128)


def test_configuration_is_told_as_set(board: Board) -> None:
    assert board.control(GET, 8, 0, 0, 1) == b"\x01"
    board.control(SET, 9, 0)
    assert board.control(GET, 8, 0, 0, 1) == b"\x00"
    assert stalls(board, SET, 9, 2)
    board.control(SET, 9, 1)
    assert board.exchange(run_of("TX", [0xFFFF])) == [bytes([OP["TX"], 1])]


def test_an_unconfigured_device_has_no_interface_and_no_bulk_endpoints(board: Board) -> None:
    board.control(SET, 9, 0)
    assert board.exchange(run_of("RX", 1), ms=20) == []
    assert stalls(board, GET | INTERFACE, 0, 0, 0, 2)
    assert stalls(board, GET | INTERFACE, 10, 0, 0, 1)
    assert stalls(board, GET | ENDPOINT, 0, 0, EP_OUT, 2)
    assert stalls(board, SET | INTERFACE, 11)
    assert board.control(GET | ENDPOINT, 0, 0, 0, 2) == bytes(2)


def test_status_of_device_interface_and_endpoints(board: Board) -> None:
    assert board.control(GET, 0, 0, 0, 2) == bytes(2)
    assert board.control(GET | INTERFACE, 0, 0, 0, 2) == bytes(2)
    assert stalls(board, GET | INTERFACE, 0, 0, 1, 2)
    for address in (0, 0x80, EP_OUT, IN_ADDRESS):
        assert board.control(GET | ENDPOINT, 0, 0, address, 2) == bytes(2)
    for address in (0x80 | EP_OUT, EP_IN, 3, 0x0101):
        assert stalls(board, GET | ENDPOINT, 0, 0, address, 2)


def test_interface_has_one_setting(board: Board) -> None:
    assert board.control(GET | INTERFACE, 10, 0, 0, 1) == b"\x00"
    board.control(SET | INTERFACE, 11, 0, 0)
    assert stalls(board, SET | INTERFACE, 11, 1, 0)
    assert stalls(board, SET | INTERFACE, 11, 0, 1)
    assert stalls(board, GET | INTERFACE, 10, 0, 1, 1)


@pytest.mark.parametrize("address", [EP_OUT, IN_ADDRESS])
def test_a_halted_endpoint_stalls_until_it_is_cleared(board: Board, address: int) -> None:
    board.control(SET | ENDPOINT, 3, 0, address)
    assert board.control(GET | ENDPOINT, 0, 0, address, 2) == b"\x01\x00"
    assert board.exchange(run_of("TX", [0xFFFF]), ms=20) == []
    board.control(SET | ENDPOINT, 1, 0, address)
    assert board.control(GET | ENDPOINT, 0, 0, address, 2) == b"\x00\x00"
    board.run(20)
    board.received()
    board.control(SET | INTERFACE, 11)
    assert board.exchange(run_of("TX", [0xFFFF, 0xFFFF])) == [bytes([OP["TX"], 2])]


@pytest.mark.parametrize("address", [EP_OUT, IN_ADDRESS])
@pytest.mark.parametrize("request_", [(SET, 9, 1), (SET | INTERFACE, 11, 0)], ids=["configuration", "interface"])
def test_a_clean_start_ends_a_halt(board: Board, address: int, request_: tuple[int, int, int]) -> None:
    """USB 2.0 section 9.4.5: of any endpoint that SET_CONFIGURATION or SET_INTERFACE concern, halted or not."""
    board.control(SET | ENDPOINT, 3, 0, address)
    board.control(*request_)
    assert board.control(GET | ENDPOINT, 0, 0, address, 2) == b"\x00\x00"
    assert board.exchange(run_of("TX", [0xFFFF])) == [bytes([OP["TX"], 1])]


def test_features_that_do_not_exist_stall(board: Board) -> None:
    assert stalls(board, SET | ENDPOINT, 3, 1, EP_OUT)
    assert stalls(board, SET | ENDPOINT, 3, 0, 0)
    assert stalls(board, SET | ENDPOINT, 3, 0, 3)
    assert stalls(board, SET, 3, 1)
    assert stalls(board, SET, 1, 1)
    assert stalls(board, SET, 3, 2)


def test_unknown_requests_stall(board: Board) -> None:
    for kind in (GET, GET | INTERFACE, GET | ENDPOINT, 0xA0, 0xA1, 0xC0, 0xC1, 0xC2, 0xE0):
        assert stalls(board, kind, 0x77, 0, 0, 8)
    for kind in (SET, SET | INTERFACE, SET | ENDPOINT, 0x20, 0x21, 0x40, 0x41, 0x42, 0x60):
        assert stalls(board, kind, 0x77)
    assert stalls(board, SET, 7, DEVICE, 0, 0)  # SET_DESCRIPTOR
    assert stalls(board, SET | ENDPOINT, 12)  # SYNCH_FRAME


def test_nothing_takes_data(board: Board) -> None:
    for kind, request in ((SET, 9), (0x40, REQUEST["RESETS"]), (0x40, REQUEST["PADDING"])):
        assert stalls(board, kind, request, 1, 1, 8)
    assert board.control(GET, 8, 0, 0, 1) == b"\x01"


# --- vendor requests ---


def test_version(board: Board) -> None:
    version = PROTOCOL["version"]
    expected = struct.pack("<BBH", version["protocol"], 16, version["firmware"])
    assert board.vendor_in("VERSION", 4) == expected
    assert board.vendor_in("VERSION", 2) == expected[:2]
    assert stalls(board, 0x40, REQUEST["VERSION"])


def test_padding_is_set_and_told_for_each_opcode(board: Board) -> None:
    for opcode in (OP["BOTH"], OP["TX"], OP["RX"], OP["IDLE"]):
        board.vendor_out("PADDING", 0x0100 * (opcode + 10) + opcode, opcode)
    for opcode in (OP["BOTH"], OP["TX"], OP["RX"], OP["IDLE"]):
        assert board.vendor_in("PADDING", 2, opcode) == bytes([opcode, opcode + 10])


@pytest.mark.parametrize("value", [0x0000, 0x0001, 0x0100, 0x00FF, 0xFF00])
def test_padding_of_no_loops_stalls_and_changes_nothing(board: Board, value: int) -> None:
    before = board.vendor_in("PADDING", 2, OP["BOTH"])
    assert stalls(board, 0x40, REQUEST["PADDING"], value, OP["BOTH"])
    assert board.vendor_in("PADDING", 2, OP["BOTH"]) == before


@pytest.mark.parametrize("opcode", [0, 5, 255, 0x0101, 0xFFFF])
def test_padding_of_an_unknown_opcode_stalls(board: Board, opcode: int) -> None:
    assert stalls(board, 0x40, REQUEST["PADDING"], 0x0101, opcode)
    assert stalls(board, 0xC0, REQUEST["PADDING"], 0, opcode, 2)


def test_status_counts_packets_refusals_and_bus_resets(board: Board) -> None:
    bus_resets, refused, resets, packets = board.status()
    assert (refused, resets, packets) == (0, PROTOCOL["power_on"]["resets"], 0)
    board.exchange(run_of("TX", [0xFFFF]), b"", run_of("RX", 3))
    assert board.status() == (bus_resets, 1, resets, 3)
    board.call("reset")
    board.plug_in()
    assert board.status()[0] > bus_resets
    assert stalls(board, 0x40, REQUEST["STATUS"])


def test_resets_reach_the_tinies_and_are_told(board: Board) -> None:
    for held in (0xFFFE, 0x7FFF, 0x0000, 0xA5C3, 0xFFFF):
        board.vendor_out("RESETS", held)
        assert board.running == held ^ 0xFFFF
        assert board.vendor_in("RESETS", 2) == struct.pack("<H", held)
        assert board.status()[2] == held
