"""The four pages of the schematic: overview, USB and pump chip, resets, array. Positions are in steps of 2.54 mm."""

from __future__ import annotations

from itertools import pairwise

from circuit import LANES, OUTPUTS, Circuit, first_number
from drawing import STEP, Page, Point

ABOVE = {"ref_at": (-2.54, -2.03, ""), "value_at": (2.54, -2.03, "")}
ASIDE = {"ref_at": (-3.81, -1.9, ""), "value_at": (3.81, -1.9, "")}
LEFT = {"ref_at": (-4.57, -1.27, ""), "value_at": (-5.08, 1.27, "")}


def p(x: float, y: float) -> Point:
    """A point from steps."""
    return round(x * STEP, 2), round(y * STEP, 2)


def place(page: Page, ref: str, x: float, y: float, angle: int = 0, **texts: tuple) -> None:
    page.place(ref, *p(x, y), angle, **texts)


def frame(page: Page, x0: float, y0: float, x1: float, y1: float, title: str) -> None:
    page.frame(*p(x0, y0), *p(x1, y1), title)


def note(page: Page, x: float, y: float, words: str) -> None:
    page.text(words, *p(x, y))


def rail(page: Page, refs: list[str], x: float, y: float, pitch: float) -> None:
    """Capacitors side by side between one supply and one ground symbol."""
    for i, ref in enumerate(refs):
        place(page, ref, x + i * pitch, y)
    for name in ("1", "2"):
        for a, b in pairwise(refs):
            page.join((a, name), (b, name))
        page.supply(refs[0], name)


def pad(page: Page, ref: str, x: float, y: float) -> None:
    """A test pad with its net's name, or its supply symbol."""
    place(page, ref, x, y, ref_at=(0, -5.33, ""))
    net, end = page.net(ref, "1"), page.wire(p(x, y), p(x + 2, y))
    if net in ("GND", "+5V"):
        page.power(net, end)
    else:
        page.label_at(net, end)


def usb(page: Page) -> None:
    frame(page, 5, 5, 62, 60, "USB and power")
    place(page, "J1", 14, 28, ref_at=(-7.62, -19.3, ""), value_at=(2.54, -19.3, ""))
    page.join(("J1", "A7"), p(21, 27), p(21, 28), ("J1", "B7"))
    page.join(("J1", "A6"), p(21, 29), p(21, 30), ("J1", "B6"))
    page.supply("J1", "A1")
    page.supply("J1", "S1")
    page.label("J1", "A5")
    page.label("J1", "B5")
    # The data lines, through the series resistors.
    for ref, pin, row in (("R3", "A7", 27), ("R4", "A6", 30)):
        place(page, ref, 30, row, 90, **ABOVE)
        page.wire(p(21, row), page.at(ref, "1"))
        page.label_at(page.net("J1", pin), p(22, row))
        page.label(ref, "2")
    # VBUS: capacitor, fuse, then 5 V.
    place(page, "F1", 46, 22, 90)
    page.join(("J1", "A4"), ("F1", "1"))
    page.power("VBUS", p(28, 22))
    page.flag(p(34, 22))
    place(page, "C1", 41, 25)
    place(page, "C2", 51, 25)
    place(page, "R8", 57, 25)
    for ref in ("C1", "C2", "R8"):
        page.join((ref, "1"), (page.at(ref, "1")[0], p(0, 22)[1]))
    page.wire(page.at("F1", "2"), p(57, 22))
    page.power("+5V", p(51, 22))
    page.flag(p(57, 22))
    page.supply("C1", "2")
    page.supply("C2", "2")
    place(page, "D1", 57, 30, 90, **LEFT)
    page.join(("R8", "2"), ("D1", "A"))
    page.supply("D1", "K")
    note(page, 54, 36, "LED: power")
    # What hangs on the lines.
    for ref, x in (("R1", 12), ("R2", 20)):
        place(page, ref, x, 47)
        page.label(ref, "1", 1)
        page.supply(ref, "2")
    note(page, 8, 56, "CC: 5k1 to ground asks\nthe host for 5 V")
    place(page, "U2", 39, 47, ref_at=(3.81, -10.16, "left"), value_at=(3.81, 10.16, "left"))
    for pin in ("1", "6", "3", "4"):
        page.label("U2", pin, 1)
    page.supply("U2", "2")
    page.supply("U2", "5")
    note(page, 29, 58, "On the copper both lines run through it:\nfrom the connector to 1 and 3, on from 6 and 4")
    page.flag(p(57, 47))
    page.power("GND", p(57, 47))


def pump(page: Page) -> None:
    """The chip with what it cannot do without, and its lanes and signals on the way out."""
    frame(page, 64, 5, 160, 76, "Pump chip")
    place(page, "U1", 112, 46, ref_at=(6.35, -47.5, "left"), value_at=(6.35, -44.96, "left"))
    page.join(("U1", "UVCC"), p(111, 26), p(113, 26), ("U1", "AVCC"))
    page.join(("U1", "VCC"), p(112, 26))
    page.power("+5V", p(112, 26))
    page.join(("U1", "UGND"), p(111, 66), p(112, 66), ("U1", "GND"))
    page.power("GND", p(112, 66))
    rail(page, [f"C{n}" for n in range(7, 12)], 121, 14, 7)
    note(page, 119, 21, "one at each supply pin: UVCC (2), AVCC (44), VCC (34), AVCC (24), VCC (14)")
    # Crystal and its load.
    place(page, "Y1", 88, 34, 270, ref_at=(-3.81, -6.35, ""), value_at=(3.81, 6.35, ""))
    place(page, "C6", 82, 30, 270, **ASIDE)
    place(page, "C5", 82, 38, 90, **ASIDE)
    page.join(("Y1", "1"), p(88, 30), p(97, 30), p(97, 33), ("U1", "XTAL1"))
    page.join(("Y1", "3"), p(88, 38), p(97, 38), p(97, 35), ("U1", "XTAL2"))
    page.join(("C6", "1"), p(88, 30))
    page.join(("C5", "2"), p(88, 38))
    page.join(("C6", "2"), p(76, 30), p(76, 38), ("C5", "1"))
    page.power("GND", p(76, 38))
    page.join(("Y1", "4"), p(76, 34))
    page.supply("Y1", "2", 2)
    # The rest of the left side.
    page.label("U1", "~{RESET}")
    page.label("U1", "AREF")
    page.power("+5V", page.stub("U1", "VBUS"), 90)
    page.label("U1", "D+")
    page.label("U1", "D-")
    place(page, "C3", 98, 48)
    page.join(("U1", "UCAP"), p(98, 44), ("C3", "1"))
    page.label_at("UCAP", p(101, 44))
    page.supply("C3", "2")
    place(page, "C4", 86, 48)
    page.label("C4", "1", 1)
    page.supply("C4", "2")
    # Lanes leave on a bus; some signals leave on labels, the others stay here.
    for lane, entry in enumerate(page.circuit.wiring["lanes"]["map"]):
        page.bus_tap(f"LANE{lane}", 134 * STEP, -1, page.at("U1", entry["pin"]))
    page.bus(p(134, 30), p(134, 55), p(138, 55))
    page.label_at("LANE[0..15]", p(138, 55), shape="bidirectional")
    for name, pin in page.circuit.wiring["signals"].items():
        shape = "output" if name.startswith(("SR_", "CLOCK")) else ""
        page.label("U1", pin, 10 if name == "LED_ACTIVITY" else 2, shape)


def buttons(page: Page) -> None:
    """What a hand touches: buttons, programming, LED, test pads."""
    frame(page, 5, 62, 62, 90, "Reset, bootloader, activity")
    for x, pull, button, words in ((11, "R5", "SW1", "reset"), (29, "R6", "SW2", "held at reset:\nbootloader")):
        place(page, pull, x, 71)
        place(page, button, x, 77.5, 270, ref_at=(3.81, -1.27, ""), value_at=(7.62, 1.27, ""))
        page.supply(pull, "1")
        page.join((pull, "2"), (button, "1"))
        page.label_at(page.net(pull, "2"), page.wire(p(x, 74), p(x + 1, 74)))
        page.supply(button, "2")
        note(page, x + 1.5, 83, words)
    place(page, "R9", 50, 71)
    place(page, "D2", 50, 77, 90, **LEFT)
    page.label("R9", "1", 1)
    page.join(("R9", "2"), ("D2", "A"))
    page.supply("D2", "K")
    note(page, 46, 83, "LED: activity")
    frame(page, 64, 78, 90, 104, "In-system programming")
    place(page, "J2", 73, 92, ref_at=(-5.08, -13.97, ""), value_at=(5.08, -13.97, ""))
    for name in ("MISO", "SCK", "MOSI", "~{RST}"):
        page.label("J2", name, 1)
    page.supply("J2", "VCC")
    page.supply("J2", "GND")
    frame(page, 92, 78, 116, 104, "Test pads")
    for row, ref in enumerate(("TP1", "TP6", "TP7")):
        pad(page, ref, 98, 86 + 6 * row)


def resets(page: Page) -> None:
    """The two shift registers, one below the other."""
    frame(page, 5, 5, 78, 65, "One /RESET for each tiny")
    chips = {"U3": 23, "U4": 53}
    for chip, y in chips.items():
        place(page, chip, 42, y, ref_at=(3.81, -14.99, "left"), value_at=(3.81, 17.27, "left"))
        page.supply(chip, "VCC")
        page.supply(chip, "GND")
        page.power("+5V", page.stub(chip, "~{SRCLR}", 1), 90)
        for output in OUTPUTS:
            page.bus_tap(page.net(chip, f"Q{output}"), 58 * STEP, -1, page.at(chip, f"Q{output}"))
    page.bus(p(58, 18), p(58, 58), p(62, 58))
    page.label_at("RESET[0..15]", p(62, 58), shape="output")
    page.join(("U3", "SER"), p(20, 19))
    page.label_at("SR_DATA", p(20, 19), (-1, 0), "input")
    # What both chips share comes in at the first one and runs down to the second.
    for name, pin, x in (("SR_CLOCK", "SRCLK", 30), ("SR_LATCH", "RCLK", 28), ("SR_OE_N", "~{OE}", 26)):
        row = page.at("U3", pin)[1]
        page.join(("U3", pin), (p(20, 0)[0], row))
        page.wire((p(x, 0)[0], row), (p(x, 0)[0], page.at("U4", pin)[1]), page.at("U4", pin))
        page.label_at(name, (p(20, 0)[0], row), (-1, 0), "input")
    place(page, "R7", 14, 38)
    page.supply("R7", "1")
    page.wire(page.at("R7", "2"), p(14, 42), p(26, 42))
    page.label_at("SR_OE_N", p(16, 42))
    note(page, 7, 63.5, "/OE pulled up and every /RESET pulled down: no tiny runs before the firmware says so")
    page.join(("U3", "QH'"), p(49, 28), p(49, 36), p(34, 36), p(34, 49), ("U4", "SER"))
    page.label_at("SR_CHAIN", p(36, 36))
    frame(page, 80, 5, 112, 24, "Decoupling")
    rail(page, ["C12", "C13"], 88, 15, 9)
    frame(page, 80, 26, 112, 58, "Test pads")
    for row in range(4):
        pad(page, f"TP{2 + row}", 88, 35 + 6 * row)


def cell(page: Page, lane: int, x: float, y: float) -> None:
    """One tiny and its small parts."""
    n = first_number(lane)
    tiny, near, up, clock, down, series = f"U{n}", *(f"R{n + i}" for i in range(5))

    def q(dx: float, dy: float) -> Point:
        return p(x + dx, y + dy)

    def put(ref: str, dx: float, dy: float, angle: int = 0, **texts: tuple) -> None:
        page.place(ref, *q(dx, dy), angle, **texts)

    frame(page, x, y, x + 34, y + 23, f"Lane {lane}")
    put(tiny, 7, 12, ref_at=(3.81, -13.97, "left"), value_at=(-11.43, 13.97, "left"))
    page.supply(tiny, "VCC")
    page.supply(tiny, "GND")
    # The lane, pulled up.
    put(near, 18, 6, 270, **ABOVE)
    put(up, 28, 4.5, ref_at=(-3.81, -1.27, ""), value_at=(-3.3, 1.27, ""))
    put(f"TP{n}", 23, 6, ref_at=(0, -5.33, ""))
    page.join((tiny, "PB0"), q(14.5, 9), q(14.5, 6), (near, "2"))
    page.join((near, "1"), q(28, 6))
    page.supply(up, "1")
    page.label_at(f"LANE{lane}", page.wire(page.at(up, "2"), q(28, 6), q(30, 6)))
    # The clock, in series.
    put(clock, 18, 10, 270, **ABOVE)
    page.join((tiny, "PB1"), (clock, "2"))
    page.label_at("CLOCK", page.wire(page.at(clock, "1"), q(30, 10)))
    # The user's pin.
    put(series, 22, 14, 90, **ABOVE)
    put(f"D{n}", 27, 14, 180, ref_at=(-2.03, -2.9, ""), value_at=(0, 2.9, ""))
    put(f"TP{n + 1}", 17, 14, ref_at=(0, 1.6, ""))
    page.join((tiny, "PB2"), q(15, 11), q(15, 14), (series, "1"))
    page.join((series, "2"), (f"D{n}", "A"))
    page.power("GND", page.wire(page.at(f"D{n}", "K"), q(31, 14)))
    # Reset, pulled down.
    put(down, 17, 18.5)
    page.join((tiny, "PB3"), q(14, 12), q(14, 16.5), q(17, 16.5), (down, "1"))
    page.label_at(f"RESET{lane}", page.wire(q(17, 16.5), q(19, 16.5)))
    page.supply(down, "2")
    put(f"C{n}", 27, 19.5)
    page.supply(f"C{n}", "1")
    page.supply(f"C{n}", "2")


def array(page: Page) -> None:
    """Sixteen equal cells, and the buses that they hang on."""
    for lane in range(LANES):
        cell(page, lane, 21 + 35 * (lane % 4), 5 + 23.5 * (lane // 4))
    page.label_at("CLOCK", page.wire(p(13, 8), p(14, 8)))
    page.label_at("CLOCK", p(13, 8), (-1, 0), "input")
    for name, shape, top in (("LANE", "bidirectional", 12), ("RESET", "input", 34)):
        page.bus(p(13, top - 1), p(13, top + LANES))
        for lane in range(LANES):
            page.bus_tap(f"{name}{lane}", 13 * STEP, 1, p(18, top + 1 + lane))
        page.label_at(f"{name}[0..15]", p(13, top - 1), (-1, 0), shape)


def overview(page: Page) -> dict[str, str]:
    """The root: three boxes and what runs between them. Returns the boxes' identifiers."""
    shifts = [(name, 5 + 2 * i) for i, name in enumerate(("SR_DATA", "SR_CLOCK", "SR_LATCH", "SR_OE_N"))]
    lanes, all_resets = "LANE[0..15]", "RESET[0..15]"
    right, left = "right", "left"
    boxes = {
        "pump": ("USB and pump chip", 8, 16, 24, 36, [(n, "output", right, y) for n, y in shifts]),
        "resets": ("Resets", 48, 16, 20, 17, [(n, "input", left, y) for n, y in shifts]),
        "array": ("Array", 84, 16, 20, 36, [(all_resets, "input", left, 11)]),
    }
    boxes["pump"][5].extend([("CLOCK", "output", right, 24), (lanes, "bidirectional", right, 30)])
    boxes["resets"][5].append((all_resets, "output", right, 11))
    boxes["array"][5].extend([("CLOCK", "input", left, 24), (lanes, "bidirectional", left, 30)])
    ids = {}
    for file, (name, x, y, width, height, pins) in boxes.items():
        sized = [(text, shape, side, dy * STEP) for text, shape, side, dy in pins]
        ids[file] = page.sheet(name, f"{file}.kicad_sch", *p(x, y), *p(width, height), sized)
    for _, y in shifts:
        page.wire(p(32, 16 + y), p(48, 16 + y))
    page.wire(p(32, 40), p(84, 40))
    page.bus(p(32, 46), p(84, 46))
    page.bus(p(68, 27), p(84, 27))
    note(page, 9, 36, "USB-C, 5 V, ATmega32U4,\n16 MHz, buttons, ISP")
    note(page, 49, 31, "two 74HC595")
    note(page, 85, 36, "sixteen ATtiny10, each with\nlane, clock, reset and LED")
    note(page, 8, 60, "Pins of lanes, signals and resets come from wiring.toml; firmware and simulator read it too.")
    for i in range(1, 5):
        place(page, f"H{i}", 10 + 10 * (i - 1), 68, ref_at=(0, -4.2, ""), value_at=(0, 4.2, ""))
    return ids


def build(circuit: Circuit) -> tuple[dict[str, str], dict[str, str]]:
    """All pages, file name -> text; and the path by which a footprint knows its symbol, reference -> path."""
    root = Page(circuit, "tinycloud", "tinycloud: sixteen ATtiny10s behind one USB cable", "A4")
    ids = overview(root)
    pages = {
        "pump": Page(circuit, "pump", "USB and pump chip", "A3", "/" + ids["pump"]),
        "resets": Page(circuit, "resets", "Resets", "A4", "/" + ids["resets"]),
        "array": Page(circuit, "array", "Array", "A3", "/" + ids["array"]),
    }
    usb(pages["pump"])
    pump(pages["pump"])
    buttons(pages["pump"])
    resets(pages["resets"])
    array(pages["array"])
    drawn = {ref for page in (root, *pages.values()) for ref in page.placed}
    assert drawn == set(circuit.parts), f"not drawn: {sorted(set(circuit.parts) - drawn)}"
    listing = ['(path "/" (page "1"))']
    listing += [f'(path "{page.path}" (page "{number}"))' for number, page in enumerate(pages.values(), 2)]
    instances = [line for page in (root, *pages.values()) for line in page.instances]
    out = {f"{name}.kicad_sch": page.write() for name, page in pages.items()}
    out["tinycloud.kicad_sch"] = root.write(listing, instances)
    paths = {ref: f"{page.path}/{page.id(ref)}" for page in (root, *pages.values()) for ref in page.placed}
    return out, paths
