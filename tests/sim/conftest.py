"""What tests of the simulator share: C drivers and AVR images, built once and kept under build/tests/."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
SIM = ROOT / "ext" / "sim"
BUILD = ROOT / "build" / "tests"
CORE = sorted(SIM.glob("avr*.c"))
TINY = [*CORE, SIM / "attiny10.c", *sorted(SIM.glob("tiny_*.c"))]
CFLAGS = ["-std=gnu11", "-O2", "-g", "-Wall", "-Wextra", "-Wno-unused-parameter", "-Werror"]
SANITIZE = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]

CompileC = Callable[..., Path]
Assemble = Callable[..., bytes]


def built(name: str, parts: list[str], depends: list[Path], command: Callable[[Path], list[str]]) -> Path:
    """The file `name` made by `command(target)`, made again only when the parts or a file it depends on changed."""
    digest = hashlib.sha256("\0".join(parts).encode())
    for path in depends:
        digest.update(path.read_bytes())
    target = BUILD / f"{name}-{digest.hexdigest()[:16]}"
    if not target.exists():
        BUILD.mkdir(parents=True, exist_ok=True)
        scratch = target.with_suffix(".new")
        subprocess.run(command(scratch), check=True, cwd=ROOT, timeout=120)
        scratch.rename(target)
    return target


@pytest.fixture(scope="session")
def compile_c() -> CompileC:
    """compile_c("driver.c", *sources, libs=["-lsimavr"], sanitize=True): path of the program.

    Drivers are named relative to this folder; CORE or TINY are the sources of the simulator to link. With sanitize it
    runs under AddressSanitizer and UBSan.
    """

    def build(driver: str, *sources: Path, libs: tuple[str, ...] = (), sanitize: bool = False) -> Path:
        files = [HERE / driver, *sources]
        flags = [*CFLAGS, *(SANITIZE if sanitize else []), f"-I{SIM}", f"-I{HERE}", f"-I{ROOT / 'build' / 'include'}"]
        headers = [*SIM.glob("*.h"), *HERE.glob("*.h")]
        return built(
            Path(driver).stem,
            [*map(str, files), *flags, *libs],
            [*files, *sorted(headers)],
            lambda target: ["cc", *flags, "-o", str(target), *map(str, files), *libs],
        )

    return build


@pytest.fixture(scope="session")
def avr_image() -> Assemble:
    """avr_image(source, mcu="attiny10", flags=[...]): raw flash of an assembly or C source given as text.

    Text that begins with a C comment or #include is C, unless `language` says otherwise.
    """

    def build(source: str, mcu: str = "attiny10", flags: tuple[str, ...] = ("-nostdlib",), language: str = "") -> bytes:
        kind = language or ("c" if source.lstrip().startswith(("#include <", "/*")) else "assembler-with-cpp")
        text = BUILD / f"source-{hashlib.sha256(source.encode()).hexdigest()[:16]}.S"
        BUILD.mkdir(parents=True, exist_ok=True)
        text.write_text(source)
        elf = built(
            "image",
            [source, mcu, kind, *flags],
            [],
            lambda target: ["avr-gcc", f"-mmcu={mcu}", *flags, "-o", str(target), "-x", kind, str(text)],
        )
        raw = built("raw", [elf.name], [elf], lambda target: ["avr-objcopy", "-O", "binary", str(elf), str(target)])
        return raw.read_bytes()

    if not shutil.which("avr-gcc"):
        pytest.fail("avr-gcc is missing: apt install gcc-avr avr-libc binutils-avr")
    return build
