"""The circuit: which parts there are, and which pins stand on which net.

Pins of the pump chip, the tinies and the reset register come from wiring.toml, parts from parts.toml. Connections stand
here and nowhere else: the schematic is drawn from them, the layout is placed from them, and KiCad's own netlist of
that schematic is compared with them.

A tiny's parts are numbered from 100 + 10 * lane: lane 3 has U130, R130 to R134, C130, D130, TP130 and TP131.
"""

from __future__ import annotations

import sys
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import kicad_files

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "ext"))
import tables  # noqa: E402  (ext/ is no package: it is a folder of C with this one script)

LANES = 16
OUTPUTS = "ABCDEFGH"  # of a 74HC595, QA first


@dataclass(frozen=True)
class Part:
    """One placed part; `kind` is its name in parts.toml."""

    ref: str
    kind: str
    facts: dict[str, Any] = field(hash=False)

    @property
    def value(self) -> str:
        return str(self.facts["value"])

    @property
    def footprint(self) -> str:
        return str(self.facts["footprint"])

    @property
    def symbol(self) -> kicad_files.Symbol:
        return kicad_files.symbol(self.facts["symbol"])


class Circuit:
    """Parts by reference; nets by name, each a list of (reference, pin number)."""

    def __init__(self, wiring: dict[str, Any]) -> None:
        self.wiring = wiring
        self.kinds = tomllib.loads((HERE / "parts.toml").read_text(encoding="utf-8"))
        self.parts: dict[str, Part] = {}
        self.nets: dict[str, list[tuple[str, str]]] = {}
        self.net_of: dict[tuple[str, str], str] = {}

    def add(self, ref: str, kind: str, **pins: str) -> None:
        """Add a part; each keyword is `_number=net` or `name=net`."""
        assert ref not in self.parts, ref
        self.parts[ref] = Part(ref, kind, self.kinds[kind])
        self.join(ref, {name.removeprefix("_"): net for name, net in pins.items()})

    def join(self, ref: str, pins: dict[str, str]) -> None:
        """Connect pins of a part: by number, else by exact name (all pins of that name: VCC, GND)."""
        symbol = self.parts[ref].symbol
        numbers = {pin.number for pin in symbol.pins}
        for name, net in pins.items():
            for number in [name] if name in numbers else symbol.numbers(name):
                assert (ref, number) not in self.net_of, f"{ref} pin {number} is connected twice"
                self.net_of[ref, number] = net
                self.nets.setdefault(net, []).append((ref, number))

    def unconnected(self) -> list[tuple[str, str]]:
        """Pins on no net, on purpose: each gets a no-connect mark."""
        pins = ((part.ref, pin.number) for part in self.parts.values() for pin in part.symbol.pins)
        return [pin for pin in pins if pin not in self.net_of]


def first_number(lane: int) -> int:
    """The number that a tiny's parts start from."""
    return 100 + 10 * lane


def usb(c: Circuit) -> None:
    """USB-C to 5 V: 5k1 on CC says "sink"; the protector stands between the connector and everything else."""
    c.add("J1", "usb_c")
    c.join("J1", {"VBUS": "VBUS", "GND": "GND", "SHIELD": "GND", "CC1": "CC1", "CC2": "CC2"})
    c.join("J1", {"D+": "USB_P", "D-": "USB_N"})
    c.add("R1", "r5k1", _1="CC1", _2="GND")
    c.add("R2", "r5k1", _1="CC2", _2="GND")
    c.add("U2", "usb_esd", _1="USB_N", _6="USB_N", _3="USB_P", _4="USB_P", _2="GND", _5="VBUS")
    c.add("R3", "r22", _1="USB_N", _2="MCU_N")
    c.add("R4", "r22", _1="USB_P", _2="MCU_P")
    c.add("F1", "polyfuse", _1="VBUS", _2="+5V")
    c.add("C1", "c1u", _1="VBUS", _2="GND")
    # 1u + 4u7 + 23 x 100n = 8 uF: below the 10 uF that USB 2.0 section 7.2.4.1 allows at attach.
    c.add("C2", "c4u7", _1="+5V", _2="GND")
    c.add("R8", "r1k5", _1="+5V", _2="LED_POWER")
    c.add("D1", "led_green", A="LED_POWER", K="GND")


def pump(c: Circuit) -> None:
    """The pump chip: power, crystal, reset, bootloader button, ISP, and the pins that wiring.toml names."""
    c.add("U1", "atmega32u4")
    # VBUS only enables the USB pads; behind the fuse it cannot feed a chip that has no power.
    c.join("U1", {"VCC": "+5V", "AVCC": "+5V", "UVCC": "+5V", "VBUS": "+5V", "GND": "GND", "UGND": "GND"})
    c.join("U1", {"UCAP": "UCAP", "AREF": "AREF", "XTAL1": "XTAL1", "XTAL2": "XTAL2", "~{RESET}": "MCU_RESET"})
    c.join("U1", {"D+": "MCU_P", "D-": "MCU_N"})
    signals = c.wiring["signals"]
    for name, pin in signals.items():
        # KiCad calls this one pin "~{HWB}/PE2".
        c.join("U1", {pin: name})
    for lane, entry in enumerate(c.wiring["lanes"]["map"]):
        c.join("U1", {entry["pin"]: f"LANE{lane}"})
    c.add("C3", "c1u", _1="UCAP", _2="GND")
    c.add("C4", "c100n", _1="AREF", _2="GND")
    # 10 pF crystal: 2 x (10 - 4 of stray) pF.
    c.add("Y1", "crystal", _1="XTAL1", _3="XTAL2", _2="GND", _4="GND")
    c.add("C5", "c12p", _1="GND", _2="XTAL2")
    c.add("C6", "c12p", _1="XTAL1", _2="GND")
    for number in range(7, 12):
        c.add(f"C{number}", "c100n", _1="+5V", _2="GND")
    c.add("R5", "r10k", _1="+5V", _2="MCU_RESET")
    c.add("SW1", "button", _1="MCU_RESET", _2="GND")
    c.add("R6", "r10k", _1="+5V", _2="HWB")
    c.add("SW2", "button", _1="HWB", _2="GND")
    pins = {entry["pin"]: f"LANE{lane}" for lane, entry in enumerate(c.wiring["lanes"]["map"])}
    # 7766J section 28.8: serial programming is on PB1 to PB3; harmless to the tinies, which are then in reset.
    c.add("J2", "isp", SCK=pins["PB1"], MOSI=pins["PB2"], MISO=pins["PB3"], VCC="+5V", GND="GND")
    c.join("J2", {"~{RST}": "MCU_RESET"})
    c.add("R9", "r1k5", _1="LED_ACTIVITY", _2="LED_A")
    c.add("D2", "led_yellow", A="LED_A", K="GND")
    c.add("TP1", "testpad", _1="CLOCK")
    c.add("TP6", "testpad", _1="GND")
    c.add("TP7", "testpad", _1="+5V")


def resets(c: Circuit) -> None:
    """Two chained 74HC595s; /OE is pulled up, so that no tiny runs before the firmware says so."""
    lanes = {entry["reset"]: lane for lane, entry in enumerate(c.wiring["lanes"]["map"])}
    data = {"U3": ("SR_DATA", "SR_CHAIN"), "U4": ("SR_CHAIN", None)}
    for chip, (ref, (serial_in, serial_out)) in enumerate(data.items()):
        c.add(ref, "hc595", VCC="+5V", GND="GND", SER=serial_in, SRCLK="SR_CLOCK", RCLK="SR_LATCH")
        c.join(ref, {"~{OE}": "SR_OE_N", "~{SRCLR}": "+5V"})
        if serial_out:
            c.join(ref, {"QH'": serial_out})
        for bit, output in enumerate(OUTPUTS):
            c.join(ref, {f"Q{output}": f"RESET{lanes[8 * chip + bit]}"})
        c.add(f"C{12 + chip}", "c100n", _1="+5V", _2="GND")
    c.add("R7", "r10k", _1="+5V", _2="SR_OE_N")
    for number, net in enumerate(("SR_DATA", "SR_CLOCK", "SR_LATCH", "SR_OE_N"), 2):
        c.add(f"TP{number}", "testpad", _1=net)


def tiny(c: Circuit, lane: int) -> None:
    """One tiny with its lane, clock, reset and LED."""
    n, pin = first_number(lane), c.wiring["tiny"]
    data, clock, user = f"TINY{lane}_DATA", f"TINY{lane}_CLOCK", f"TINY{lane}_USER"
    c.add(f"U{n}", "attiny10", VCC="+5V", GND="GND")
    c.join(f"U{n}", {pin["LANE"]: data, pin["CLOCK"]: clock, pin["USER"]: user, pin["RESET"]: f"RESET{lane}"})
    c.add(f"C{n}", "c100n", _1="+5V", _2="GND")
    # In series: a tiny that drives against the pump chip moves 15 mA at most.
    c.add(f"R{n}", "r330", _1=f"LANE{lane}", _2=data)
    # 30 pF of lane rise in 0.3 us, a tenth of a plane.
    c.add(f"R{n + 1}", "r4k7", _1="+5V", _2=f"LANE{lane}")
    # All sixteen tinies fighting the clock together load PC6 with 17 mA, inside the 20 mA of its specified level.
    c.add(f"R{n + 2}", "r4k7", _1="CLOCK", _2=clock)
    # The tiny pulls /RESET up with 30k or more: 4k7 holds it at 0.7 V, below 0.2 VCC.
    c.add(f"R{n + 3}", "r4k7", _1=f"RESET{lane}", _2="GND")
    c.add(f"R{n + 4}", "r1k5", _1=user, _2=f"TINY{lane}_LED")
    c.add(f"D{n}", "led_red", A=f"TINY{lane}_LED", K="GND")
    c.add(f"TP{n}", "testpad", _1=f"LANE{lane}")
    c.add(f"TP{n + 1}", "wirepad", _1=user)


def build(wiring: Path = tables.WIRING) -> Circuit:
    """The whole circuit; a wiring table that is wrong is refused with its line (tables.TableError)."""
    source = tables.Source(wiring)
    tables.check_wiring(source)
    c = Circuit(source.data)
    usb(c)
    pump(c)
    resets(c)
    for lane in range(LANES):
        tiny(c, lane)
    for number in range(1, 5):
        c.add(f"H{number}", "hole")
    return c
