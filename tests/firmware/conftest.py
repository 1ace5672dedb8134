"""The pump firmware and the wire to one tiny, built once for all their tests."""

from __future__ import annotations

import ctypes
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from intelhex import IntelHex
from pump_board import Board
from server_wire import Tiny

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def pump_elf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("firmware")
    command = ["make", "--no-print-directory", "-C", str(ROOT / "atmega"), f"OUT={out}", "CC=avr-gcc -Werror"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return out / "pump.elf"


@pytest.fixture(scope="session")
def pump_image(pump_elf: Path) -> bytes:
    return IntelHex(str(pump_elf.with_suffix(".hex"))).tobinstr()


@pytest.fixture(scope="session")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    library = tmp_path_factory.mktemp("simulator") / "libsim.so"
    include = [f"-I{ROOT / folder}" for folder in ("build/include", "ext", "ext/engine", "ext/sim")]
    sources = map(str, [*sorted((ROOT / "ext" / "sim").glob("*.c")), Path(__file__).with_name("pump_probe.c")])
    command = ["cc", "-std=gnu11", "-O1", "-shared", "-fPIC", *include, "-o", str(library), *sources]
    subprocess.run(command, check=True, timeout=120)
    return ctypes.CDLL(str(library))


@pytest.fixture
def powered(simulator: ctypes.CDLL, pump_image: bytes) -> Iterator[Board]:
    """A board with power and the firmware, not plugged in."""
    board = Board(simulator, pump_image)
    yield board
    faults = board.faults()
    board.close()
    assert faults == 0 or board.cut_short, "the firmware did what the datasheet forbids"


@pytest.fixture
def board(powered: Board) -> Board:
    """A board that the host has enumerated and configured."""
    powered.plug_in()
    powered.forget()
    return powered


@pytest.fixture(scope="session")
def wire_program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One lane, played plane by plane: see server_wire.py."""
    target = tmp_path_factory.mktemp("wire") / "tiny_wire"
    sim = ROOT / "ext" / "sim"
    sources = [ROOT / "tests" / "sim" / "tiny_wire.c", *sim.glob("avr*.c"), sim / "attiny10.c", *sim.glob("tiny_*.c")]
    subprocess.run(["cc", "-std=gnu11", "-O2", f"-I{sim}", "-o", target, *sources], check=True, timeout=120)
    return target


@pytest.fixture(scope="session")
def striping_tiny(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """An image for a tiny that drives its lane low and releases it in turn, once a plane, from the 21st plane on."""
    folder = tmp_path_factory.mktemp("tiny")
    source = folder / "stripes.S"
    source.write_text(STRIPES)
    image = folder / "stripes.bin"
    command = ["avr-gcc", "-mmcu=attiny10", "-nostdlib", "-o", str(image.with_suffix(".elf")), str(source)]
    subprocess.run(command, check=True, timeout=60)
    subprocess.run(["avr-objcopy", "-O", "binary", str(image.with_suffix(".elf")), str(image)], check=True, timeout=60)
    return image.read_bytes()


STRIPES = """
#define PINB 0x00
#define DDRB 0x01
#define CLKPSR 0x36
#define CCP 0x3C
        ldi  r16,0xD8
        out  CCP,r16
        ldi  r16,0
        out  CLKPSR,r16         ; 8 MHz
        ldi  r17,20
        ldi  r18,1
        ldi  r16,1
1:      sbic PINB,1             ; 20 planes of nothing
        rjmp 1b
2:      sbis PINB,1
        rjmp 2b
        dec  r17
        brne 1b
3:      sbic PINB,1             ; then low, released, low, ...
        rjmp 3b
        out  DDRB,r16
        eor  r16,r18
4:      sbis PINB,1
        rjmp 4b
        rjmp 3b
"""


@pytest.fixture
def tiny(wire_program: Path, image: Path) -> Iterator[Tiny]:
    """A tiny with the test file's image, started."""
    with Tiny(wire_program, image) as tiny:
        tiny.command("idle 100")
        yield tiny
