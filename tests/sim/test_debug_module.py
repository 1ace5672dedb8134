"""tinymux._simulator.Debug: the thin layer over what holds a tiny."""

from __future__ import annotations

import gc

import pytest
from boardbench import pump
from tinybench import DEFINES, FULL_SPEED

from tinymux._simulator import Board, Debug, Halt
from tinymux.errors import BoardError

LOOP, STORE = 8, 10
PROGRAM = DEFINES + FULL_SPEED + "loop: inc r16 / sts 0x50,r16 / rjmp loop"


@pytest.fixture
def board(avr_image):
    return Board(pump(), [avr_image(PROGRAM)])


def start(board):
    board.control(0x40, 2, 0xFFFE)
    board.run(0.07)


def test_it_halts_where_told_while_the_board_runs(board):
    halts = []
    debug = Debug(board, 0, on_halt=halts.append)
    debug.step()
    debug.halt_on(0x50, read=False, write=True)
    start(board)
    assert halts[:3] == [Halt("step", 0), Halt("write", 0x50), Halt("write", 0x50)]
    debug.clear()
    debug.halt_at(LOOP, True)
    halts.clear()
    board.run(0.0001)
    assert set(halts) == {Halt("breakpoint", LOOP)}


def test_what_it_changes_the_tiny_goes_on_with(board):
    debug = Debug(board, 0)
    start(board)
    debug.set("r20", 0x1A5)
    debug.set("sp", 0x51)
    debug.set("pc", STORE)
    debug.set("sreg", 0x41)
    debug.write(0x45, b"\x12\x34")
    tiny = board.tiny(0)
    assert (tiny.registers[4], tiny.sp, tiny.pc, tiny.sreg, tiny.ram[5:7]) == (0xA5, 0x51, STORE, 0x41, b"\x12\x34")
    assert debug.read(0x45, 2) == b"\x12\x34"
    assert debug.read(0x3D, 3) == b"\x51\x00\x41"
    debug.program(STORE, b"\x00\x00")
    ram = board.tiny(0).ram
    board.run(0.001)
    assert board.tiny(0).ram == ram  # it stores no more
    assert board.tiny(0).illegal == 0


def test_what_a_callback_raises_clears_all_halts_and_is_raised_later(board):
    def refuse(halt):
        raise LookupError(halt.why)

    debug = Debug(board, 0, on_halt=refuse)
    debug.halt_at(LOOP, True)
    start(board)
    assert board.tiny(0).cycles > 1000
    with pytest.raises(LookupError, match="breakpoint"):
        debug.check()
    debug.check()


def test_what_was_spent_stays_when_it_has_let_go(board):
    debug = Debug(board, 0, [0] * 4 + [7] * 508)
    start(board)
    debug.close()
    debug.close()
    spent = debug.spent()
    assert spent[0].cycles == 4
    assert spent[7].visits == 1
    assert spent[0].cycles + spent[7].cycles == board.tiny(0).cycles
    assert debug.longest() == []
    board.run(0.001)
    assert debug.spent() == spent
    with pytest.raises(BoardError, match="not held"):
        debug.read(0, 1)


def test_the_newest_has_the_tiny(board):
    old, new = Debug(board, 0), Debug(board, 0)
    start(board)
    assert old.spent()[0].cycles == 0 < new.spent()[0].cycles
    del old
    board.run(0.001)
    assert new.spent()[0].cycles == board.tiny(0).cycles


def test_it_can_be_collected_with_what_it_calls(board):
    class Owner:
        def __init__(self):
            self.debug = Debug(board, 0, on_halt=self.halted)
            self.board = Board(pump())
            self.other = Debug(self.board, 3, on_halt=self.halted)

        def halted(self, halt):
            pass

    for _ in range(5):
        Owner()
    gc.collect()
    start(board)
    assert board.tiny(0).cycles > 1000


@pytest.mark.parametrize(
    "wrong",
    [
        lambda board: Debug(board, 16),
        lambda board: Debug(board, -1),
        lambda board: Debug(board, 0, [0] * 513),
        lambda board: Debug(board, 0, [512]),
        lambda board: Debug(board, 0).halt_at(1024, True),
        lambda board: Debug(board, 0).halt_at(-2, True),
        lambda board: Debug(board, 0).halt_on(0x60, read=True, write=True),
        lambda board: Debug(board, 0).program(1023, b"\0\0"),
        lambda board: Debug(board, 0).program(-1, b"\0"),
        lambda board: Debug(board, 0).set("r15", 0),
        lambda board: Debug(board, 0).set("r32", 0),
    ],
)
def test_what_is_not_there_is_refused(board, wrong):
    with pytest.raises(BoardError):
        wrong(board)
