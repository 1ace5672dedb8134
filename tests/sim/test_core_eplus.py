"""Every AVRe+ instruction, from random states, against simavr: registers, SREG, SP, PC, memory and cycles."""

from __future__ import annotations

import random
import struct
import subprocess

import pytest
from simbuild import CORE, HERE

# The encodings of the AVR Instruction Set Manual (DS40002198, section 6): letters are operand bits, taken at random.
# Pointers: X 26, Y 28, Z 30. A second word is random.
INSTRUCTIONS = {
    "adc": "000111rdddddrrrr",
    "add": "000011rdddddrrrr",
    "adiw": "10010110KKddKKKK",
    "and": "001000rdddddrrrr",
    "andi": "0111KKKKddddKKKK",
    "asr": "1001010ddddd0101",
    "bclr": "100101001sss1000",
    "bld": "1111100ddddd0bbb",
    "brbc": "111101kkkkkkksss",
    "brbs": "111100kkkkkkksss",
    "bset": "100101000sss1000",
    "bst": "1111101ddddd0bbb",
    "call": "1001010kkkkk111k k",
    "cbi": "10011000AAAAAbbb",
    "com": "1001010ddddd0000",
    "cp": "000101rdddddrrrr",
    "cpc": "000001rdddddrrrr",
    "cpi": "0011KKKKddddKKKK",
    "cpse": "000100rdddddrrrr",
    "dec": "1001010ddddd1010",
    "eor": "001001rdddddrrrr",
    "fmul": "000000110ddd1rrr",
    "fmuls": "000000111ddd0rrr",
    "fmulsu": "000000111ddd1rrr",
    "icall": "1001010100001001",
    "ijmp": "1001010000001001",
    "in": "10110AAdddddAAAA",
    "inc": "1001010ddddd0011",
    "jmp": "1001010kkkkk110k k",
    "ld X": "1001000ddddd1100",
    "ld X+": "1001000ddddd1101",
    "ld -X": "1001000ddddd1110",
    "ld Y+": "1001000ddddd1001",
    "ld -Y": "1001000ddddd1010",
    "ldd Y+q": "10q0qq0ddddd1qqq",
    "ld Z+": "1001000ddddd0001",
    "ld -Z": "1001000ddddd0010",
    "ldd Z+q": "10q0qq0ddddd0qqq",
    "ldi": "1110KKKKddddKKKK",
    "lds": "1001000ddddd0000 m",
    "lpm": "1001010111001000",
    "lpm Z": "1001000ddddd0100",
    "lpm Z+": "1001000ddddd0101",
    "lsr": "1001010ddddd0110",
    "mov": "001011rdddddrrrr",
    "movw": "00000001ddddrrrr",
    "mul": "100111rdddddrrrr",
    "muls": "00000010ddddrrrr",
    "mulsu": "000000110ddd0rrr",
    "neg": "1001010ddddd0001",
    "nop": "0000000000000000",
    "or": "001010rdddddrrrr",
    "ori": "0110KKKKddddKKKK",
    "out": "10111AAdddddAAAA",
    "pop": "1001000ddddd1111",
    "push": "1001001ddddd1111",
    "rcall": "1101kkkkkkkkkkkk",
    "ret": "1001010100001000",
    "reti": "1001010100011000",
    "rjmp": "1100kkkkkkkkkkkk",
    "ror": "1001010ddddd0111",
    "sbc": "000010rdddddrrrr",
    "sbci": "0100KKKKddddKKKK",
    "sbi": "10011010AAAAAbbb",
    "sbic": "10011001AAAAAbbb",
    "sbis": "10011011AAAAAbbb",
    "sbiw": "10010111KKddKKKK",
    "sbrc": "1111110ddddd0bbb",
    "sbrs": "1111111ddddd0bbb",
    "st X": "1001001ddddd1100",
    "st X+": "1001001ddddd1101",
    "st -X": "1001001ddddd1110",
    "st Y+": "1001001ddddd1001",
    "st -Y": "1001001ddddd1010",
    "std Y+q": "10q0qq1ddddd1qqq",
    "st Z+": "1001001ddddd0001",
    "st -Z": "1001001ddddd0010",
    "std Z+q": "10q0qq1ddddd0qqq",
    "sts": "1001001ddddd0000 m",
    "sub": "000110rdddddrrrr",
    "subi": "0101KKKKddddKKKK",
    "swap": "1001010ddddd0010",
    "wdr": "1001010110101000",
}
STATE = struct.Struct("<II32sB3sHH")
EACH = 400  # cases per instruction
GPIOR0 = 0x1E  # the one plain register that SBI and its like reach
PLAIN_IO = [0x1E, 0x2A, 0x2B, 0x3D, 0x3E, 0x3F]  # GPIOR0-2, SPL, SPH, SREG
FIELDS = ("pc", "cycles", "r", "sreg", "gpior", "sp", "ram")


def address(rng: random.Random) -> int:
    """A data address with nothing but plain memory behind it; not the pointers, which simavr's ST X writes back."""
    return rng.choice(
        [rng.randrange(0x180, 0xA00), rng.randrange(0x180, 0xA00), rng.randrange(26), 0x20 + rng.choice(PLAIN_IO)]
    )


def encode(name: str, rng: random.Random) -> tuple[int, int]:
    """One instruction with random operands, and its second word."""
    pattern, _, second = INSTRUCTIONS[name].partition(" ")
    word = int("".join(bit if bit in "01" else rng.choice("01") for bit in pattern), 2)
    if "A" in pattern:
        io = rng.choice(PLAIN_IO) if name in ("in", "out") else GPIOR0
        word = (word & ~0x060F) | (io & 0x30) << 5 | io & 15 if name in ("in", "out") else (word & ~0xF8) | io << 3
    if name in ("jmp", "call"):
        word &= ~0x01F1  # 32 KB: the upper address bits are 0
    if (name[-1] in "XYZ+" and name[:2] in ("ld", "st", "lp")) or name.startswith(("ld -", "st -")):
        base = {"X": 26, "Y": 28, "Z": 30}[next(c for c in name if c in "XYZ")]
        while word >> 4 & 31 in (base, base + 1):  # undefined with +, - (manual, LD and ST)
            word = (word & ~0x1F0) | rng.randrange(32) << 4
    return word, address(rng) if second == "m" else rng.randrange(0x10000)


def make_case(name: str, rng: random.Random) -> bytes:
    word, second = encode(name, rng)
    r = bytearray(rng.choice([rng.randrange(256), 0, 0x7F, 0x80, 0xFF]) for _ in range(32))
    for pointer in (26, 28, 30):
        if not name.startswith(("adiw", "sbiw")):
            r[pointer : pointer + 2] = struct.pack("<H", rng.randrange(0x8000) if "lpm" in name else address(rng))
    if "Z" in name or "Y" in name:
        q = word & 7 | word >> 7 & 0x18 | word >> 8 & 0x20
        if "q" in INSTRUCTIONS[name]:  # the pointer such that pointer + q is plain memory
            base = 28 if "Y" in name else 30
            r[base : base + 2] = struct.pack("<H", (address(rng) - q) & 0xFFFF)
    follower = rng.choice([0x0000, 0x9000, 0x940E, rng.randrange(0x10000)])  # skips must know two-word instructions
    if follower & 0xFE0D == 0x960C:  # simavr 1.6 skips two words over these ADIW and SBIW
        follower ^= 8
    two = " " in INSTRUCTIONS[name]
    words = [word, second if two else follower, rng.randrange(0x10000), 0]
    gpior = bytes(rng.randrange(256) for _ in range(3))
    state = STATE.pack(rng.randrange(0x3FF0), 0, bytes(r), rng.randrange(256), gpior, rng.randrange(0x140, 0xA80), 0)
    return state + struct.pack("<4H", *words) + bytes(rng.randrange(256) for _ in range(4))


def states(output: bytes) -> list[dict[str, object]]:
    return [dict(zip(FIELDS, values, strict=True)) for values in STATE.iter_unpack(output)]


@pytest.fixture(scope="module")
def machines(compile_c):
    """Paths of the two programs: ours (under the sanitizers) and simavr's."""
    ours = compile_c("core_main.c", HERE / "core_ours.c", *CORE, sanitize=True)
    oracle = compile_c("core_main.c", HERE / "core_simavr.c", libs=("-lsimavr", "-lelf"))
    return ours, oracle


def run(program, arguments: list[str], data: bytes) -> list[dict[str, object]]:
    return states(subprocess.run([program, *arguments], input=data, capture_output=True, check=True, timeout=60).stdout)


@pytest.mark.parametrize("name", INSTRUCTIONS)
def test_instruction_does_what_simavr_does(machines, name):
    rng = random.Random(name)
    cases = [make_case(name, rng) for _ in range(EACH)]
    ours, oracle = (run(program, ["cases"], b"".join(cases)) for program in machines)
    assert len(ours) == len(oracle) == EACH
    for case, got, expected in zip(cases, ours, oracle, strict=True):
        different = {field: (got[field], expected[field]) for field in FIELDS if got[field] != expected[field]}
        assert not different, f"{name}: ours, simavr: {different}; case {case.hex()}"


PROGRAM = """
#include <avr/io.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static uint32_t crc(const uint8_t *data, uint8_t n)
{
    uint32_t sum = 0xffffffff;
    while (n--) {
        sum ^= *data++;
        for (uint8_t i = 0; i < 8; i++)
            sum = sum & 1 ? sum >> 1 ^ 0xedb88320 : sum >> 1;
    }
    return ~sum;
}

static int order(const void *a, const void *b)
{
    return *(const int16_t *)a - *(const int16_t *)b;
}

int main(void)
{
    static int16_t numbers[24];
    volatile float x = 1.5f;
    char text[24];
    for (;;) {
        for (uint8_t i = 0; i < 24; i++)
            numbers[i] = rand();
        qsort(numbers, 24, sizeof *numbers, order);
        x = x * 1.0625f + numbers[3] / 7;
        ltoa((long)x, text, 10);
        strcat(text, "/");
        uint32_t sum = crc((const uint8_t *)text, strlen(text));
        GPIOR0 = sum;
        GPIOR1 = sum >> 8;
        GPIOR2 = (uint16_t)sum * numbers[0] / (numbers[1] | 1);
    }
}
"""


def test_a_compiled_program_runs_as_in_simavr(machines, avr_image):
    image = avr_image(PROGRAM, mcu="atmega32u4", flags=("-O2",), language="c")
    steps = 60_000
    ours, oracle = (run(program, ["program", str(steps)], image) for program in machines)
    assert len(ours) == steps
    for step, (got, expected) in enumerate(zip(ours, oracle, strict=True)):
        assert got == expected, f"after instruction {step}"
