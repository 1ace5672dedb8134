"""Where everything stands: board outline, parts, hand-routed copper, silkscreen. In mm, y downwards, origin top left.

The pump chip stands left, the tinies right in a 4 x 4 array of equal cells. Copper that matters is drawn here by hand:
the USB pair, VBUS and the fuse, the crystal, every capacitor, every drop to a plane, and all that is inside a cell.
What is left (lanes, resets, clock, slow signals) is the router's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from circuit import LANES, first_number

WIDTH, HEIGHT = 92.0, 62.0
CELL_X, CELL_Y = 12.2, 13.0  # pitch of the array
FIRST_X, FIRST_Y = 48.3, 10.8  # middle of cell 0

SIGNAL, POWER, HEAVY = 0.2, 0.4, 0.8  # track widths; 0.8 mm of 35 um carries 2 A with 10 K of warming (IPC-2221)
VIA, VIA_HOLE = 0.6, 0.3

Point = tuple[float, float]
Stop = str | Point  # a pad such as "U1.3", a point, an offset such as "+1.2,-0.4" from the stop before, or VIA_HERE
VIA_HERE = "via"


@dataclass(frozen=True)
class Place:
    """A part's middle and angle, and where its reference is written (offset; hidden if None)."""

    x: float
    y: float
    angle: float = 0
    ref: tuple[float, float] | None = (0.0, -1.4)
    ref_angle: float = 0


@dataclass(frozen=True)
class Track:
    """Copper by hand: from stop to stop, changing between front and back at each VIA_HERE."""

    stops: tuple[Stop, ...]
    width: float = SIGNAL
    net: str = ""  # where no stop is a pad


@dataclass(frozen=True)
class Ink:
    """A line of silkscreen text, centred on its place."""

    text: str
    x: float
    y: float
    size: float = 1.0  # and 0.15 thick: the least that JLCPCB promises to print
    back: bool = False


ABOVE, BELOW = (0.0, -1.4), (0.0, 1.4)

PLACES: dict[str, Place] = {
    # USB, from the edge inwards: connector, protector, series resistors, chip.
    "J1": Place(3.4, 30, -90, (0.6, -6.1)),
    "U2": Place(12.4, 30, 0, (0, -2.4)),
    "R1": Place(12.4, 25.9),
    "R2": Place(12.4, 34.1, 0, BELOW),
    "R3": Place(17.2, 29.05, 0, ABOVE),
    "R4": Place(17.2, 30.95, 0, BELOW),
    "F1": Place(12.0, 21.6, 0, (0.5, -1.7)),
    "C1": Place(11.4, 18.4),
    "C2": Place(17.3, 21.6, 0, (0, -1.6)),
    # The pump chip and what must be near it.
    "U1": Place(27, 32, 0, (0, 0)),
    "C7": Place(18.0, 25.6, 180),
    "C3": Place(18.0, 33.8, 180, BELOW),
    "C11": Place(24.4, 39.9, 0, (-3.9, 0)),
    "C8": Place(22.7, 24.0, 0, ABOVE),
    "C4": Place(25.3, 23.2, 90, (1.4, 0), 90),
    "C9": Place(31.1, 24.0, 180, ABOVE),
    "C10": Place(35.6, 36.2, -90, (2.5, 0), 90),
    "Y1": Place(27.1, 42.8, 90, (0, 2.9)),
    "C5": Place(23.3, 42.3, 0, BELOW),
    "C6": Place(31.2, 43.9, 0, BELOW),
    # Reset register: outputs face the array.
    "U3": Place(37.6, 17, 180, (0, 0)),
    "C12": Place(35.5, 21.5, 0, BELOW),
    "U4": Place(37.6, 46, 180, (0, 0)),
    "C13": Place(35.5, 50.5, 0, BELOW),
    "R7": Place(30.6, 17.325),
    # Hands: programming, buttons, LEDs.
    "J2": Place(9.5, 46.9, 0, (1.27, -2.4)),
    "SW1": Place(19.5, 57.0, 0, (0, -2.2)),
    "R5": Place(19.5, 52.4),
    "SW2": Place(28.5, 57.0, 0, (0, -2.2)),
    "R6": Place(28.5, 52.4),
    "R8": Place(6.0, 12.2),
    "D1": Place(10.2, 12.2, 180),
    "R9": Place(6.0, 15.4),
    "D2": Place(10.2, 15.4, 180),
    "TP6": Place(12.0, 8.6, ref=None),
    "TP7": Place(16.6, 8.6, ref=None),
    "TP1": Place(21.2, 8.6, ref=None),
    "TP2": Place(25.8, 8.6, ref=None),
    "TP3": Place(30.4, 8.6, ref=None),
    "TP4": Place(35.0, 8.6, ref=None),
    "TP5": Place(39.6, 8.6, ref=None),
    "H1": Place(2.6, 2.6, ref=None),
    "H2": Place(WIDTH - 2.6, 2.6, ref=None),
    "H3": Place(2.6, HEIGHT - 2.6, ref=None),
    "H4": Place(WIDTH - 2.6, HEIGHT - 2.6, ref=None),
}

# One cell, from the tiny's middle: lane and clock come in on the left, reset and LED are on the right.
CELL: dict[str, Place] = {
    "U0": Place(0, 0, 0, (0, -2.4)),
    "R0": Place(-4.0, -2.7, 0, ABOVE),
    "R1": Place(-4.0, -5.4, 180, ABOVE),
    "R2": Place(-4.0, 2.7, 0, BELOW),
    "R3": Place(4.0, -2.7, 0, ABOVE),
    "C0": Place(4.0, 0, 0, (0, -1.4)),
    "R4": Place(4.0, 2.7, 0, (0, -1.4)),
    "D0": Place(4.0, 5.4, 0, (0, -1.4)),
    "TP0": Place(-4.825, 0, ref=None),
    "TP1": Place(0.0, 4.4, ref=None),
}

CELL_TRACKS: list[Track] = [
    Track(("R0.2", (-2.3, -2.7), "U0.1")),
    Track(("R1.2", "R0.1", "TP0.1")),
    Track(("R1.1", (-2.1, -5.4), VIA_HERE), POWER),
    Track(("R2.2", (-2.3, 2.7), "U0.3")),
    Track(("U0.6", (2.3, -2.7), "R3.1")),
    Track(("R3.2", (5.7, -2.7), VIA_HERE), POWER),
    Track(("U0.5", (2.3, 0), VIA_HERE), POWER),
    Track(("U0.5", "C0.1"), POWER),
    Track(("C0.2", (5.7, 0), VIA_HERE), POWER),
    Track(("U0.2", (-2.5, 0), VIA_HERE), POWER),
    Track(("U0.4", (2.3, 2.7), "R4.1")),
    Track(("U0.4", (1.1375, 2.0), (0.0, 3.1), "TP1.1")),
    Track(("R4.2", "D0.2")),
    Track(("D0.1", (2.2, 5.4), VIA_HERE), POWER),
]

CELL_INK = [
    Ink("LANE {}", 2.0, -5.5, 1.2),
    Ink("PB2", 0.0, 6.15),
    Ink("lane {} PB2", 0.0, 5.9, 1.0, back=True),
]


def drop(pad: str, dx: float, dy: float, width: float = POWER) -> Track:
    """From a pad straight to a via and so to its plane."""
    return Track((pad, f"{dx:+},{dy:+}", VIA_HERE), width)


TRACKS: list[Track] = [
    # USB pair: the connector has each line twice; D+ is joined behind the pads, D- in front of them.
    Track(("J1.A6", (6.35, 29.75), (6.35, 30.75), "J1.B6")),
    Track(("J1.B7", (8.6, 29.25), (8.6, 30.25), "J1.A7")),
    Track(("J1.B7", (9.4, 29.25), (9.6, 29.05), "U2.1", "U2.6", "R3.1")),
    Track(("J1.B6", (9.4, 30.75), (9.6, 30.95), "U2.3", "U2.4", "R4.1")),
    Track(("R3.2", (19.0, 29.05), (19.55, 29.6), "U1.3")),
    Track(("R4.2", (19.0, 30.95), (19.55, 30.4), "U1.4")),
    # VBUS: both pairs of pads to the back, joined there, up to the fuse; the protector takes it from there too.
    Track(("J1.A4", (9.3, 27.55), VIA_HERE, (9.3, 32.45), VIA_HERE, "J1.A9"), 0.5),
    Track(((9.3, 27.55), VIA_HERE, (9.3, 22.4), VIA_HERE), HEAVY, "VBUS"),
    Track(("F1.1", (9.3, 21.6), (9.3, 22.4)), HEAVY),
    Track(("F1.1", (9.3, 21.6), (9.3, 20.8), VIA_HERE, (9.3, 22.4)), HEAVY),
    Track(("F1.1", "C1.1"), HEAVY),
    Track(("U2.5", (15.0, 30), VIA_HERE, (15.0, 31.0), (13.55, 32.45), (9.3, 32.45)), POWER),
    Track(("U2.2", (12.4, 30), VIA_HERE), 0.3),
    drop("J1.A1", 0.85, -1.05),
    drop("J1.A12", 0.85, 1.05),
    drop("C1.2", 1.2, 0),
    # 5 V behind the fuse: three vias to the plane.
    Track(("F1.2", "C2.1"), HEAVY),
    Track(("F1.2", (13.4, 23.4), VIA_HERE), HEAVY),
    Track(((15.0, 21.6), (15.0, 22.7), VIA_HERE), HEAVY, "+5V"),
    Track(((15.0, 21.6), (15.0, 20.5), VIA_HERE), HEAVY, "+5V"),
    drop("C2.2", 0, 1.5, HEAVY),
    drop("C2.2", 1.5, 0, HEAVY),
    # Capacitors of the pump chip: from the pin through the capacitor to the plane.
    Track(("U1.2", (20.2, 28.8), (19.9, 28.5), (19.9, 26.7), "C7.1"), 0.3),
    drop("C7.1", 0, -1.2),
    drop("C7.2", -1.2, 0),
    drop("U1.5", 1.7, 0, 0.3),
    drop("U1.7", 1.7, 0, 0.3),
    Track(("U1.6", (20.2, 32.0), "C3.1"), 0.3),
    drop("C3.2", -1.2, 0),
    Track(("U1.14", (24.6, 38.9), "C11.1"), 0.3),
    Track(("U1.15", "C11.2"), 0.3),
    drop("C11.1", -1.2, 0),
    drop("U1.15", 0, -1.7, 0.3),
    Track(("U1.24", (35.375, 35.2), "C10.1"), 0.3),
    Track(("U1.23", (34.6, 36.0), "C10.2"), 0.3),
    drop("C10.1", 1.2, 0),
    drop("C10.2", 1.2, 0),
    Track(("U1.34", (31.0, 25.0), "C9.1"), 0.3),
    Track(("U1.35", "C9.2"), 0.3),
    drop("C9.1", 1.2, 0),
    drop("C9.2", 0, -1.2),
    Track(("U1.44", (23.0, 25.0), "C8.1"), 0.3),
    Track(("U1.43", "C8.2"), 0.3),
    drop("C8.1", -1.2, 0),
    drop("C8.2", 0, -1.2),
    Track(("U1.42", (24.6, 24.8), "C4.1")),
    drop("C4.2", 0, -1.2),
    # Crystal: short, on one side, its two ground pads on one via between them.
    Track(("U1.16", (26.2, 41.0), "Y1.3")),
    Track(("C5.2", (25.6, 42.3), "Y1.3")),
    Track(("U1.17", (27.0, 38.9), (29.0, 40.9), (29.0, 43.9), "Y1.1")),
    Track(("Y1.1", "C6.1")),
    Track(("Y1.2", (27.1, 42.8), VIA_HERE), 0.3),
    Track(("Y1.4", (27.1, 42.8)), 0.3),
    drop("C5.1", -1.2, 0),
    drop("C6.2", 1.2, 0),
    # Reset registers.
    Track(("U3.16", "C12.1"), POWER),
    Track(("U4.16", "C13.1"), POWER),
    *(drop(f"{ref}.1", -1.2, 0) for ref in ("C12", "C13", "R7", "R5", "R6", "R8")),
    *(drop(f"{ref}.2", 1.2, 0) for ref in ("C12", "C13", "R1", "R2", "SW1", "SW2")),
    *(drop(f"{ref}.8", -1.8, 0, 0.3) for ref in ("U3", "U4")),
    *(drop(f"{ref}.10", 1.8, 0, 0.3) for ref in ("U3", "U4")),
    Track(("R7.2", "U3.13")),
    # LEDs and pads.
    Track(("R8.2", "D1.2")),
    Track(("R9.2", "D2.2")),
    drop("D1.1", 1.3, 0),
    drop("D2.1", 1.3, 0),
    drop("TP6.1", 0, 1.3),
    drop("TP7.1", 0, 1.3),
]

INK = [
    Ink("tinycloud", 16.0, 3.2, 2.4),
    Ink("16 x ATtiny10, one USB cable", 38.0, 2.2, 1.0),
    *(Ink(text, 12.0 + 4.6 * i, 6.9) for i, text in enumerate(("GND", "5V", "CLOCK", "DATA", "SCK", "LATCH", "/OE"))),
    Ink("POWER", 14.9, 12.2, 1.0),
    Ink("ACTIVITY", 15.9, 15.4, 1.0),
    Ink("RESET", 19.5, 59.9, 1.0),
    Ink("BOOT", 28.5, 59.9, 1.0),
    Ink("ISP", 14.9, 46.9, 1.0),
    Ink("tinycloud", 30.0, 4.5, 2.4, back=True),
    Ink("lanes 0-7: PORTB", 29.0, 54.0, 1.0, back=True),
    Ink("lanes 8-15: PORTD", 29.0, 56.0, 1.0, back=True),
    Ink("rev 1  CERN-OHL-P-2.0", 62.0, 59.9, 1.0),
]


def cell_middle(lane: int) -> Point:
    return FIRST_X + CELL_X * (lane % 4), FIRST_Y + CELL_Y * (lane // 4)


def cell_ref(name: str, lane: int) -> str:
    """The reference that a part of the cell has in this lane: R2 of lane 3 is R132."""
    return f"{name[:-1]}{first_number(lane) + int(name[-1])}"


def places() -> Iterator[tuple[str, Place]]:
    """All parts."""
    yield from PLACES.items()
    for lane in range(LANES):
        x, y = cell_middle(lane)
        for name, spot in CELL.items():
            yield (
                cell_ref(name, lane),
                Place(round(x + spot.x, 4), round(y + spot.y, 4), spot.angle, spot.ref, spot.ref_angle),
            )


def tracks() -> Iterator[Track]:
    """All copper by hand."""
    yield from TRACKS
    for lane in range(LANES):
        x, y = cell_middle(lane)
        for track in CELL_TRACKS:
            stops: list[Stop] = []
            for stop in track.stops:
                if isinstance(stop, tuple):
                    stops.append((round(x + stop[0], 4), round(y + stop[1], 4)))
                elif stop == VIA_HERE:
                    stops.append(stop)
                else:
                    stops.append(cell_ref(stop.split(".")[0], lane) + "." + stop.split(".")[1])
            yield Track(tuple(stops), track.width)


def ink() -> Iterator[Ink]:
    """All silkscreen text that is no reference."""
    yield from INK
    for lane in range(LANES):
        x, y = cell_middle(lane)
        for line in CELL_INK:
            yield Ink(line.text.format(lane), x + line.x, y + line.y, line.size, line.back)
