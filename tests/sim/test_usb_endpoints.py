"""Bulk endpoints of the pump chip's USB controller, token by token: datasheet 7766J, sections 22.3 to 22.14."""

from __future__ import annotations

import pytest
from boardbench import ACK, MS, NAK, SILENT, STALL, Board, R

BULK, IN = 0x80, R.EPDIR_IN
ONE, TWO, SIZE_8, SIZE_64 = 0x00, 0x04, 0x00, 0x30
EVENTS = R.FIFOCON | R.NAKINI | R.RWAL | R.NAKOUTI | R.RXSTPI | R.RXOUTI | R.STALLEDI | R.TXINI
FREE_OUT = EVENTS & ~(R.RXOUTI | R.FIFOCON)
SEND_IN = EVENTS & ~(R.TXINI | R.FIFOCON | R.KILLBK)


@pytest.fixture
def usb(board) -> Board:
    return board.new().usb_on()


@pytest.fixture
def out(usb) -> Board:
    """Endpoint 1: bulk OUT, 64 bytes, two banks; selected."""
    usb.endpoint(1, BULK, SIZE_64 | TWO | R.ALLOC)
    return usb


@pytest.fixture
def into(usb) -> Board:
    """Endpoint 2: bulk IN, 64 bytes, two banks; selected."""
    usb.endpoint(2, BULK | IN, SIZE_64 | TWO | R.ALLOC)
    return usb


def flags(board) -> int:
    return board.peek(R.UEINTX)


def busy(board) -> int:
    return board.peek(R.UESTA0X) & 3


def fill(board, data: bytes) -> None:
    board.poke(R.UEDATX, *data)


def drain(board, count: int) -> bytes:
    return bytes(board.peek(R.UEDATX) for _ in range(count))


# --- OUT ---


def test_an_empty_out_endpoint_has_no_flags(out):
    assert flags(out) == 0
    assert busy(out) == 0


def test_a_packet_sets_rxouti_fifocon_and_rwal(out):
    assert out.out_token(1, 0, b"abc") == ACK
    assert flags(out) == R.RXOUTI | R.FIFOCON | R.RWAL
    assert out.peek(R.UEBCLX) == 3
    assert drain(out, 3) == b"abc"
    assert flags(out) == R.RXOUTI | R.FIFOCON  # RWAL falls when the bank is empty
    assert out.peek(R.UEBCLX) == 0


def test_two_banks_take_two_packets_and_nak_the_third(out):
    assert [out.out_token(1, toggle, data) for toggle, data in ((0, b"a"), (1, b"bb"), (0, b"ccc"))] == [ACK, ACK, NAK]
    assert busy(out) == 2
    assert flags(out) & R.NAKOUTI
    assert drain(out, 1) == b"a"
    out.poke(R.UEINTX, FREE_OUT)
    # the next bank was ready: RXOUTI and FIFOCON stand at once
    assert flags(out) == R.RXOUTI | R.FIFOCON | R.RWAL | R.NAKOUTI
    assert busy(out) == 1
    assert out.out_token(1, 0, b"ccc") == ACK
    assert drain(out, 2) == b"bb"
    out.poke(R.UEINTX, FREE_OUT)
    assert drain(out, 3) == b"ccc"
    out.poke(R.UEINTX, FREE_OUT)
    assert flags(out) & (R.RXOUTI | R.FIFOCON) == 0
    assert out.get("misuse") == 0


def test_clearing_rxouti_alone_keeps_the_bank(out):
    out.out_token(1, 0, b"a")
    out.poke(R.UEINTX, EVENTS & ~R.RXOUTI)
    assert flags(out) == R.FIFOCON | R.RWAL
    assert busy(out) == 1
    assert drain(out, 1) == b"a"


def test_writing_ones_to_ueintx_changes_nothing(out):
    out.out_token(1, 0, b"a")
    out.poke(R.UEINTX, 0xFF)
    assert flags(out) == R.RXOUTI | R.FIFOCON | R.RWAL


def test_freeing_a_bank_with_rxouti_set_is_misuse(out):
    out.out_token(1, 0, b"a")
    out.poke(R.UEINTX, EVENTS & ~R.FIFOCON)
    assert out.get("misuse") == 1


def test_an_empty_packet_is_a_packet(out):
    assert out.out_token(1, 0) == ACK
    assert flags(out) == R.RXOUTI | R.FIFOCON
    assert out.peek(R.UEBCLX) == 0


def test_a_packet_sent_again_is_acknowledged_and_dropped(out):
    assert out.out_token(1, 0, b"a") == ACK
    assert out.out_token(1, 0, b"a") == ACK
    assert busy(out) == 1


def test_one_bank_naks_until_it_is_freed(usb):
    usb.endpoint(3, BULK, SIZE_8 | ONE | R.ALLOC)
    assert usb.out_token(3, 0, b"12345678") == ACK
    assert usb.out_token(3, 1, b"x") == NAK
    usb.poke(R.UEINTX, FREE_OUT)
    assert usb.out_token(3, 1, b"x") == ACK


def test_more_than_the_endpoint_holds_is_not_answered(usb):
    usb.endpoint(3, BULK, SIZE_8 | ONE | R.ALLOC)
    assert usb.out_token(3, 0, b"123456789") == SILENT


def test_reading_an_empty_bank_is_misuse(out):
    assert out.peek(R.UEDATX) == 0
    assert out.get("misuse") == 1


# --- IN ---


def test_an_empty_in_endpoint_offers_a_bank(into):
    assert flags(into) == R.TXINI | R.FIFOCON | R.RWAL
    assert into.in_token(2) == NAK
    assert flags(into) & R.NAKINI


def test_a_bank_goes_when_fifocon_is_cleared_and_the_next_is_offered(into):
    fill(into, b"abc")
    assert into.peek(R.UEBCLX) == 3
    assert into.in_token(2) == NAK  # not yet handed over
    into.poke(R.UEINTX, SEND_IN)
    assert flags(into) & (R.TXINI | R.FIFOCON | R.RWAL) == R.TXINI | R.FIFOCON | R.RWAL
    assert into.peek(R.UEBCLX) == 0
    assert busy(into) == 1
    assert into.in_token(2) == (0, b"abc")
    assert busy(into) == 0


def test_two_banks_wait_and_toggle(into):
    for data in (b"a", b"bb"):
        fill(into, data)
        into.poke(R.UEINTX, SEND_IN)
    assert flags(into) & (R.TXINI | R.FIFOCON | R.RWAL) == 0
    assert busy(into) == 2
    assert into.in_token(2) == (0, b"a")
    assert flags(into) & (R.TXINI | R.FIFOCON) == R.TXINI | R.FIFOCON
    fill(into, b"ccc")
    into.poke(R.UEINTX, SEND_IN)
    assert [into.in_token(2), into.in_token(2), into.in_token(2)] == [(1, b"bb"), (0, b"ccc"), NAK]
    assert into.get("misuse") == 0


def test_an_in_packet_without_handshake_is_sent_again(into):
    fill(into, b"a")
    into.poke(R.UEINTX, SEND_IN)
    assert into.in_token(2, ack=False) == (0, b"a")
    assert into.in_token(2) == (0, b"a")
    assert into.in_token(2) == NAK


def test_an_empty_in_packet(into):
    into.poke(R.UEINTX, SEND_IN)
    assert into.in_token(2) == (0, b"")


def test_rwal_falls_when_the_bank_is_full_and_more_is_misuse(into):
    fill(into, bytes(63))
    assert flags(into) & R.RWAL
    fill(into, b"x")
    assert not flags(into) & R.RWAL
    assert into.get("misuse") == 0
    fill(into, b"y")
    assert into.get("misuse") == 1
    into.poke(R.UEINTX, SEND_IN)
    assert into.in_token(2) == (0, bytes(63) + b"x")


def test_killbk_takes_back_the_bank_written_last(into):
    for data in (b"a", b"b"):
        fill(into, data)
        into.poke(R.UEINTX, SEND_IN)
    into.poke(R.UEINTX, EVENTS)  # KILLBK is the bit of RXOUTI
    assert busy(into) == 1
    assert into.in_token(2) == (0, b"a")
    assert into.in_token(2) == NAK


def test_sending_with_killbk_set_loses_the_packet_and_is_misuse(into):
    fill(into, b"a")
    into.poke(R.UEINTX, EVENTS & ~(R.TXINI | R.FIFOCON))
    assert into.in_token(2) == NAK
    assert into.get("misuse") == 1


def test_sending_with_txini_set_is_misuse(into):
    into.poke(R.UEINTX, EVENTS & ~(R.FIFOCON | R.KILLBK))
    assert into.get("misuse") == 1


# --- both ---


@pytest.mark.parametrize("direction", [0, IN])
def test_stall_until_it_is_taken_back(usb, direction):
    usb.endpoint(1, BULK | direction, SIZE_64 | TWO | R.ALLOC)
    token = (lambda: usb.in_token(1)) if direction else (lambda: usb.out_token(1, 0, b"a"))
    usb.poke(R.UECONX, R.EPEN | R.STALLRQ)
    assert usb.peek(R.UECONX) == R.EPEN | R.STALLRQ
    assert token() == STALL
    assert flags(usb) & R.STALLEDI
    usb.poke(R.UECONX, R.EPEN | R.STALLRQC)
    assert usb.peek(R.UECONX) == R.EPEN
    assert token() == (NAK if direction else ACK)


def test_rstdt_begins_again_with_data0(into):
    for _ in range(2):
        fill(into, b"a")
        into.poke(R.UEINTX, SEND_IN)
        assert into.in_token(2) == (0, b"a")
        into.poke(R.UECONX, R.EPEN | R.RSTDT)


def test_uerst_empties_the_banks_and_keeps_configuration_and_toggle(into):
    fill(into, b"a")
    into.poke(R.UEINTX, SEND_IN)
    assert into.in_token(2) == (0, b"a")
    fill(into, b"b")
    into.poke(R.UEINTX, SEND_IN)
    into.poke(R.UERST, 4)
    assert into.in_token(2) == SILENT  # held in reset
    into.poke(R.UERST, 0)
    assert busy(into) == 0
    assert flags(into) & (R.TXINI | R.FIFOCON) == R.TXINI | R.FIFOCON
    assert into.peek(R.UESTA0X) & R.CFGOK
    fill(into, b"c")
    into.poke(R.UEINTX, SEND_IN)
    assert into.in_token(2) == (1, b"c")


def test_clearing_epen_resets_the_toggle_too(out):
    assert out.out_token(1, 0, b"a") == ACK
    out.poke(R.UECONX, 0)
    assert out.out_token(1, 1, b"b") == SILENT
    out.poke(R.UECONX, R.EPEN)
    assert busy(out) == 0
    assert out.out_token(1, 0, b"b") == ACK
    assert busy(out) == 1


def test_only_its_address_and_direction_are_answered(out):
    assert out.out_token(1, 0, b"a", address=5) == SILENT
    assert out.out_token(4, 0, b"a") == SILENT
    assert out.in_token(1) == SILENT
    out.poke(R.UDADDR, 5)
    assert out.out_token(1, 0, b"a") == ACK  # ADDEN is still 0: address 0
    out.poke(R.UDADDR, R.ADDEN | 5)
    assert out.out_token(1, 1, b"a") == SILENT
    assert out.out_token(1, 1, b"a", address=5) == ACK
    assert out.get("misuse") == 0
    out.poke(R.UDADDR, R.ADDEN | 6)
    assert out.get("misuse") == 1  # 22.7: UADD and ADDEN not at the same time


@pytest.mark.parametrize(
    ("number", "config1", "ok"),
    [
        (0, SIZE_64 | ONE, True),
        (0, SIZE_64 | TWO, False),
        (1, 0x50 | TWO, True),  # 256 bytes, twice
        (2, 0x40 | ONE, False),  # only endpoint 1 has more than 64
        (2, SIZE_64 | TWO, True),
        (2, SIZE_64 | 0x08, False),  # a third bank
    ],
)
def test_cfgok(usb, number, config1, ok):
    usb.poke(R.UENUM, number)
    usb.poke(R.UECONX, R.EPEN)
    usb.poke(R.UECFG0X, BULK if number else 0)
    usb.poke(R.UECFG1X, config1 | R.ALLOC)
    assert bool(usb.peek(R.UESTA0X) & R.CFGOK) == ok


def test_the_bank_memory_is_832_bytes(usb):
    usb.endpoint(1, BULK, 0x50 | TWO | R.ALLOC)  # 512
    usb.endpoint(2, BULK, SIZE_64 | TWO | R.ALLOC)
    usb.endpoint(3, BULK, SIZE_64 | TWO | R.ALLOC)  # 768
    usb.endpoint(4, BULK, SIZE_64 | ONE | R.ALLOC)  # 832
    usb.poke(R.UENUM, 5)
    usb.poke(R.UECONX, R.EPEN)
    usb.poke(R.UECFG1X, SIZE_8 | R.ALLOC)
    assert not usb.peek(R.UESTA0X) & R.CFGOK


def test_ueint_shows_endpoints_whose_enabled_flags_stand(out):
    out.out_token(1, 0, b"a")
    assert out.peek(R.UEINT) == 0
    out.poke(R.UEIENX, R.RXOUTI)
    assert out.peek(R.UEINT) == 2
    out.poke(R.UEINTX, FREE_OUT)
    assert out.peek(R.UEINT) == 0


def test_without_its_clock_the_controller_is_silent(out):
    out.poke(R.USBCON, R.USBE | R.OTGPADE | R.FRZCLK)
    assert out.out_token(1, 0, b"a") == SILENT
    out.poke(R.USBCON, R.USBE | R.OTGPADE)
    assert out.out_token(1, 0, b"a") == ACK
    out.poke(R.PLLFRQ, 0x0A)  # 96 MHz without its divisor
    out.run(10 * MS)
    assert out.out_token(1, 1, b"a") == SILENT
    out.poke(R.PLLFRQ, 0x4A)
    out.run(10 * MS)
    assert out.out_token(1, 1, b"a") == ACK


def test_usbe_to_0_forgets_everything(out):
    out.poke(R.UDADDR, 5)
    out.poke(R.UDADDR, R.ADDEN | 5)
    out.poke(R.USBCON, 0)
    out.poke(R.USBCON, R.USBE)
    out.poke(R.UDCON, 0)
    out.poke(R.UENUM, 1)
    assert out.peek(R.UECONX) == out.peek(R.UECFG1X) == out.peek(R.UDADDR) == 0


def test_endpoint_7_is_nothing(usb):
    usb.poke(R.UENUM, 7)
    usb.poke(R.UECONX, R.EPEN)
    usb.poke(R.UECFG1X, SIZE_8 | R.ALLOC)
    usb.poke(R.UENUM, 6)
    assert usb.peek(R.UECONX) == 0
    usb.poke(R.UENUM, 7)
    assert usb.peek(R.UECONX) == 0
