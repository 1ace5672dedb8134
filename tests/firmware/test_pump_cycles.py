"""pump.S says what each instruction and each plane costs; the assembled code must agree."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile

ROOT = Path(__file__).resolve().parents[2]
SOURCE = (ROOT / "atmega" / "pump.S").read_text()
README = (ROOT / "atmega" / "README.md").read_text()
CLOCK_HZ = 16_000_000
PADDING_LOOP = 3

# AVRe+ (AVR instruction set manual, DS40002198). A branch costs one more when it is taken.
# As avr-objdump names them: LSL is ADD, CLR is EOR, TST is AND, BRLO is BRCS, BRSH is BRCC.
ONE = ("adc", "add", "and", "andi", "com", "cp", "cpi", "dec", "eor", "in", "ldi", "mov", "or", "out")
CYCLES = {
    **dict.fromkeys((*ONE, "inc", "sec", "subi", "wdr"), "1"),
    **dict.fromkeys(("adiw", "cbi", "sbi", "lds", "sts", "rjmp"), "2"),
    **dict.fromkeys(("breq", "brne", "brcs", "brcc"), "1/2"),
    "rcall": "3",
}


@pytest.fixture(scope="module")
def listing(pump_elf: Path) -> list[tuple[str, int, str]]:
    """(label, line of pump.S, mnemonic) of each instruction of pump.S, in the order of the flash."""
    text = subprocess.run(["avr-objdump", "-dl", pump_elf], capture_output=True, text=True, check=True).stdout
    found, label, line, ours = [], "", 0, None
    for row in text.splitlines():
        if match := re.match(r"[0-9a-f]+ <(\w+)>:", row):
            label, line = match[1], 0
            ours = re.search(rf"^{label}:", SOURCE, re.MULTILINE)
        elif match := re.match(r"\S*pump\.S:(\d+)", row):
            line = int(match[1])
        elif re.match(r"\S+\.(c|S|h):\d+", row):
            line = 0
        elif (match := re.match(r"\s+[0-9a-f]+:\t[0-9a-f ]+\t(\S+)", row)) and line and ours:
            found.append((label, line, match[1]))
    return found


def table() -> dict[str, list[int]]:
    """The budget in the head of pump.S: run -> its numbers."""
    rows = re.findall(r"^ \*   (BOTH|TX|RX|IDLE) +([\d, ]+)$", SOURCE, re.MULTILINE)
    return {run: [int(number.replace(",", "")) for number in numbers.split()] for run, numbers in rows}


def phases(listing: list[tuple[str, int, str]], run: str) -> tuple[int, int]:
    """Cycles of the low and the high phase of one plane, without padding: its MOV, DEC and BRNE cost 3 * loops."""
    body = [mnemonic for label, _, mnemonic in listing if label == f"{run.lower()}_plane"]
    costs, padding = [], 0
    for at, mnemonic in enumerate(body):
        is_loop = body[at : at + 3] == ["mov", "dec", "brne"]
        padding = 3 if is_loop else padding
        costs.append(0 if padding else int(CYCLES[mnemonic].split("/")[0]))
        padding = max(0, padding - 1)
    low, high = body.index("cbi") + 1, body.index("sbi") + 1
    # The branch back to the head: BRNE after DEC n, or BRLO (brcs) after the comparison that ends IDLE.
    ends = (["dec", "brne"], ["cp", "brcs"])
    back = next(at for at in range(high, len(body)) if body[at - 1 : at + 1] in ends and costs[at])
    return sum(costs[low:high]), sum(costs[high : back + 1]) + 1 + sum(costs[:low])


def test_every_instruction_says_its_cycles(listing: list[tuple[str, int, str]]) -> None:
    lines = SOURCE.splitlines()
    wrong, checked = [], 0
    for label, line, mnemonic in listing:
        if label == "pump":
            continue  # runs once
        said = re.search(r";\s*([\d/]+)(\s|$)", lines[line - 1])
        checked += 1
        if not said or said[1] != CYCLES[mnemonic]:
            wrong.append(f"pump.S:{line}: {lines[line - 1].strip()}: {mnemonic} costs {CYCLES[mnemonic]}")
    assert not wrong, "\n".join(wrong)
    assert checked > 120


@pytest.mark.parametrize("run", ["BOTH", "TX", "RX", "IDLE"])
def test_the_budget_in_the_head_is_that_of_the_loop(listing: list[tuple[str, int, str]], run: str) -> None:
    low, high, loops_low, loops_high, padded_low, padded_high, plane, rate, _ = table()[run]
    assert (low, high) == phases(listing, run)
    assert padded_low == low + PADDING_LOOP * loops_low
    assert padded_high == high + PADDING_LOOP * loops_high
    assert plane == padded_low + padded_high
    assert rate == CLOCK_HZ // plane
    assert abs(padded_low - padded_high) <= 1, "the phases are even"


def test_the_default_padding_is_that_of_the_table(pump_elf: Path) -> None:
    with pump_elf.open("rb") as file:
        elf = ELFFile(file)
        address = elf.get_section_by_name(".symtab").get_symbol_by_name("padding")[0]["st_value"]
        data = elf.get_section_by_name(".data")
        at = address - data["sh_addr"]
        stored = list(data.data()[at : at + 8])
    assert stored == [loops for run in ("BOTH", "TX", "RX", "IDLE") for loops in table()[run][2:4]]


def test_the_readme_repeats_the_budget() -> None:
    for run, numbers in table().items():
        plane, rate, packet = numbers[6], numbers[7], numbers[8]
        assert re.search(rf"^\| {run} \| {plane} \| {rate:,} \| {packet} \|", README, re.MULTILINE), run


def test_no_function_of_c_takes_the_registers_that_the_pump_keeps(pump_elf: Path) -> None:
    """r2-r5, r16 and r17 hold for ever: whoever uses them must push them first."""
    text = subprocess.run(["avr-objdump", "-d", pump_elf], capture_output=True, text=True, check=True).stdout
    for function in re.split(r"\n(?=[0-9a-f]+ <)", text):
        name = re.match(r"[0-9a-f]+ <(\w+)>", function.strip())
        if not name or name[1] not in ("usb_service", "configure", "resets_set"):
            continue
        for register in ("r2", "r3", "r4", "r5", "r16", "r17"):
            used = re.search(rf"\b{register}\b", function)
            assert not used or f"push\t{register}" in function, f"{name[1]} changes {register}"


def test_the_firmware_is_small(pump_elf: Path) -> None:
    with pump_elf.open("rb") as file:
        elf = ELFFile(file)
        flash = sum(elf.get_section_by_name(name)["sh_size"] for name in (".text", ".data"))
        ram = sum(elf.get_section_by_name(name)["sh_size"] for name in (".data", ".bss"))
    assert flash <= 2048
    assert ram <= 2560 - 256, "a stack of 256 bytes is left"
