"""The tiny as avr-gdb sees it: its registers in avr-gdb's order, flash at 0 and data memory at 0x800000, its halts."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable

from tinymux._simulator import Halt
from tinymux.errors import BoardError
from tinymux.images import ATTINY10
from tinymux.sim.bench import Bench
from tinymux.sim.rsp import PACKET_SIZE, unescape

DATA, DATA_END = 0x800000, 0x810000  # as GNU ld and avr-gdb place data memory
FIRST, SREG, SP, PC = 16, 32, 33, 34  # numbers of registers (gdb, avr-tdep.c); AVRrc has none below r16
SIZES = [1] * 33 + [2, 4]  # bytes of each; all have their low byte first
# Kinds of halts in Z and z: on execution, and on access with what a stop reply calls it.
EXECUTION = ("0", "1")
ACCESS = {"2": "watch", "3": "rwatch", "4": "awatch"}
HALTED_BY = {"write": ("2", "4"), "read": ("3", "4")}
HEX = "([0-9a-fA-F]+)"


class WrongRequest(Exception):
    """What was asked makes no sense, or is of something that is not there."""


class Target:
    """Answers what a debugger asks about a bench's tiny, which stands."""

    def __init__(self, bench: Bench) -> None:
        self._bench, self._debug = bench, bench.debug
        self._watched: defaultdict[int, set[str]] = defaultdict(set)  # kinds by address of a byte
        self._halts: defaultdict[int, set[str]] = defaultdict(set)  # by address of an instruction
        self._answers: list[tuple[re.Pattern[str], Callable[..., bytes]]] = [
            (re.compile(pattern), answer)
            for pattern, answer in (
                ("g", self._all),
                (f"G{HEX}", self._set_all),
                (f"p{HEX}", self._one),
                (f"P{HEX}={HEX}", self._set_one),
                (f"m{HEX},{HEX}", self._read),
                (f"M{HEX},{HEX}:{HEX}?", self._write_hex),
                (f"Z([0-4]),{HEX},{HEX}", self._halt),
                (f"z([0-4]),{HEX},{HEX}", self._halt_no_more),
            )
        ]

    def answer(self, data: bytes) -> bytes:
        """The answer to a packet; empty: it is none of ours. Raises WrongRequest."""
        try:
            if data.startswith(b"X"):
                return self._write_binary(data)
            text = data.decode("ascii", "replace")
            for pattern, answer in self._answers:
                if found := pattern.fullmatch(text):
                    return answer(*found.groups(""))
        except BoardError as error:
            raise WrongRequest from error
        if data and data[:1] in b"gGpPmMZz":
            raise WrongRequest
        return b""

    def reason(self, halt: Halt) -> bytes:
        """The part of a stop reply that tells of a watchpoint."""
        for kind in HALTED_BY.get(halt.why, ()):
            if kind in self._watched[halt.address]:
                return b"%s:%x;" % (ACCESS[kind].encode(), DATA + halt.address)
        return b""

    def expedited(self) -> bytes:
        """The registers that a debugger wants at every stop."""
        return b"".join(b"%x:%s;" % (number, self._register(number)) for number in (SREG, SP, PC))

    def clear(self) -> None:
        """Forget all halts."""
        self._halts.clear()
        self._watched.clear()
        self._debug.clear()

    def jump(self, address: int) -> None:
        """Go on from there."""
        self._debug.set("pc", address)

    # --- registers ---

    def _register(self, number: int) -> bytes:
        """In hex; x where the tiny has none."""
        tiny = self._bench.tiny
        if number < FIRST:
            return b"xx"
        value = {SREG: tiny.sreg, SP: tiny.sp, PC: tiny.pc}.get(number)
        if value is None:
            value = tiny.registers[number - FIRST]
        return value.to_bytes(SIZES[number], "little").hex().encode()

    def _set(self, number: int, value: bytes) -> None:
        if len(value) != SIZES[number]:
            raise WrongRequest
        name = {SREG: "sreg", SP: "sp", PC: "pc"}.get(number, f"r{number}")
        self._debug.set(name, int.from_bytes(value, "little"))

    def _number(self, text: str) -> int:
        if (number := int(text, 16)) >= len(SIZES):
            raise WrongRequest
        return number

    def _all(self) -> bytes:
        return b"".join(map(self._register, range(len(SIZES))))

    def _set_all(self, text: str) -> bytes:
        values = _bytes(text)
        if len(values) != sum(SIZES):
            raise WrongRequest
        at = FIRST
        for number in range(FIRST, len(SIZES)):
            self._set(number, values[at : at + SIZES[number]])
            at += SIZES[number]
        return b"OK"

    def _one(self, number: str) -> bytes:
        return self._register(self._number(number))

    def _set_one(self, number: str, value: str) -> bytes:
        self._set(self._number(number), _bytes(value))
        return b"OK"

    # --- memory ---

    def _read(self, at: str, size: str) -> bytes:
        address, length = int(at, 16), min(int(size, 16), PACKET_SIZE // 2)
        if address < ATTINY10.flash:
            return self._bench.tiny.flash[address : address + length].hex().encode()
        if DATA <= address < DATA_END:
            return self._debug.read(address - DATA, min(length, DATA_END - address)).hex().encode()
        raise WrongRequest

    def _write(self, at: str, size: str, data: bytes) -> bytes:
        address = int(at, 16)
        if len(data) != int(size, 16):
            raise WrongRequest
        if DATA <= address <= DATA_END - len(data):
            self._debug.write(address - DATA, data)
        else:
            self._debug.program(address, data)
        return b"OK"

    def _write_hex(self, at: str, size: str, text: str) -> bytes:
        return self._write(at, size, _bytes(text))

    def _write_binary(self, data: bytes) -> bytes:
        head, _, body = data.partition(b":")
        found = re.fullmatch(f"X{HEX},{HEX}", head.decode("ascii", "replace"))
        if not found:
            raise WrongRequest
        return self._write(found[1], found[2], unescape(body))

    # --- halts ---

    def _halt(self, kind: str, at: str, size: str) -> bytes:
        return self._mark(kind, int(at, 16), int(size, 16), True)

    def _halt_no_more(self, kind: str, at: str, size: str) -> bytes:
        return self._mark(kind, int(at, 16), int(size, 16), False)

    def _mark(self, kind: str, address: int, length: int, on: bool) -> bytes:
        if kind in EXECUTION:
            kinds = self._halts[address]
            (kinds.add if on else kinds.discard)(kind)
            self._debug.halt_at(address, bool(kinds))
            return b"OK"
        if not 0 < length <= PACKET_SIZE or not DATA <= address < DATA_END:
            raise WrongRequest
        for byte in range(address - DATA, address - DATA + length):
            kinds = self._watched[byte]
            (kinds.add if on else kinds.discard)(kind)
            self._debug.halt_on(byte, read=bool(kinds & {"3", "4"}), write=bool(kinds & {"2", "4"}))
        return b"OK"


def _bytes(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError as error:
        raise WrongRequest from error
