"""A simulated board whose pump chip leaves the bus or starts anew is gone to the host until it is enumerated again."""

from __future__ import annotations

import ctypes as c
import errno
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile

from tinymux import SimulatedBoard, _simulator
from tinymux._tables import PROTOCOL
from tinymux.images import ATMEGA32U4, firmware, load

OP = PROTOCOL["opcodes"]
TX = bytes([OP["TX"], 1, 0xFF, 0xFF])
RX = bytes([OP["RX"], 1])
VERSION = bytes([0xC0, PROTOCOL["requests"]["VERSION"], 0, 0, 0, 0, 4, 0])
TAKE = c.CFUNCTYPE(None, c.c_void_p, c.POINTER(c.c_uint8), c.c_uint)


class Ops(c.Structure):
    """struct transport_ops, ext/engine/transport.h."""

    _fields_ = (
        ("submit", c.CFUNCTYPE(c.c_int, c.c_void_p, c.c_char_p, c.c_uint)),
        ("service", c.CFUNCTYPE(c.c_int, c.c_void_p, TAKE, c.c_void_p)),
        ("deadline", c.CFUNCTYPE(c.c_uint64, c.c_void_p)),
        ("control", c.CFUNCTYPE(c.c_int, c.c_void_p, c.c_char_p, c.c_char_p, c.c_uint)),
    )


class Link:
    """The board's transport, called as the engine calls it."""

    def __init__(self, board: _simulator.Board) -> None:
        pointer = c.pythonapi.PyCapsule_GetPointer
        pointer.restype, pointer.argtypes = c.c_void_p, (c.py_object, c.c_char_p)
        self.capsule = board.transport
        self.address = pointer(self.capsule, b"tinymux.transport")
        self.ops = c.cast(c.cast(self.address, c.POINTER(c.c_void_p))[0], c.POINTER(Ops)).contents
        self.answers: list[bytes] = []
        self._take = TAKE(lambda _, data, length: self.answers.append(bytes(data[:length])))

    def submit(self, packet: bytes) -> int:
        return self.ops.submit(self.address, packet, len(packet))

    def service(self, most: int = 3000) -> int:
        """A slice of a millisecond each, until there is an answer or an error."""
        for _ in range(most):
            if result := self.ops.service(self.address, self._take, None):
                return result
        return 0

    def version(self) -> int:
        return self.ops.control(self.address, VERSION, c.create_string_buffer(4), 4)


@pytest.fixture
def holed() -> bytes:
    """A firmware whose first plane of TX never ends: its watchdog does."""
    elf = Path(str(firmware("pump.elf")))
    with elf.open("rb") as file:
        at = ELFFile(file).get_section_by_name(".symtab").get_symbol_by_name("tx_plane")[0]["st_value"]
    image = load(elf, ATMEGA32U4).data
    return image[:at] + b"\xff\xcf" + image[at + 2 :]  # RJMP to itself


def gone(link: Link) -> bool:
    return [link.service(3), link.submit(RX), link.version()] == [-errno.ENODEV] * 3


def test_after_a_watchdog_reset_it_is_gone_until_it_is_enumerated(holed: bytes) -> None:
    board = _simulator.Board(holed)
    link = Link(board)
    assert link.submit(RX) == 0
    assert link.service() == 1
    assert link.submit(TX) == 0
    started = board.time
    assert link.service() == -errno.ENODEV
    assert 0.9 < board.time - started < 1.5
    board.run(0.5)
    assert board.attached, "it is back on the bus, as a device that nobody has given an address"
    assert gone(link)
    board.enumerate()
    assert link.submit(RX) == 0
    assert link.service() == 1
    assert link.version() == 4


@pytest.mark.parametrize("what", ["detach", "reset"])
def test_the_simulated_board_comes_back_by_itself(what: str) -> None:
    opened = SimulatedBoard(paced=False).open()
    link = Link(opened.owner)
    opened.owner.usb(what)
    link.submit(RX)
    assert link.service() == -errno.ENODEV
    assert gone(link)
    back: list[object] = []
    assert opened.comeback
    opened.comeback(lambda capsule, owner: back.append(owner))
    assert back == [opened.owner]
    assert link.submit(RX) == 0
    assert link.service() == 1
    opened.close()
