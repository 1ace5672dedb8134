"""The reduced AVR core's instructions (AVRrc: ATtiny4/5/9/10), decoded for analysis: see the instruction set manual."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

WORDS = 512  # of flash
VECTORS = range(1, 11)  # datasheet 8127H table 9-1, word addresses
RAM, RAM_END, SPL = 0x40, 0x5F, 0x3D


def names(text: str) -> frozenset[str]:
    """Instructions by name."""
    return frozenset(text.split())


@dataclass(frozen=True)
class Instruction:
    """One 16-bit word.

    flow: "next", "jump", "branch" (or next), "skip" (one, or not), "call", "indirect", "indirect call", "return" or
    "stop". target: word address of a jump, branch or call. d: the register that is written or looked at, r16 to r31.
    r: the other register. value: constant, I/O or RAM address, or bit of SREG, where it has one. bit: of an I/O
    register.
    """

    name: str
    flow: str = "next"
    target: int = 0
    d: int = 16
    value: int = 0
    push: int = 0  # bytes onto the stack
    r: int = 16
    bit: int = 0

    @property
    def cycles(self) -> int:
        """At most, where it goes on to the next instruction; a branch or a skip that is taken costs one more."""
        return _CYCLES.get(self.name, 1)

    @property
    def writes(self) -> bool:
        """Whether it may change the register `d`, and not only look at it."""
        return self.name not in _READS and self.flow == "next"

    @property
    def sets_stack(self) -> bool:
        """Whether it sets the stack pointer."""
        return self.name == "out" and self.value == SPL


# Instruction set manual DS40002198, columns AVRrc; loads as if from flash, which takes a cycle more than RAM.
_CYCLES = {"ld": 2, "ld+": 3, "-ld": 3, "-st": 2, "lds": 2, "pop": 3, "rjmp": 2, "ijmp": 2, "rcall": 3, "icall": 3}
_CYCLES |= {"ret": 6, "reti": 6}
_READS = names("nop cp cpc cpi out st st+ -st sts push bst sbi cbi sleep wdr break bset bclr")


Make = Callable[[int, int], Instruction | None]


def _registers(name: str, flow: str = "next") -> Make:
    def make(word: int, _: int) -> Instruction | None:
        d, r = word >> 4 & 31, word & 15 | word >> 5 & 16
        return Instruction(name, flow, d=d, r=r) if min(d, r) >= 16 else None

    return make


def _register(name: str, flow: str = "next", push: int = 0) -> Make:
    return lambda word, _: Instruction(name, flow, d=word >> 4 & 31, push=push) if word & 0x100 else None


def _constant(name: str) -> Make:
    return lambda word, _: Instruction(name, d=16 + (word >> 4 & 15), value=word & 15 | word >> 4 & 0xF0)


def _plain(name: str, flow: str = "next") -> Make:
    return lambda word, _: Instruction(name, flow)


def _far(name: str, flow: str) -> Make:
    """12-bit distance; the program counter has 9 bits."""
    return lambda word, at: Instruction(name, flow, (at + 1 + (word & 0xFFF)) % WORDS, push=2 if flow == "call" else 0)


def _near(name: str) -> Make:
    return lambda word, at: Instruction(
        name, "branch", (at + 1 + ((word >> 3 & 127) ^ 64) - 64) % WORDS, value=word & 7
    )


def _io(name: str) -> Make:
    def make(word: int, _: int) -> Instruction | None:
        return Instruction(name, d=word >> 4 & 31, value=word & 15 | word >> 5 & 0x30) if word & 0x100 else None

    return make


def _io_bit(name: str, flow: str = "next") -> Make:
    return lambda word, _: Instruction(name, flow, value=word >> 3 & 31, bit=word & 7)


def _direct(name: str) -> Make:
    """LDS and STS in one word: the address is scrambled into bits 8, 10, 9 and 3-0."""

    def make(word: int, _: int) -> Instruction:
        bit8 = word >> 8 & 1
        address = (1 - bit8) << 7 | bit8 << 6 | (word >> 10 & 1) << 5 | (word >> 9 & 1) << 4 | word & 15
        return Instruction(name, d=16 + (word >> 4 & 15), value=address)

    return make


_PATTERNS: tuple[tuple[int, int, Make], ...] = (
    (0xFFFF, 0x0000, _plain("nop")),
    (0xFC00, 0x0400, _registers("cpc")),
    (0xFC00, 0x0800, _registers("sbc")),
    (0xFC00, 0x0C00, _registers("add")),
    (0xFC00, 0x1000, _registers("cpse", "skip")),
    (0xFC00, 0x1400, _registers("cp")),
    (0xFC00, 0x1800, _registers("sub")),
    (0xFC00, 0x1C00, _registers("adc")),
    (0xFC00, 0x2000, _registers("and")),
    (0xFC00, 0x2400, _registers("eor")),
    (0xFC00, 0x2800, _registers("or")),
    (0xFC00, 0x2C00, _registers("mov")),
    (0xF000, 0x3000, _constant("cpi")),
    (0xF000, 0x4000, _constant("sbci")),
    (0xF000, 0x5000, _constant("subi")),
    (0xF000, 0x6000, _constant("ori")),
    (0xF000, 0x7000, _constant("andi")),
    (0xF000, 0xE000, _constant("ldi")),
    *((0xFE0F, code, _register("ld")) for code in (0x900C, 0x8008, 0x8000)),  # X, Y, Z
    *((0xFE0F, code, _register("ld+")) for code in (0x900D, 0x9009, 0x9001)),
    *((0xFE0F, code, _register("-ld")) for code in (0x900E, 0x900A, 0x9002)),
    *((0xFE0F, code, _register("st")) for code in (0x920C, 0x8208, 0x8200)),
    *((0xFE0F, code, _register("st+")) for code in (0x920D, 0x9209, 0x9201)),
    *((0xFE0F, code, _register("-st")) for code in (0x920E, 0x920A, 0x9202)),
    (0xFE0F, 0x900F, _register("pop", push=-1)),
    (0xFE0F, 0x920F, _register("push", push=1)),
    *(
        (0xFE0F, 0x9400 + code, _register(name))
        for code, name in (
            (0, "com"),
            (1, "neg"),
            (2, "swap"),
            (3, "inc"),
            (5, "asr"),
            (6, "lsr"),
            (7, "ror"),
            (10, "dec"),
        )
    ),
    (0xFF8F, 0x9408, _plain("bset")),
    (0xFF8F, 0x9488, _plain("bclr")),
    (0xFFFF, 0x9409, _plain("ijmp", "indirect")),
    (0xFFFF, 0x9509, _plain("icall", "indirect call")),
    (0xFFFF, 0x9508, _plain("ret", "return")),
    (0xFFFF, 0x9518, _plain("reti", "return")),
    (0xFFFF, 0x9588, _plain("sleep")),
    (0xFFFF, 0x9598, _plain("break")),
    (0xFFFF, 0x95A8, _plain("wdr")),
    (0xFF00, 0x9800, _io_bit("cbi")),
    (0xFF00, 0x9900, _io_bit("sbic", "skip")),
    (0xFF00, 0x9A00, _io_bit("sbi")),
    (0xFF00, 0x9B00, _io_bit("sbis", "skip")),
    (0xF800, 0xA000, _direct("lds")),
    (0xF800, 0xA800, _direct("sts")),
    (0xF800, 0xB000, _io("in")),
    (0xF800, 0xB800, _io("out")),
    (0xF000, 0xC000, _far("rjmp", "jump")),
    (0xF000, 0xD000, _far("rcall", "call")),
    (0xFC00, 0xF000, _near("brbs")),
    (0xFC00, 0xF400, _near("brbc")),
    (0xFE08, 0xF800, _register("bld")),
    (0xFE08, 0xFA00, _register("bst")),
    (0xFE08, 0xFC00, _register("sbrc", "skip")),
    (0xFE08, 0xFE00, _register("sbrs", "skip")),
)


def decode(word: int, at: int) -> Instruction | None:
    """The instruction that this word is at word address `at`, or None if the core has no such instruction."""
    for mask, pattern, make in _PATTERNS:
        if word & mask == pattern:
            return make(word, at)
    return None


def words_of(image: bytes) -> list[int]:
    """An image's words, low byte first."""
    padded = image + b"\xff" * (len(image) % 2)
    return [padded[at] | padded[at + 1] << 8 for at in range(0, len(padded), 2)]
