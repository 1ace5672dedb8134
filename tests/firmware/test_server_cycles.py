"""Counts the tiny's cycles on every path between two looks at the clock, and checks the counts in the sources."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tinymux.images.server import firmware

ROOT = Path(__file__).resolve().parents[2]
AVR = ROOT / "avr"

# AVRrc, instruction set manual DS40002198: cycles not taken or not skipped, taken or skipped.
COUNTS = (
    ("add adc and andi bld bst cbi clc clr clt com cp cpc cpi dec eor in inc ldi lsl lsr mov neg or ori out", (1,)),
    ("rol ror sbc sbci sbi sec set st sts sub subi tst", (1,)),
    ("brcc brcs breq brne brtc brts cpse sbic sbis sbrc sbrs", (1, 2)),
    ("ijmp lds rjmp", (2,)),
    ("rcall", (3,)),
    ("ret", (6,)),
    ("ld", (1, 2, 3)),  # X; X+ and -X; X+ from flash
)
CYCLES = {name: count for names, count in COUNTS for name in names.split()}
BETWEEN_BYTES = 51  # ip.inc
STREAM, RECEIVED_BIT, SENT_BIT = 18, 7, 9  # lane.inc
SEEN_LATE_FALLING, SEEN_LATE_RISING = 3, 4  # cycles between two looks at the clock
RECEIVE_WORDS, SEND_WORDS = 8, 4  # SBIC to BRCS, SBIC to BRNE
SET_STACK = "0x3d, r17"
LISTED = re.compile(r"^ +([0-9a-f]+):\t(?:[0-9a-f]{2} )+ *\t(\w+)\t?([^;\n]*)(?:; 0x([0-9a-f]+))?", re.M)


@dataclass(frozen=True)
class Instruction:
    at: int
    name: str
    operands: str
    target: int


@dataclass(frozen=True)
class Walk:
    """From one look at the clock to the next: where it ends, with which calls open, after how many cycles, and whether
    a frame's END was on the way."""

    end: int
    calls: tuple[int, ...]
    cycles: int
    ended: bool


class Program:
    """The server's code, walked path by path."""

    def __init__(self, elf: Path) -> None:
        listing = subprocess.run(["avr-objdump", "-d", elf], capture_output=True, text=True, check=True).stdout
        table = subprocess.run(["avr-nm", elf], capture_output=True, text=True, check=True).stdout
        self.labels = {row.split()[2]: int(row.split()[0], 16) for row in table.splitlines()}
        self.code: dict[int, Instruction] = {}
        for row in LISTED.finditer(listing):
            at = int(row[1], 16)
            if at < self.labels["codeend"]:
                self.code[at] = Instruction(at, row[2], row[3].strip(), int(row[4] or "0", 16))
        self.looks = [at for at, i in self.code.items() if i.name in ("sbic", "sbis") and i.operands.startswith("0x00")]
        self.low, self.send_high, self.send_low = self.looks  # lane_receive's; lane_send's two
        names = ("frame", "icmp_end", "tcp_end", "tcp_send", "slip_end")
        self.handlers = [self.labels[name] for name in names]

    def walks(self, at: int, calls: tuple[int, ...] = (), *, in_flash: bool = False) -> Iterator[Walk]:
        """Every way from `at` to the next look at the clock. Loops without a look go round four times at most."""
        work: list[tuple[int, tuple[int, ...], int, bool, dict[int, int]]] = [(at, calls, 0, False, {})]
        while work:
            at, calls, cycles, ended, seen = work.pop()
            if at in self.looks:
                yield Walk(at, calls, cycles, ended)
                continue
            if seen.get(at, 0) == 4:
                continue
            seen = {**seen, at: seen.get(at, 0) + 1}
            for after, open_calls, more, ends in self.steps(self.code[at], calls, in_flash):
                work.append((after, open_calls, cycles + more, ended or ends, seen))

    def steps(
        self, i: Instruction, calls: tuple[int, ...], in_flash: bool
    ) -> Iterator[tuple[int, tuple[int, ...], int, bool]]:
        """Where an instruction may go on, with which calls, after how many cycles, and whether it forgets the stack."""
        count = CYCLES[i.name]
        if i.name == "rcall":
            yield i.target, (*calls, i.at + 2), count[0], False
        elif i.name == "ret":
            yield calls[-1], calls[:-1], count[0], False
        elif i.name == "rjmp":
            yield i.target, calls, count[0], False
        elif i.name == "ijmp":
            for handler in self.handlers:
                yield handler, calls, count[0], False
        elif (i.name, i.operands) == ("out", SET_STACK):
            yield i.at + 2, (), count[0], True
        elif i.name == "ld":
            yield i.at + 2, calls, 3 if in_flash else 2, False  # all are X+ or -X
        elif (i.name, i.operands) == ("sbrs", "r27, 6"):  # XH: is X in flash? Known here
            yield i.at + (4 if in_flash else 2), calls, count[in_flash], False
        elif len(count) == 2:
            yield i.at + 2, calls, count[0], False
            yield i.target if i.name.startswith("br") else i.at + 4, calls, count[1], False
        else:
            yield i.at + 2, calls, count[0], False

    def received(self) -> set[Walk]:
        """Every way on from a byte's last sample; IN, SBRS, LSR, ROR, BRCS, the same for all, are 6 cycles."""
        contexts = {walk.calls for walk in self.walks(self.labels["frame"])}
        todo, found = list(contexts), set()
        while todo:
            for walk in self.walks(self.low + 2 * RECEIVE_WORDS, todo.pop()):
                found.add(Walk(walk.end, walk.calls, walk.cycles + 6, walk.ended))
                if walk.end == self.low and walk.calls not in contexts:
                    contexts.add(walk.calls)
                    todo.append(walk.calls)
        return found


@pytest.fixture(scope="module")
def program() -> Program:
    return Program(firmware("server.elf"))


def test_between_two_bytes_to_the_tiny(program: Program) -> None:
    cycles = [walk.cycles for walk in program.received() if walk.end == program.low and not walk.ended]
    assert max(cycles) == BETWEEN_BYTES


def test_one_call_is_open_while_a_frame_comes(program: Program) -> None:
    """2 bytes of stack: an ICMP message may fill the RAM below."""
    assert {len(walk.calls) for walk in program.received() if walk.end == program.low} == {1}


def test_a_turnaround_takes_less_than_ten_planes(program: Program) -> None:
    """From END to an answer, or to the next frame where there is none."""
    cycles = [walk.cycles for walk in program.received() if walk.ended]
    assert 100 < max(cycles) < 10 * 22


def test_between_two_bytes_of_a_page(program: Program) -> None:
    """From the stop bit's falling edge to the look for the next one. SBIC OUT BRNE, before these ways, are 4 cycles."""
    ways = program.walks(program.send_low + 2 * SEND_WORDS, (0,), in_flash=True)
    next_byte, last = sorted(4 + walk.cycles for walk in ways)
    assert next_byte == STREAM
    assert STREAM + SEEN_LATE_FALLING <= 22, "10 planes a byte at 7.2 MHz and 50 cycles of the pump chip"
    assert last + SEEN_LATE_FALLING < 2 * 22, "END alone comes a plane later"


def test_bit_loops_follow_the_fastest_clock(program: Program) -> None:
    """31 of the pump chip's cycles are 13.95 of a tiny at 7.2 MHz. An edge may be seen late, but none may be missed."""

    def names(first: int, last: int) -> list[str]:
        return [program.code[at].name for at in range(first, last, 2)]

    receive = ["sbic", "rjmp", "in", "sbrs", "rjmp", "lsr", "ror", "brcs"]
    assert names(program.low, program.low + 2 * RECEIVE_WORDS) == receive
    assert RECEIVED_BIT == 1 + 2 + 1 + 1 + 2, "IN SBRS LSR ROR BRCS"
    send = ["eor", "adc", "lsr", "dec", "sbis", "rjmp", "sbic", "rjmp", "out", "brne"]  # EOR, ADC are CLR, ROL
    assert names(program.send_high - 2 * 4, program.send_low + 2 * SEND_WORDS) == send
    assert SENT_BIT == 2 + 1 + 2 + 4, "SBIC OUT BRNE, CLR ROL LSR DEC"
    assert max(RECEIVED_BIT + SEEN_LATE_RISING, SENT_BIT + SEEN_LATE_FALLING) < 31 / 16 * 7.2


def counted() -> Iterator[tuple[str, str, str, str]]:
    for source in sorted(AVR.glob("**/*.[iS]*")):
        for number, line in enumerate(source.read_text().splitlines(), 1):
            row = re.match(r"(?:\w+:)?\s+([a-z]+)\b[^;]*; (\d(?:/\d)?)\b", line)
            if row and row[1] in CYCLES:
                yield f"{source.name}:{number}", row[1], line.split(";")[0], row[2]


def test_the_counts_beside_the_instructions() -> None:
    rows = list(counted())
    assert len(rows) > 100
    for where, name, text, count in rows:
        if name == "ld":
            continue  # its address decides; the paths above count it
        assert count == "/".join(map(str, CYCLES[name])), f"{where}: {text.strip()}"
