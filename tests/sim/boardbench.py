"""A board on the bench: board_driver.c behind a pipe, under the sanitizers."""

from __future__ import annotations

import functools
import hashlib
import re
import subprocess
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
SIM = ROOT / "ext" / "sim"
BUILD = ROOT / "build" / "tests"
FIRMWARE = HERE / "firmware"
CFLAGS = ["-std=gnu11", "-g", "-O1", "-Wall", "-Wextra", "-Wno-unused-parameter", "-Werror"]
SANITIZE = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
SPIN = "ffcf"  # 1: rjmp 1b -- for tests that play the CPU themselves

US = 1_000_000  # ps
MS = 1_000_000_000
CYCLE = 62_500
EAGAIN, EPIPE, ENODEV, EPROTO, ETIMEDOUT = -11, -32, -19, -71, -110
SILENT, NAK, STALL, ACK = -1, -2, -3, 0  # enum usb_answer


def names(prefix: str = "M_") -> dict[str, int]:
    """Registers and bits of mega_registers.h."""
    text = re.sub(r"/\*.*?\*/", "", (SIM / "mega_registers.h").read_text(), flags=re.S)
    found: dict[str, int] = {}
    for body in re.findall(r"enum[^{]*\{([^}]*)\}", text):
        last = -1
        for item in filter(None, (part.strip() for part in body.split(","))):
            name, _, value = (part.strip() for part in item.partition("="))
            last = (found[value] if value in found else int(value, 0)) if value else last + 1
            found[name] = last
    return {name.removeprefix(prefix): value for name, value in found.items()}


R = type("Registers", (), names())  # R.UEINTX, R.TXINI ...


def compiled(name: str, command: list[str], depends: list[Path]) -> Path:
    """What the command makes, kept under build/tests/ until it or a file it depends on changes."""
    digest = hashlib.sha256("\0".join(command).encode())
    for path in depends:
        digest.update(path.read_bytes())
    target = BUILD / f"{name}-{digest.hexdigest()[:16]}"
    if not target.exists():
        BUILD.mkdir(parents=True, exist_ok=True)
        scratch = target.with_suffix(".new")
        subprocess.run([*command, "-o", str(scratch)], check=True, cwd=ROOT, timeout=120)
        scratch.rename(target)
    return target


@functools.cache
def driver(name: str = "board_driver.c") -> Path:
    """A C program over the whole simulator, under the sanitizers."""
    sources = sorted(SIM.glob("*.c"))
    include = [f"-I{ROOT / folder}" for folder in ("build/include", "ext", "ext/engine", "ext/sim")]
    headers = [*sorted((ROOT / "ext").rglob("*.h")), *sorted((ROOT / "build" / "include").glob("*.h"))]
    build = ["cc", *CFLAGS, *SANITIZE, *include]
    simulator = compiled("libsim", [*build, "-shared", "-fPIC", *map(str, sources)], [*sources, *headers])
    return compiled(name.removesuffix(".c"), [*build, str(HERE / name), str(simulator)], [HERE / name, *headers])


@functools.cache
def firmware(name: str, *defines: str) -> bytes:
    """A test firmware for the pump chip, tests/sim/firmware/NAME, as raw flash."""
    source = FIRMWARE / name
    command = ["avr-gcc", "-mmcu=atmega32u4", "-Os", "-Wall", "-Wextra", "-Werror", *defines, str(source)]
    elf = compiled(source.stem, command, [source, *sorted(FIRMWARE.glob("*.h"))])
    raw = BUILD / (elf.name + ".bin")
    subprocess.run(["avr-objcopy", "-O", "binary", "-j", ".text", "-j", ".data", elf, raw], check=True, timeout=60)
    return raw.read_bytes()


@functools.cache
def program(text: str) -> bytes:
    """Assembly for the pump chip, " / " between lines, as raw flash. I/O registers are numbers for IN and OUT."""
    source = BUILD / f"program-{hashlib.sha256(text.encode()).hexdigest()[:16]}.S"
    BUILD.mkdir(parents=True, exist_ok=True)
    source.write_text("#define __SFR_OFFSET 0\n#include <avr/io.h>\n" + text.replace(" / ", "\n") + "\n")
    elf = compiled("program", ["avr-gcc", "-mmcu=atmega32u4", "-nostdlib", str(source)], [source])
    raw = BUILD / (elf.name + ".bin")
    subprocess.run(["avr-objcopy", "-O", "binary", elf, raw], check=True, timeout=60)
    return raw.read_bytes()


class Board:
    """A simulated board and its time."""

    def __init__(self) -> None:
        self.process = subprocess.Popen([driver()], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, *words: object) -> str:
        assert self.process.stdin and self.process.stdout
        print(*words, file=self.process.stdin, flush=True)
        answer = self.process.stdout.readline()
        assert answer, f"the driver died on {words}"
        return answer.strip()

    def do(self, *words: object) -> int:
        return int(self.ask(*words))

    def close(self) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        assert self.process.wait(20) == 0

    def new(
        self,
        pump: bytes | str = SPIN,
        *,
        seed: int = 1,
        noise: float = 0,
        loss: float = 0,
        rise_ns: int = 500,
        latency_us: int = 0,
        ppm: int = 0,
    ) -> Board:
        """A new board with this firmware, at time 0."""
        assert self.do("new", seed, noise, loss, rise_ns, latency_us, ppm) == 0
        assert self.do("pump", pump if isinstance(pump, str) else pump.hex()) == 0
        return self

    def load(self, image: bytes, lanes: range = range(16)) -> None:
        for lane in lanes:
            assert self.do("tiny", lane, image.hex()) == 0

    def run(self, ps: int) -> bool:
        return self.do("run", ps) == 1

    def started(self) -> Board:
        """Behind the 65 ms of the pump chip's start-up."""
        self.run(66 * MS)
        return self

    def get(self, name: str) -> int:
        return self.do("get", name)

    def peek(self, register: int) -> int:
        return self.do("peek", register)

    def poke(self, register: int, *values: int) -> None:
        for value in values:
            self.do("poke", register, value)

    def control(
        self, kind: int, request: int, value: int = 0, index: int = 0, data: bytes | int = 0
    ) -> tuple[int, bytes]:
        """Result and data of a control transfer."""
        length = data if isinstance(data, int) else len(data)
        setup = bytes((kind, request, value & 255, value >> 8, index & 255, index >> 8, length & 255, length >> 8))
        last = length if kind & 0x80 else "" if isinstance(data, int) else data.hex()
        result, _, got = self.ask("control", setup.hex(), last).partition(" ")
        return int(result), bytes.fromhex(got)

    def out(self, endpoint: int, packet: bytes) -> int:
        return self.do("out", endpoint, packet.hex())

    def into(self, endpoint: int) -> bytes | int:
        """A packet from an IN endpoint, or the error."""
        result, _, got = self.ask("in", endpoint).partition(" ")
        return int(result) if int(result) < 0 else bytes.fromhex(got)

    def changes(self) -> list[tuple[int, int, int]]:
        """(signal, level, ps) since the last call; the first call but one begins."""
        return [tuple(map(int, word.split(":"))) for word in self.ask("changes").split()]  # type: ignore[misc]

    # --- the device controller, token by token ---

    def setup(self, packet: bytes, address: int = 0) -> int:
        return self.do("setup", address, packet.hex())

    def out_token(self, endpoint: int, toggle: int, data: bytes = b"", address: int = 0) -> int:
        return self.do("out-token", address, endpoint, toggle, data.hex())

    def in_token(self, endpoint: int, address: int = 0, ack: bool = True) -> tuple[int, bytes] | int:
        """(toggle, data), acknowledged if asked for, or what else the controller answered."""
        result, toggle, *rest = self.ask("in-token", address, endpoint).split()
        if int(result) < 0:
            return int(result)
        if ack:
            self.do("in-ack", endpoint)
        return int(toggle), bytes.fromhex(rest[0] if rest else "")

    def usb_on(self) -> Board:
        """PLL locked, controller on and attached, as a firmware does it."""
        self.started()
        self.poke(R.UHWCON, R.UVREGE)
        self.poke(R.PLLCSR, R.PINDIV | R.PLLE)
        self.run(10 * MS)
        assert self.peek(R.PLLCSR) & R.PLOCK
        self.poke(R.USBCON, R.USBE | R.OTGPADE)
        self.poke(R.UDCON, 0)
        self.do("vbus")
        return self

    def endpoint(self, number: int, config0: int, config1: int) -> None:
        """Select and activate an endpoint (datasheet 7766J, figure 22-2)."""
        self.poke(R.UENUM, number)
        self.poke(R.UECONX, R.EPEN)
        self.poke(R.UECFG0X, config0)
        self.poke(R.UECFG1X, config1)
        assert self.peek(R.UESTA0X) & R.CFGOK


@functools.cache
def pump() -> bytes:
    """The real pump firmware, atmega/, as raw flash."""
    out = BUILD / "atmega"
    make = ["make", "--no-print-directory", "-s", "-C", str(ROOT / "atmega"), f"OUT={out}"]
    subprocess.run(make, check=True, timeout=60)
    elf = out / "pump.elf"
    raw = BUILD / "pump.bin"
    subprocess.run(["avr-objcopy", "-O", "binary", "-j", ".text", "-j", ".data", elf, raw], check=True, timeout=60)
    return raw.read_bytes()


class PumpBoard:
    """A board that runs the real pump firmware, and the host's side of atmega/protocol.toml."""

    protocol = tomllib.loads((ROOT / "atmega" / "protocol.toml").read_text())
    OUT, IN = protocol["usb"]["ep_out"], protocol["usb"]["ep_in"] & 15
    BOTH = protocol["opcodes"]["BOTH"]
    RESETS = protocol["requests"]["RESETS"]

    def __init__(self, board: Board, tinies: dict[int, bytes] | None = None, **settings: float) -> None:
        self.board = board.new(pump(), **settings)  # type: ignore[arg-type]
        for lane, image in (tinies or {}).items():
            board.load(image, range(lane, lane + 1))
        assert board.do("enumerate") == 0

    def hold(self, mask: int) -> None:
        """These tinies in reset, the others out of it; wiring.toml has bit i of the register for lane i."""
        assert self.board.control(0x40, self.RESETS, mask) == (0, b"")

    def start(self) -> None:
        """All out of reset, and their 64 ms of start-up over."""
        self.hold(0)
        self.board.run(70 * MS)

    def planes(self, drive: list[int]) -> list[int]:
        """Drive these planes, 16 bits each; the planes sampled before each. Packets are queued as fast as they go."""
        got: list[int] = []
        packets = [drive[i : i + 31] for i in range(0, len(drive), 31)]
        sent = 0
        self.board.do("credit", self.IN, len(packets))
        for _ in range(1 << 20):
            while sent < len(packets):
                run = packets[sent]
                body = b"".join(plane.to_bytes(2, "little") for plane in run)
                if self.board.out(self.OUT, bytes([self.BOTH, len(run)]) + body):
                    break
                sent += 1
            self.board.run(20 * MS)
            while isinstance(answer := self.board.into(self.IN), bytes):
                assert answer[0] == self.BOTH
                got += [answer[i] | answer[i + 1] << 8 for i in range(2, len(answer), 2)]
            if len(got) == len(drive):
                return got
        raise AssertionError("planes were lost")
