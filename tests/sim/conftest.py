"""What tests of the simulator share: C drivers, AVR images, and a tiny on the bench."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from boardbench import Board
from simbuild import ASM, BUILD, CFLAGS, HERE, SANITIZE, SIM, TINY, Assemble, CompileC, built
from tinybench import DEFINES, Bench


@pytest.fixture(scope="session")
def compile_c() -> CompileC:
    """compile_c("driver.c", *sources, libs=["-lsimavr"], sanitize=True): path of the program.

    Drivers are named relative to this folder; CORE or TINY are the sources of the simulator to link. With sanitize it
    runs under AddressSanitizer and UBSan.
    """

    def build(driver: str, *sources: Path, libs: tuple[str, ...] = (), sanitize: bool = False) -> Path:
        flags = [*CFLAGS, *(SANITIZE if sanitize else ["-O2"]), f"-I{SIM}", f"-I{HERE}"]
        headers = sorted([*SIM.glob("avr*.h"), *SIM.glob("*tiny*.h"), SIM / "wire.h", *HERE.glob("*.h")])
        objects = [
            built(
                file.stem,
                [str(file), *flags],
                [file, *headers],
                lambda target, file=file: ["cc", *flags, "-c", "-o", str(target), str(file)],
            )
            for file in [HERE / driver, *sources]
        ]
        names = list(map(str, objects))
        return built(
            f"run-{Path(driver).stem}",
            [*names, *flags, *libs],
            [],
            lambda target: ["cc", *flags, "-o", str(target), *names, *libs],
        )

    return build


@pytest.fixture(scope="session")
def avr_image() -> Assemble:
    """avr_image(source, mcu="attiny10", flags=[...]): raw flash of an assembly or C source given as text.

    In assembly " / " ends a line, so that short programs fit one.
    """

    def build(
        source: str, mcu: str = "attiny10", flags: tuple[str, ...] = ("-nostdlib",), language: str = ASM
    ) -> bytes:
        text = BUILD / f"source-{hashlib.sha256(source.encode()).hexdigest()[:16]}.S"
        BUILD.mkdir(parents=True, exist_ok=True)
        text.write_text(source.replace(" / ", "\n") if language == ASM else source)
        elf = built(
            "image",
            [source, mcu, language, *flags],
            [],
            lambda target: ["avr-gcc", f"-mmcu={mcu}", *flags, "-o", str(target), "-x", language, str(text)],
        )
        raw = built("raw", [elf.name], [elf], lambda target: ["avr-objcopy", "-O", "binary", str(elf), str(target)])
        return raw.read_bytes()

    if not shutil.which("avr-gcc"):
        pytest.fail("avr-gcc is missing: apt install gcc-avr avr-libc binutils-avr")
    return build


@pytest.fixture
def bench(compile_c) -> Iterator[Bench]:
    """A tiny in reset, under the sanitizers; see tinybench.py."""
    tiny = Bench(compile_c("tiny_driver.c", *TINY, sanitize=True))
    yield tiny
    tiny.close()


@pytest.fixture
def start(bench, avr_image):
    """start(program, **settings) -> Bench just before its first instruction, at 8 MHz after FULL_SPEED."""

    def go(program: str, ppm: int = 0, **settings: int) -> Bench:
        for name, value in settings.items():
            bench.set(name, value)
        return bench.boot(avr_image(DEFINES + program), ppm=ppm)

    return go


@pytest.fixture
def board() -> Iterator[Board]:
    """A board behind a pipe, under the sanitizers; see boardbench.py."""
    bench = Board()
    yield bench
    bench.close()
