"""Builds the fuzz targets with clang and runs them: fuzz.py [TARGET] [SECONDS], all of them where none is named.

What a run finds stays in build/fuzz/TARGET/ as crash-...: a copy of it in corpus/TARGET/ is a test from then on.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
ENGINE = ROOT / "ext" / "engine"
BUILD = ROOT / "build" / "fuzz"
USB = ROOT / "ext" / "usb"
INCLUDE = (ROOT / "ext", ENGINE, USB, ROOT / "build" / "include")
FLAGS = ["-std=gnu11", "-g", "-O1", "-Wall", "-Wextra", "-Werror", "-fno-sanitize-recover=all"]
FLAGS += [*(f"-I{path}" for path in INCLUDE), "-Wno-unused-parameter"]
CLOCK = "-Dclock_gettime=fuzz_clock_gettime"  # in ext/usb: the target has a clock of its own
SANITIZE = "address,undefined"
TARGETS = tuple(sorted(path.stem for path in HERE.glob("*.c")))
SECONDS = 60


def missing() -> str | None:
    """What there is not, or None."""
    if not shutil.which("clang"):
        return "clang"
    folder = subprocess.run(["clang", "--print-runtime-dir"], capture_output=True, text=True, check=True).stdout.strip()
    return None if any(Path(folder).glob("libclang_rt.fuzzer*")) else "libFuzzer (Debian: libclang-rt-...-dev)"


def built(target: str) -> Path:
    """The program for a target, compiled again only when something it is made of has changed."""
    sources = [*sorted((USB if target == "usb" else ENGINE).glob("*.c")), HERE / f"{target}.c"]
    headers = sorted(path for folder in (HERE, *INCLUDE[1:]) for path in folder.glob("*.h"))
    with ThreadPoolExecutor(2) as pool:
        objects = list(pool.map(lambda source: compiled(source, headers), sources))
    program = BUILD / f"{target}-{digest(' '.join(map(str, objects)).encode())}"
    if not program.exists():
        scratch = program.with_suffix(".new")
        made = ["clang", f"-fsanitize=fuzzer,{SANITIZE}", "-pthread", *map(str, objects), "-o", str(scratch)]
        subprocess.run(made, check=True, timeout=300)
        scratch.rename(program)
    return program


def compiled(source: Path, headers: list[Path]) -> Path:
    flags = [*FLAGS, CLOCK] if source.parent == USB else FLAGS
    contents = b"\0".join(path.read_bytes() for path in (source, *headers))
    target = BUILD / "objects" / f"{source.stem}-{digest(contents + ' '.join([*flags, str(source)]).encode())}.o"
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        scratch = target.with_suffix(".new")
        made = ["clang", *flags, f"-fsanitize=fuzzer-no-link,{SANITIZE}", "-c", str(source), "-o", str(scratch)]
        subprocess.run(made, check=True, timeout=300)
        scratch.rename(target)
    return target


def digest(contents: bytes) -> str:
    return hashlib.sha256(contents).hexdigest()[:16]


def corpus(target: str) -> Path:
    """The inputs that are kept: a few seeds, and each one that has found something."""
    return HERE / "corpus" / target


def fuzz(target: str, seconds: int) -> int:
    """Run a target for so long, from its corpus and from what earlier runs have gathered."""
    gathered = BUILD / target
    gathered.mkdir(parents=True, exist_ok=True)
    command = [str(built(target)), f"-max_total_time={seconds}", "-timeout=20", "-max_len=4096", "-print_final_stats=1"]
    command += [f"-artifact_prefix={gathered}/", str(gathered), str(corpus(target))]
    return subprocess.run(command, check=False).returncode


def main(words: list[str]) -> int:
    seconds = int(words.pop()) if words and words[-1].isdecimal() else SECONDS
    if unknown := [word for word in words if word not in TARGETS]:
        print(f"fuzz: no target {unknown[0]!r}: there are {', '.join(TARGETS)}", file=sys.stderr)
        return 2
    if lacks := missing():
        print(f"fuzz: {lacks} is not installed", file=sys.stderr)
        return 2
    failed = [target for target in words or TARGETS if fuzz(target, seconds)]
    for target in failed:
        print(f"fuzz: {target} has found something, see above and {BUILD / target}", file=sys.stderr)
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
