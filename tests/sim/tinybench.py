"""A tiny on the bench: tiny_driver.c behind a pipe, a lane host and a TPI host in Python."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

PERIOD = 125_000  # ps, 8 MHz
MS = 1_000_000_000  # ps
US = 1_000_000
RELEASED, PULLED_UP, LOW, HIGH = range(4)  # enum tiny_drive

# Register names as I/O numbers, as the datasheet's register summary has them.
DEFINES = "#define __SFR_OFFSET 0\n#include <avr/io.h>\n"
FULL_SPEED = "ldi r16,0xd8 / out CCP,r16 / ldi r16,0 / out CLKPSR,r16 / "  # 8 MHz from the fifth cycle
VECTORS = "rjmp main\n" + "\n".join(f"rjmp v{n}" for n in range(1, 11)) + "\n"


def handlers(**code: str) -> str:
    """Vector table; every handler not given counts in r31."""
    return (
        VECTORS
        + "".join(f"v{n}: " + code.get(f"v{n}", "inc r31 / ") + " reti / " for n in range(1, 11))
        + "main: clr r31 / "
    )


class Bench:
    """The tiny, its pins and the time. The program it drives runs under the sanitizers and fails loudly."""

    def __init__(self, program: Path) -> None:
        self.process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, *words: object) -> str:
        assert self.process.stdin and self.process.stdout
        print(*words, file=self.process.stdin, flush=True)
        answer = self.process.stdout.readline()
        assert answer, f"the driver died on {words}"
        return answer.strip()

    def get(self, name: str) -> int:
        return int(self.ask("get", name))

    def set(self, name: str, value: int) -> None:
        self.ask("set", name, value)

    def io(self, address: int) -> int:
        """A data-space byte, as the CPU would read it now."""
        return self.get(f"m{address:x}")

    def boot(self, image: bytes, seed: int = 1, ppm: int = 0) -> Bench:
        """Power on with this image, out of reset, and run to just before the first instruction."""
        assert self.ask("image", image.hex()) == "0"
        self.ask("clock", 1)
        self.ask("power", seed, ppm)
        self.ask("run", MS)
        self.ask("reset", 1)
        self.ask("run", 64 * MS)
        return self

    def run(self, ps: int) -> Bench:
        self.ask("run", ps)
        return self

    def cycles(self, count: int) -> Bench:
        """Let this many CPU cycles pass, at the period of now."""
        return self.run(count * self.get("period"))

    def planes(self, bits: str, period: int = 25 * PERIOD) -> str:
        """Drive the lane with each bit for one plane; the levels that the pump chip sampled, one per plane."""
        return self.ask("planes", bits, period)

    def close(self) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        assert self.process.wait(10) == 0


class TpiError(Exception):
    """The tiny did not answer, or with a bad frame."""


class Tpi:
    """The host's side of TPI, bit-banged over planes (datasheet 8127, section 14)."""

    KEY = bytes.fromhex("ff88d8cd45ab8912")

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.patience = 150  # planes to listen for an answer: the default guard time, two idle bits, a frame

    @staticmethod
    def frame(byte: int) -> str:
        data = "".join(str(byte >> bit & 1) for bit in range(8))
        return "0" + data + str(data.count("1") & 1) + "11"

    def enter(self) -> None:
        """Hold in reset, 16 clocks with the line high, short guard time, NVM on."""
        self.bench.ask("reset", 0)
        self.bench.run(MS)
        self.bench.planes("1" * 20)
        self.write(0xC2, 0x06)  # SSTCS TPIPCR: two guard bits
        self.patience = 20
        self.write(0xE0, *self.KEY)
        assert self.read(0x80) & 2  # SLDCS TPISR: NVMEN

    def leave(self) -> None:
        self.write(0xC0, 0)
        self.bench.ask("reset", 1)

    def write(self, *data: int) -> None:
        self.bench.planes("".join(map(self.frame, data)))

    def read(self, *instruction: int) -> int:
        """Send an instruction and take its answer."""
        # A plane's sample is taken before its clock pulse: the answer to the last bit shows one plane later.
        seen = self.bench.planes("".join(map(self.frame, instruction)) + "1" * self.patience)[
            12 * len(instruction) + 1 :
        ]
        start = seen.find("0")
        bits = seen[start : start + 12]
        if start < 0 or len(bits) < 12:
            raise TpiError("no answer")
        byte = sum(int(bit) << place for place, bit in enumerate(bits[1:9]))
        if bits != self.frame(byte):
            raise TpiError(f"bad frame {bits}")
        return byte

    def pointer(self, address: int) -> None:
        self.write(0x68, address & 0xFF, 0x69, address >> 8)

    def load(self, address: int, count: int) -> bytes:
        self.pointer(address)
        return bytes(self.read(0x24) for _ in range(count))  # SLD PR+

    def command(self, code: int) -> None:
        self.write(0xF3, code)  # SOUT NVMCMD

    def wait(self) -> int:
        """Poll NVMBSY; how many times it was set."""
        for polls in range(2000):
            if not self.read(0x72) & 0x80:  # SIN NVMCSR
                return polls
        raise TpiError("busy for ever")

    def erase(self, command: int = 0x10, address: int = 0x4001) -> None:
        self.command(command)
        self.pointer(address)
        self.write(0x60, 0xFF)  # SST
        self.wait()

    def program(self, address: int, data: bytes) -> None:
        """Write words; SST PR+ of low and high byte, then poll."""
        self.command(0x1D)
        self.pointer(address)
        for low, high in words(data):
            self.write(0x64, low)
            self.write(0x64, high)
            self.wait()


def words(data: bytes) -> Iterator[tuple[int, int]]:
    data += b"\xff" * (len(data) & 1)
    return zip(data[::2], data[1::2], strict=True)
