"""Endpoint 0 and the bus events of the pump chip's USB controller, token by token: datasheet 7766J, 21 and 22."""

from __future__ import annotations

import pytest
from boardbench import ACK, NAK, SILENT, STALL, Board, R

GET = bytes.fromhex("8006000100004000")  # device descriptor, 64 bytes
PUT = bytes.fromhex("4001000000000a00")  # a vendor request with 10 bytes of data
SET = bytes.fromhex("0005050000000000")  # SET_ADDRESS, no data
SIZE_64 = 0x30
EVENTS = 0xFF & ~R.KILLBK


@pytest.fixture
def ep0(board) -> Board:
    """Endpoint 0, 64 bytes, selected."""
    usb = board.new().usb_on()
    usb.endpoint(0, 0, SIZE_64 | R.ALLOC)
    return usb


def flags(board) -> int:
    return board.peek(R.UEINTX)


def clear(board, bits: int) -> None:
    board.poke(R.UEINTX, 0xFF & ~bits)


def drain(board, count: int) -> bytes:
    return bytes(board.peek(R.UEDATX) for _ in range(count))


def test_a_setup_is_read_and_its_bank_cleared_by_rxstpi(ep0):
    assert flags(ep0) == R.TXINI
    assert ep0.setup(GET) == ACK
    assert flags(ep0) == R.RXSTPI  # neither TXINI nor RXOUTI (22.12)
    assert ep0.peek(R.UEBCLX) == 8
    assert ep0.peek(R.UESTA1X) & R.CTRLDIR
    assert drain(ep0, 8) == GET
    clear(ep0, R.RXSTPI)
    assert flags(ep0) == R.TXINI
    assert ep0.peek(R.UEBCLX) == 0


def test_until_the_setup_is_taken_everything_else_is_naked(ep0):
    ep0.setup(PUT)
    assert ep0.out_token(0, 1, b"x") == NAK
    assert ep0.in_token(0) == NAK
    assert flags(ep0) == R.RXSTPI | R.NAKOUTI | R.NAKINI


def test_control_read(ep0):
    ep0.setup(GET)
    drain(ep0, 8)
    clear(ep0, R.RXSTPI)
    assert ep0.in_token(0) == NAK
    ep0.poke(R.UEDATX, *bytes(range(64)))
    clear(ep0, R.TXINI)
    assert flags(ep0) & R.TXINI == 0
    assert ep0.in_token(0) == (1, bytes(range(64)))  # the data stage begins with DATA1
    assert flags(ep0) & R.TXINI
    ep0.poke(R.UEDATX, 1, 2)
    clear(ep0, R.TXINI)
    assert ep0.in_token(0) == (0, b"\1\2")
    # the status stage: the first OUT is always NAKed (22.12.2), the second accepted
    assert ep0.out_token(0, 1) == NAK
    assert flags(ep0) & R.NAKOUTI
    assert ep0.out_token(0, 1) == ACK
    assert flags(ep0) & (R.RXOUTI | R.TXINI) == R.RXOUTI | R.TXINI
    clear(ep0, R.RXOUTI)
    assert ep0.get("misuse") == 0


def test_a_host_that_stops_reading_early_erases_what_was_written(ep0):
    ep0.setup(GET)
    clear(ep0, R.RXSTPI)
    ep0.poke(R.UEDATX, 1, 2, 3)
    clear(ep0, R.TXINI)
    assert ep0.out_token(0, 1) == NAK
    assert ep0.in_token(0) == NAK  # erased
    clear(ep0, R.TXINI)  # "clearing TXINI has no effects"
    assert ep0.in_token(0) == NAK
    assert ep0.out_token(0, 1) == ACK
    assert flags(ep0) & R.RXOUTI


def test_control_write(ep0):
    ep0.setup(PUT)
    drain(ep0, 8)
    clear(ep0, R.RXSTPI)
    assert ep0.out_token(0, 1, b"01234567") == ACK
    assert flags(ep0) & R.RXOUTI
    assert ep0.out_token(0, 0, b"89") == NAK  # one bank only
    assert drain(ep0, 8) == b"01234567"
    clear(ep0, R.RXOUTI)
    assert ep0.out_token(0, 0, b"89") == ACK
    assert drain(ep0, 2) == b"89"
    clear(ep0, R.RXOUTI)
    assert ep0.in_token(0) == NAK  # tells the firmware that the status stage has begun
    assert flags(ep0) & R.NAKINI
    clear(ep0, R.TXINI)
    assert ep0.in_token(0) == (1, b"")  # the status stage is DATA1
    assert ep0.get("misuse") == 0


def test_request_without_data(ep0):
    ep0.setup(SET)
    clear(ep0, R.RXSTPI)
    clear(ep0, R.TXINI)
    assert ep0.in_token(0) == (1, b"")
    assert flags(ep0) == R.TXINI


def test_all_three_flags_at_once_answer_nothing(ep0):
    # A common way to begin: TXINI is 0 while RXSTPI stands, so clearing it sends nothing.
    ep0.setup(SET)
    clear(ep0, R.RXSTPI | R.RXOUTI | R.TXINI)
    assert flags(ep0) == R.TXINI
    assert ep0.in_token(0) == NAK


def test_stall_until_the_next_setup(ep0):
    ep0.setup(GET)
    clear(ep0, R.RXSTPI)
    ep0.poke(R.UECONX, R.EPEN | R.STALLRQ)
    assert ep0.in_token(0) == STALL
    assert ep0.out_token(0, 1) == STALL
    assert flags(ep0) & R.STALLEDI
    assert ep0.setup(SET) == ACK
    assert ep0.peek(R.UECONX) == R.EPEN
    assert flags(ep0) & (R.STALLEDI | R.RXSTPI) == R.RXSTPI
    clear(ep0, R.RXSTPI)
    assert ep0.in_token(0) == NAK


def test_a_setup_interrupts_a_transfer(ep0):
    ep0.setup(GET)
    clear(ep0, R.RXSTPI)
    ep0.poke(R.UEDATX, 9, 9, 9)
    clear(ep0, R.TXINI)
    assert ep0.setup(SET) == ACK
    assert flags(ep0) == R.RXSTPI
    assert drain(ep0, 8) == SET
    clear(ep0, R.RXSTPI)
    assert ep0.in_token(0) == NAK


def test_data_sent_again_is_dropped(ep0):
    ep0.setup(PUT)
    clear(ep0, R.RXSTPI)
    assert ep0.out_token(0, 1, b"abc") == ACK
    clear(ep0, R.RXOUTI)
    assert ep0.out_token(0, 1, b"abc") == ACK
    assert flags(ep0) & R.RXOUTI == 0


# --- the bus ---


def test_bus_reset_disables_all_but_endpoint_0_and_takes_the_address_back(ep0):
    ep0.endpoint(1, 0x80, SIZE_64 | R.ALLOC)
    ep0.poke(R.UDADDR, 5)
    ep0.poke(R.UDADDR, R.ADDEN | 5)
    ep0.out_token(1, 0, b"x", address=5)
    ep0.do("busreset")
    assert ep0.peek(R.UDINT) & R.EORSTI
    assert ep0.peek(R.UDADDR) == 0
    assert ep0.peek(R.UECONX) == 0
    assert ep0.peek(R.UECFG1X) == SIZE_64 | R.ALLOC  # the configuration is kept
    assert ep0.peek(R.UEINTX) == 0
    assert ep0.out_token(1, 0, b"x") == SILENT
    assert ep0.setup(GET) == ACK
    ep0.poke(R.UDINT, 0xFF & ~R.EORSTI)
    assert not ep0.peek(R.UDINT) & R.EORSTI


def test_rstcpu_resets_the_cpu_and_stays_attached(ep0):
    ep0.poke(R.UDCON, R.RSTCPU)
    ep0.poke(R.GPIOR0, 1)
    ep0.do("busreset")
    assert ep0.peek(R.GPIOR0) == 0
    assert ep0.get("resets") == 1
    assert not ep0.peek(R.UDCON) & R.DETACH


def test_start_of_frame_sets_sofi_and_the_number(ep0):
    ep0.do("frame", 0x5A5)
    assert ep0.peek(R.UDINT) & R.SOFI
    assert ep0.peek(R.UDFNUML) | ep0.peek(R.UDFNUMH) << 8 == 0x5A5
    ep0.poke(R.UDINT, 0)
    assert ep0.peek(R.UDINT) == 0


def test_suspend_and_wake_up_clear_each_other(ep0):
    ep0.do("idle")
    assert ep0.peek(R.UDINT) & (R.SUSPI | R.WAKEUPI) == R.SUSPI
    ep0.do("wake")
    assert ep0.peek(R.UDINT) & (R.SUSPI | R.WAKEUPI | R.EORSMI) == R.WAKEUPI | R.EORSMI


def test_wake_up_is_seen_with_the_clock_frozen(ep0):
    ep0.do("idle")
    ep0.poke(R.USBCON, R.USBE | R.OTGPADE | R.FRZCLK)
    ep0.do("wake")
    assert ep0.peek(R.UDINT) & R.WAKEUPI


def test_vbus_is_seen_through_its_pad(board):
    board.new().started()
    board.do("attach")
    assert board.peek(R.USBSTA) & R.VBUS == 0
    board.poke(R.USBCON, R.OTGPADE)
    assert board.peek(R.USBSTA) & R.VBUS
    board.do("detach")
    assert board.peek(R.USBSTA) & R.VBUS == 0
    assert board.peek(R.USBINT) & R.VBUSTI
    board.poke(R.USBINT, 0)
    assert board.peek(R.USBINT) == 0


@pytest.mark.parametrize(
    ("register", "value"),
    [(R.UHWCON, 0), (R.USBCON, 0), (R.UDCON, R.DETACH)],
)
def test_the_pull_up_needs_regulator_macro_and_attach(ep0, register, value):
    assert ep0.setup(GET) == ACK
    ep0.poke(register, value)
    assert ep0.setup(GET) == SILENT
