"""Check the wiring and protocol tables and generate their C, assembly and Python constants.

Reads board/wiring.toml and atmega/protocol.toml; writes wiring.h and protocol.h (plain #defines, fit for C and
assembly alike) into a folder of headers, and tinymux/_tables.py. A wrong table is refused with its line.

    python ext/tables.py [--wiring FILE] [--protocol FILE] [--headers DIR] [--python FILE] [--check]
"""

from __future__ import annotations

import argparse
import re
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
WIRING = ROOT / "board" / "wiring.toml"
PROTOCOL = ROOT / "atmega" / "protocol.toml"
HEADERS = ROOT / "build" / "include"
PYTHON = ROOT / "tinymux" / "_tables.py"

# ATmega32U4, datasheet 7766J section 1: the port pins that the package has.
PUMP_PINS = {
    *(f"PB{i}" for i in range(8)),
    "PC6",
    "PC7",
    *(f"PD{i}" for i in range(8)),
    "PE2",
    "PE6",
    *(f"PF{i}" for i in (0, 1, 4, 5, 6, 7)),
}
TINY_PINS = {"PB0", "PB1", "PB2", "PB3"}
# ATtiny10, datasheet 8127H section 14: the programming interface fixes these three.
TINY_FIXED = {"LANE": "PB0", "CLOCK": "PB1", "RESET": "PB3"}
LANES = 16
PROTOCOL_TABLES = ("version", "usb", "packet", "opcodes", "requests", "status", "power_on")
SIGNALS = ("CLOCK", "SR_DATA", "SR_CLOCK", "SR_LATCH", "SR_OE_N", "LED_ACTIVITY", "HWB")


class TableError(ValueError):
    """A table that cannot be built from; the message names file and line."""


class Source:
    """One TOML table with the text it came from, so that errors can name the line."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self.text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise TableError(f"{path}: cannot be read: {error}") from error
        try:
            self.data: dict[str, Any] = tomllib.loads(self.text)
        except tomllib.TOMLDecodeError as error:
            raise TableError(f"{path}: not TOML: {error}") from error

    def line(self, pattern: str, nth: int = 0) -> int:
        """Line number (from 1) of the nth line that matches the pattern, or of the last line before it is missed."""
        found = [n for n, text in enumerate(self.text.splitlines(), 1) if re.search(pattern, text)]
        return found[nth] if nth < len(found) else (found[-1] if found else 1)

    def error(self, message: str, pattern: str, nth: int = 0) -> TableError:
        return TableError(f"{self.path}:{self.line(pattern, nth)}: {message}")

    def table(self, name: str) -> dict[str, Any]:
        value = self.data.get(name)
        if not isinstance(value, dict):
            raise self.error(f"table [{name}] is missing", rf"^\[{name}\]")
        return value


def check_wiring(source: Source) -> None:
    """Refuse a wiring table with a pin used twice, missing, reserved or not on the chip."""
    if not isinstance(source.table("pump").get("clock_hz"), int):
        raise source.error("clock_hz must be a number of Hz", r"^clock_hz\b")
    signals, lanes, tiny = source.table("signals"), source.table("lanes"), source.table("tiny")
    used: dict[str, str] = {}

    def take(pin: Any, name: str, pattern: str, nth: int = 0) -> None:
        if not isinstance(pin, str) or pin not in PUMP_PINS:
            raise source.error(f"{name}: the pump chip has no pin {pin!r}", pattern, nth)
        if pin in used:
            raise source.error(f"{name}: pin {pin} is already used by {used[pin]}", pattern, nth)
        used[pin] = name

    for name in SIGNALS:
        if name not in signals:
            raise source.error(f"signal {name} is missing", r"^\[signals\]")
    for name, pin in signals.items():
        if name not in SIGNALS:
            raise source.error(f"unknown signal {name}", rf"^{re.escape(name)}\b")
        take(pin, name, rf"^{name}\b")
    if signals["HWB"] != "PE2":
        raise source.error("HWB: the bootloader reads PE2 and no other pin", r"^HWB\b")

    check_lanes(source, lanes, take)
    check_tiny(source, tiny)


def check_lanes(source: Source, lanes: dict[str, Any], take: Callable[..., None]) -> None:
    """Refuse lanes that are missing, on other pins than the planes', or that share a reset output."""
    entries = lanes.get("map")
    if not isinstance(entries, list) or len(entries) != LANES:
        count = len(entries) if isinstance(entries, list) else 0
        raise source.error(f"{LANES} lanes are needed, {count} are given", r"^map\b")
    outputs: dict[Any, int] = {}
    entry = r"^\s*\{.*pin\s*="
    for lane, item in enumerate(entries):
        if not isinstance(item, dict) or set(item) != {"pin", "reset"}:
            raise source.error(f"lane {lane}: needs pin and reset, nothing else", entry, lane)
        take(item["pin"], f"lane {lane}", entry, lane)
        want = f"P{'B' if lane < 8 else 'D'}{lane % 8}"
        if item["pin"] != want:
            # The firmware moves a plane with IN PINB, IN PIND: bit i of a plane is lane i by construction.
            raise source.error(f"lane {lane}: must be on {want}, a plane is read as PINB, PIND", entry, lane)
        reset = item["reset"]
        if not isinstance(reset, int) or isinstance(reset, bool) or not 0 <= reset < LANES:
            raise source.error(f"lane {lane}: reset register has no bit {reset!r}", entry, lane)
        if reset in outputs:
            raise source.error(f"lane {lane}: reset bit {reset} is already used by lane {outputs[reset]}", entry, lane)
        outputs[reset] = lane


def check_tiny(source: Source, tiny: dict[str, Any]) -> None:
    """Refuse pins that the tiny does not have, or that TPI fixes elsewhere."""
    for name, pin in tiny.items():
        if name == "part":
            continue
        if pin not in TINY_PINS:
            raise source.error(f"tiny {name}: the ATtiny10 has no pin {pin!r}", rf"^{name}\s*=\s*\"P")
        if name in TINY_FIXED and pin != TINY_FIXED[name]:
            raise source.error(f"tiny {name}: TPI fixes it to {TINY_FIXED[name]}", rf"^{name}\s*=\s*\"{pin}")
    for name in (*TINY_FIXED, "USER"):
        if name not in tiny:
            raise source.error(f"tiny pin {name} is missing", r"^\[tiny\]")


def check_protocol(source: Source) -> None:
    """Refuse a protocol table whose numbers collide or do not fit their fields."""
    for name in PROTOCOL_TABLES:
        source.table(name)
    for name in ("opcodes", "requests"):
        seen: dict[int, str] = {}
        for key, value in source.table(name).items():
            if not isinstance(value, int) or not 0 <= value <= 255:
                raise source.error(f"{name}.{key}: must fit one byte", rf"^{key}\b")
            if value in seen:
                raise source.error(f"{name}.{key}: {value} is already {seen[value]}", rf"^{key}\b")
            seen[value] = key
    packet, usb = source.table("packet"), source.table("usb")
    if packet["header"] + 2 * packet["planes"] > usb["packet"]:
        raise source.error("packet.planes: the run does not fit one USB packet", r"^planes\b")


def port_defines(name: str, pin: str) -> list[str]:
    """PORT, DDR, PIN and BIT macros of one signal."""
    port, bit = pin[1], pin[2]
    return [
        f"#define {name}_PORT PORT{port}",
        f"#define {name}_DDR DDR{port}",
        f"#define {name}_PIN PIN{port}",
        f"#define {name}_BIT {bit}",
        f"#define {name}_ON '{port}'",
    ]


def wiring_header(wiring: Source) -> str:
    data = wiring.data
    lines = [f"#define LANES {LANES}", f"#define PUMP_CLOCK_HZ {data['pump']['clock_hz']}"]
    for name, pin in data["signals"].items():
        lines += port_defines(name, pin)
    for name in ("LANE", "CLOCK", "USER", "RESET"):
        lines.append(f"#define TINY_{name}_BIT {data['tiny'][name][2]}")
    bits = [item["reset"] for item in data["lanes"]["map"]]
    lines += [f"#define RESET_BIT_{lane} {bit}" for lane, bit in enumerate(bits)]
    lines.append("#define RESET_BITS " + ", ".join(map(str, bits)))
    lines.append(f"#define RESET_BITS_STRAIGHT {int(bits == list(range(LANES)))}")
    return header("wiring.toml", lines)


def protocol_header(protocol: Source) -> str:
    data = protocol.data
    usb = data["usb"]
    lines = [f"#define PROTOCOL_VERSION {data['version']['protocol']}"]
    lines.append(f"#define FIRMWARE_VERSION 0x{data['version']['firmware']:04x}")
    lines += [f"#define USB_{key.upper()} 0x{usb[key]:04x}" for key in ("vendor_id", "product_id", "ep_out", "ep_in")]
    lines += [f"#define USB_{key.upper()} {usb[key]}" for key in ("packet", "current_ma")]
    lines += [f'#define USB_{key.upper()} "{usb[key]}"' for key in ("manufacturer", "product")]
    lines += [f"#define PACKET_{key.upper()} {value}" for key, value in data["packet"].items()]
    lines += [f"#define OP_{key} {value}" for key, value in data["opcodes"].items()]
    lines += [f"#define REQUEST_{key} {value}" for key, value in data["requests"].items()]
    lines += [f"#define STATUS_{key.upper()} {value}" for key, value in data["status"].items()]
    lines.append(f"#define POWER_ON_RESETS 0x{data['power_on']['resets']:04x}")
    return header("protocol.toml", lines)


def header(name: str, lines: list[str]) -> str:
    guard = "TINYMUX_" + name.replace(".toml", "_H").upper()
    return "\n".join(
        [f"/* Generated from {name} by ext/tables.py. */", f"#ifndef {guard}", f"#define {guard}", *lines, "#endif", ""]
    )


def python_module(wiring: Source, protocol: Source) -> str:
    """The same facts for Python: WIRING and PROTOCOL as they stand in the tables."""
    return (
        '"""Generated from wiring.toml and protocol.toml by ext/tables.py."""\n\n'
        "from typing import Any, Final\n\n"
        f"WIRING: Final[dict[str, Any]] = {wiring.data!r}\n"
        f"PROTOCOL: Final[dict[str, Any]] = {protocol.data!r}\n"
    )


def write(path: Path, text: str) -> None:
    """Write only what changed, so that builds which look at times do not run again."""
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def generate(
    wiring: Path = WIRING, protocol: Path = PROTOCOL, headers: Path | None = HEADERS, python: Path | None = PYTHON
) -> None:
    """Check both tables; write the headers and the Python module where a place is given."""
    tables = Source(wiring), Source(protocol)
    for source, check in zip(tables, (check_wiring, check_protocol), strict=True):
        try:
            check(source)
        except KeyError as error:
            raise TableError(f"{source.path}: {error} is missing") from error
        except TypeError as error:
            raise TableError(f"{source.path}: a value of the wrong kind: {error}") from error
    if headers:
        write(headers / "wiring.h", wiring_header(tables[0]))
        write(headers / "protocol.h", protocol_header(tables[1]))
    if python:
        write(python, python_module(*tables))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--wiring", type=Path, default=WIRING)
    parser.add_argument("--protocol", type=Path, default=PROTOCOL)
    parser.add_argument("--headers", type=Path, default=HEADERS)
    parser.add_argument("--python", type=Path, default=PYTHON)
    parser.add_argument("--check", action="store_true", help="only check the tables")
    options = parser.parse_args()
    try:
        if options.check:
            generate(options.wiring, options.protocol, None, None)
        else:
            generate(options.wiring, options.protocol, options.headers, options.python)
    except TableError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
