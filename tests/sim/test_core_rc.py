"""Every AVRrc instruction against vectors worked out by hand from the AVR Instruction Set Manual (DS40002198).

One vector: an instruction; what is set before it; what it changes, and its cycles (section 6, row AVRrc). Flags are
those that are set, as letters of ITHSVNZC. Everything that is not named must stay as it was.
"""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, field

import pytest
from simbuild import CORE

PC = 0x20  # words; where each instruction stands
SP = 0x55
RAM = 0x40


@dataclass
class Vector:
    """An instruction with the state before and after it."""

    code: str
    before: dict[str, int | str] = field(default_factory=dict)
    after: dict[str, int | str] = field(default_factory=dict)
    cycles: int = 1


def v(code: str, before: str = "", after: str = "", cycles: int = 1) -> Vector:
    """Fields are `name=value` in hex, by commas: rNN, mAA (data address), pc (words, relative), sp, f (flags)."""

    def fields(text: str) -> dict[str, int | str]:
        pairs = (item.split("=") for item in text.split(",") if item)
        return {name: value if name == "f" else int(value, 16) for name, value in pairs}

    return Vector(code, fields(before), fields(after), cycles)


ALU = [
    # ADD: H carry from bit 3, C carry from bit 7, V two's complement overflow, S = N ^ V
    v("add r16,r17", "r16=0f,r17=01", "r16=10,f=H"),
    v("add r16,r17", "r16=7f,r17=01", "r16=80,f=HVN"),
    v("add r16,r17", "r16=80,r17=80", "r16=00,f=SVZC"),
    v("add r16,r17", "r16=ff,r17=01,f=IT", "r16=00,f=ITHZC"),
    v("add r16,r17", "r16=f0,r17=05,f=C", "r16=f5,f=SN"),
    v("lsl r18", "r18=c8", "r18=90,f=HSNC"),
    v("lsl r18", "r18=48", "r18=90,f=HVN"),
    v("adc r16,r17", "r16=0f,r17=00,f=C", "r16=10,f=H"),
    v("adc r16,r17", "r16=ff,r17=ff,f=C", "r16=ff,f=HSNC"),
    v("adc r16,r17", "r16=ff,r17=00,f=C", "r16=00,f=HZC"),
    v("adc r16,r17", "r16=7f,r17=00", "r16=7f,f="),
    v("rol r31", "r31=80", "r31=00,f=SVZC"),
    v("rol r31", "r31=40,f=C", "r31=81,f=VN"),
    v("sub r20,r21", "r20=10,r21=01", "r20=0f,f=H"),
    v("sub r20,r21", "r20=00,r21=01", "r20=ff,f=HSNC"),
    v("sub r20,r21", "r20=80,r21=01", "r20=7f,f=HSV"),
    v("sub r20,r21", "r20=7f,r21=ff", "r20=80,f=VNC"),
    v("sub r20,r21", "r20=33,r21=33,f=C", "r20=00,f=Z"),
    v("subi r22,0x5a", "r22=5a", "r22=00,f=Z"),
    v("subi r22,0x01", "r22=80", "r22=7f,f=HSV"),
    v("subi r22,0xff", "r22=0e", "r22=0f,f=HC"),
    # SBC, SBCI, CPC: Z only stays set
    v("sbc r16,r17", "r16=00,r17=00,f=Z", "r16=00,f=Z"),
    v("sbc r16,r17", "r16=00,r17=00,f=", "r16=00,f="),
    v("sbc r16,r17", "r16=00,r17=00,f=ZC", "r16=ff,f=HSNC"),
    v("sbc r16,r17", "r16=80,r17=7f,f=C", "r16=00,f=HSV"),
    v("sbci r16,0x10", "r16=10,f=Z", "r16=00,f=Z"),
    v("sbci r16,0x10", "r16=10,f=ZC", "r16=ff,f=HSNC"),
    v("sbci r16,0x00", "r16=05,f=ZC", "r16=04,f="),
    v("cp r16,r17", "r16=01,r17=02", "f=HSNC"),
    v("cp r16,r17", "r16=42,r17=42", "f=Z"),
    v("cp r16,r17", "r16=80,r17=01", "f=HSV"),
    v("cpc r16,r17", "r16=42,r17=42,f=Z", "f=Z"),
    v("cpc r16,r17", "r16=42,r17=42", "f="),
    v("cpc r16,r17", "r16=42,r17=42,f=C", "f=HSNC"),
    v("cpi r29,0x80", "r29=7f", "f=VNC"),
    v("cpi r29,0x7f", "r29=7f,f=C", "f=Z"),
    v("and r16,r17", "r16=f0,r17=8f,f=VC", "r16=80,f=SNC"),
    v("and r16,r17", "r16=f0,r17=0f", "r16=00,f=Z"),
    v("tst r16", "r16=00,f=N", "f=Z"),
    v("tst r16", "r16=81", "f=SN"),
    v("andi r30,0x3c", "r30=c3,f=HC", "r30=00,f=HZC"),
    v("andi r30,0xf0", "r30=8f", "r30=80,f=SN"),
    v("or r16,r17", "r16=01,r17=80", "r16=81,f=SN"),
    v("or r16,r17", "r16=00,r17=00,f=V", "r16=00,f=Z"),
    v("ori r17,0x0f", "r17=70,f=C", "r17=7f,f=C"),
    v("eor r16,r17", "r16=ff,r17=7f", "r16=80,f=SN"),
    v("clr r25", "r25=a5,f=SVNC", "r25=00,f=ZC"),
    v("com r19", "r19=ff", "r19=00,f=ZC"),
    v("com r19", "r19=55,f=H", "r19=aa,f=HSNC"),
    v("neg r19", "r19=00", "r19=00,f=Z"),
    v("neg r19", "r19=80", "r19=80,f=VNC"),
    v("neg r19", "r19=01", "r19=ff,f=HSNC"),
    v("neg r19", "r19=f0", "r19=10,f=C"),
    v("inc r23", "r23=7f,f=HC", "r23=80,f=HVNC"),
    v("inc r23", "r23=ff", "r23=00,f=Z"),
    v("dec r23", "r23=80,f=C", "r23=7f,f=SVC"),
    v("dec r23", "r23=00", "r23=ff,f=SN"),
    v("dec r23", "r23=01", "r23=00,f=Z"),
    v("lsr r24", "r24=01,f=N", "r24=00,f=SVZC"),
    v("lsr r24", "r24=80", "r24=40,f="),
    v("asr r24", "r24=81", "r24=c0,f=SNC"),
    v("asr r24", "r24=80", "r24=c0,f=VN"),
    v("asr r24", "r24=01", "r24=00,f=SVZC"),
    v("ror r24", "r24=01,f=C", "r24=80,f=SNC"),
    v("ror r24", "r24=00,f=C", "r24=80,f=VN"),
    v("ror r24", "r24=03", "r24=01,f=SVC"),
    v("swap r26", "r26=5e,f=Z", "r26=e5"),
]
BITS = [
    *(v(f"se{name}", "", f"f={flag}") for name, flag in zip("cznvshti", "CZNVSHTI", strict=True)),
    *(
        v(f"cl{name}", "f=ITHSVNZC", "f=" + "ITHSVNZC".replace(flag, ""))
        for name, flag in zip("cznvshti", "CZNVSHTI", strict=True)
    ),
    v("bst r16,7", "r16=80", "f=T"),
    v("bst r16,0", "r16=fe,f=TC", "f=C"),
    v("bld r17,3", "r17=00,f=T", "r17=08"),
    v("bld r17,3", "r17=ff", "r17=f7"),
    v("sbi 0x05,1", "m05=00", "m05=02"),
    v("sbi 0x1f,7", "m1f=7f", "m1f=ff"),
    v("cbi 0x05,1", "m05=ff", "m05=fd"),
    v("nop"),
    v("wdr"),
    v("break"),
    v("sleep"),
]
# Skips: 1 cycle, 2 with an instruction skipped (no two-word instructions on this core)
SKIPS = [
    v("cpse r16,r17", "r16=01,r17=01", "pc=2", 2),
    v("cpse r16,r17", "r16=01,r17=02", "pc=1", 1),
    v("sbrc r16,4", "r16=ef", "pc=2", 2),
    v("sbrc r16,4", "r16=10", "pc=1", 1),
    v("sbrs r16,4", "r16=10", "pc=2", 2),
    v("sbrs r16,4", "r16=ef", "pc=1", 1),
    v("sbic 0x00,2", "m00=fb", "pc=2", 2),
    v("sbic 0x00,2", "m00=04", "pc=1", 1),
    v("sbis 0x1f,0", "m1f=01", "pc=2", 2),
    v("sbis 0x1f,0", "m1f=fe", "pc=1", 1),
]
BRANCHES = [
    vector
    for taken, other, flag in [
        ("brcs", "brcc", "C"),
        ("breq", "brne", "Z"),
        ("brmi", "brpl", "N"),
        ("brvs", "brvc", "V"),
        ("brlt", "brge", "S"),
        ("brhs", "brhc", "H"),
        ("brts", "brtc", "T"),
        ("brie", "brid", "I"),
    ]
    for vector in (
        v(f"{taken} .+16", f"f={flag}", "pc=9", 2),
        v(f"{taken} .+16", "f=" + "ITHSVNZC".replace(flag, ""), "pc=1", 1),
        v(f"{other} .-16", "f=" + "ITHSVNZC".replace(flag, ""), "pc=-7", 2),
        v(f"{other} .-16", f"f={flag}", "pc=1", 1),
    )
]
# A call pushes the low byte of the return address first (0x21); RET takes the high byte first.
JUMPS = [
    v("rjmp .+100", "", "pc=33", 2),
    v("rjmp .-80", "", "pc=1d9", 2),  # below 0: the 9-bit PC wraps
    v("ijmp", "r30=23,r31=01", "pc=103", 2),
    v("ijmp", "r30=23,r31=ff", "pc=103", 2),
    v("rcall .+4", "", "pc=3,sp=53,m55=21,m54=00", 3),
    v("icall", "r30=80,r31=00", "pc=60,sp=53,m55=21,m54=00", 3),
    v("ret", "m56=01,m57=02", "pc=e2,sp=57", 6),
    v("reti", "m56=01,m57=02", "pc=e2,sp=57,f=I", 6),
]
DATA = [
    v("mov r16,r31", "r31=5a,f=Z", "r16=5a"),
    v("ldi r28,0xa5", "", "r28=a5"),
    v("ser r28", "", "r28=ff"),
    v("in r16,0x00", "m00=77", "r16=77"),
    v("in r16,0x3a", "m3a=78", "r16=78"),
    v("in r16,0x3d", "", "r16=55"),
    v("in r16,0x3e", "", "r16=00"),
    v("in r16,0x3f", "f=TC", "r16=41"),
    v("out 0x3a,r17", "r17=12", "m3a=12"),
    v("out 0x3d,r17", "r17=4f", "sp=4f"),
    v("out 0x3f,r17", "r17=83", "f=IZC"),
    v("push r18", "r18=9c", "sp=54,m55=9c", 1),
    v("pop r18", "m56=c9", "sp=56,r18=c9", 3),
    # 16-bit LDS, STS reach 0x40-0xbf, with a scrambled address
    v("lds r16,0x40", "m40=11", "r16=11", 2),
    v("lds r31,0x5f", "m5f=12", "r31=12", 2),
    v("lds r20,0x4a", "m4a=13", "r20=13", 2),
    v("lds r20,0x80", "", "r20=ee", 2),
    v("sts 0x40,r16", "r16=21", "m40=21"),
    v("sts 0x5f,r31", "r31=22", "m5f=22"),
    v("sts 0x51,r24", "r24=23", "m51=23"),
    # Indirect: 1 cycle from data memory, 2 with increment or decrement
    *(
        vector
        for p, low, high in [("X", 26, 27), ("Y", 28, 29), ("Z", 30, 31)]
        for vector in (
            v(f"ld r16,{p}", f"r{low}=47,r{high}=00,m47=31", "r16=31", 1),
            v(f"ld r16,{p}+", f"r{low}=47,r{high}=00,m47=31", f"r16=31,r{low}=48", 2),
            v(f"ld r16,-{p}", f"r{low}=48,r{high}=00,m47=31", f"r16=31,r{low}=47", 2),
            v(f"ld r16,{p}+", f"r{low}=10,r{high}=00,m10=32", f"r16=32,r{low}=11", 2),
            v(f"st {p},r16", f"r{low}=47,r{high}=00,r16=41", "m47=41", 1),
            v(f"st {p}+,r16", f"r{low}=47,r{high}=00,r16=41", f"m47=41,r{low}=48", 1),
            v(f"st -{p},r16", f"r{low}=48,r{high}=00,r16=41", f"m47=41,r{low}=47", 2),
            # flash at 0x4000 takes one cycle more: the instruction itself stands at 0x4040
            v(f"ld r16,{p}", f"r{low}=42,r{high}=40", "r16=34", 2),
            v(f"ld r16,{p}+", f"r{low}=43,r{high}=40", f"r16=12,r{low}=44", 3),
            v(f"ld r16,-{p}", f"r{low}=44,r{high}=40", f"r16=12,r{low}=43", 3),
            v(f"ld r16,{p}+", f"r{low}=ff,r{high}=43", f"r16=ff,r{low}=00,r{high}=44", 3),
        )
    ),
]
VECTORS = [*ALU, *BITS, *SKIPS, *BRANCHES, *JUMPS, *DATA]
FOLLOWING = 0x1234  # the word behind each instruction

# Not on this core (manual, appendix A): they count as undefined and do nothing.
UNDEFINED = {
    "adiw r24,1": 0x9601,
    "sbiw r24,1": 0x9701,
    "movw r16,r18": 0x0189,
    "mul r16,r17": 0x9F01,
    "muls r16,r17": 0x0201,
    "mulsu r16,r17": 0x0301,
    "fmul r16,r17": 0x0309,
    "ldd r16,Y+1": 0x8109,
    "std Z+1,r16": 0x8301,
    "jmp": 0x940C,
    "call": 0x940E,
    "lpm": 0x95C8,
    "lpm r16,Z": 0x9104,
    "lpm r16,Z+": 0x9105,
    "elpm": 0x95D8,
    "spm": 0x95E8,
    "eijmp": 0x9419,
    "eicall": 0x9519,
    "lds r16 (32 bit)": 0x9100,
    "sts r16 (32 bit)": 0x9300,
    "add r15,r16": 0x0EF0,
    "add r16,r15": 0x0D0F,
    "mov r0,r16": 0x2E00,
    "com r2": 0x9420,
    "in r1,0": 0xB010,
    "sbrc r3,1": 0xFC31,
    "ld r5,X": 0x905C,
    "push r7": 0x927F,
    "reserved": 0x9404,
    "all ones": 0xFFFF,
}


def sreg(flags: str) -> int:
    return sum(1 << "CZNVSHTI".index(flag) for flag in flags)


@dataclass
class State:
    """The machine of core_rc.c."""

    pc: int = PC
    sreg: int = 0
    sp: int = SP
    r: bytearray = field(default_factory=lambda: bytearray(range(0xA0, 0xB0)))
    ram: bytearray = field(default_factory=lambda: bytearray(32))
    io: bytearray = field(default_factory=lambda: bytearray(61))

    def put(self, changes: dict[str, int | str]) -> None:
        for name, value in changes.items():
            if name == "f":
                self.sreg = sreg(value)
            elif name == "pc":
                self.pc = (PC + value) % 512
            elif name == "sp":
                self.sp = value
            elif name[0] == "r":
                self.r[int(name[1:]) - 16] = value
            elif int(name[1:], 16) >= RAM:
                self.ram[int(name[1:], 16) - RAM] = value
            else:
                self.io[int(name[1:], 16)] = value

    def line(self, words: list[int]) -> str:
        numbers = [self.pc, *words, self.sreg, self.sp]
        return " ".join([*(f"{n:x}" for n in numbers), self.r.hex(), self.ram.hex(), self.io.hex()]) + "\n"


@dataclass
class Result:
    """What core_rc.c printed for one instruction."""

    state: State
    cycles: int
    illegal: int
    asleep: int


@pytest.fixture(scope="module")
def execute(compile_c):
    """execute([(state, word), ...]) -> a Result each, from the sanitized program."""
    program = compile_c("core_rc.c", *CORE, sanitize=True)

    def run(cases: list[tuple[State, int]]) -> list[Result]:
        text = "".join(state.line([word, FOLLOWING, 0, 0]) for state, word in cases)
        output = subprocess.run([program], input=text, capture_output=True, check=True, timeout=60, text=True).stdout
        results = []
        for line in output.splitlines():
            pc, cycles, flags, sp, r, ram, io, illegal, asleep = line.split()
            after = State(int(pc, 16), int(flags, 16), int(sp, 16), *(bytearray.fromhex(x) for x in (r, ram, io)))
            results.append(Result(after, int(cycles, 16), int(illegal, 16), int(asleep, 16)))
        return results

    return run


@pytest.fixture(scope="module")
def words(avr_image) -> list[int]:
    """The vectors' opcodes, as GNU as makes them."""
    image = avr_image("".join(f".org {4 * i}\n{vector.code}\n" for i, vector in enumerate(VECTORS)))
    return [int.from_bytes(image[4 * i : 4 * i + 2], "little") for i in range(len(VECTORS))]


@pytest.fixture(scope="module")
def outcomes(execute, words) -> list[tuple[State, Result]]:
    """What should be and what is, for each vector."""
    cases, expected = [], []
    for vector, word in zip(VECTORS, words, strict=True):
        before, after = State(), State()
        before.put(vector.before)
        after.put(vector.before)
        after.put({"pc": 1} | vector.after)
        cases.append((before, word))
        expected.append(after)
    return list(zip(expected, execute(cases), strict=True))


@pytest.mark.parametrize("index", range(len(VECTORS)), ids=lambda i: f"{VECTORS[i].code}-{i}")
def test_instruction(outcomes, index):
    expected, result = outcomes[index]
    assert result.state == expected
    assert result.cycles == VECTORS[index].cycles
    assert result.illegal == 0
    assert result.asleep == (VECTORS[index].code == "sleep")


@pytest.mark.parametrize("name", UNDEFINED)
def test_instruction_that_this_core_lacks_does_nothing_and_is_counted(execute, name):
    (result,) = execute([(State(), UNDEFINED[name])])
    assert result.illegal == 1
    assert result.cycles == 1
    assert result.state == State(pc=PC + 1)


def test_program_counter_wraps_at_the_end_of_flash(execute):
    result, skipped = execute([(State(pc=0x1FF), 0x0000), (State(pc=0x1FF), 0x1300)])  # nop; cpse r16,r16
    assert result.state.pc == 0
    assert skipped.state.pc == 1
