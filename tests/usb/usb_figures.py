"""The figures of USB: python tests/usb/usb_figures.py [CYCLES] prints them as JSON; a note on each is on stderr.

usb_planes_ratio: planes of board time, both ways, over what the full-speed bus can carry (19 packets of 31 planes a
    frame, half of them each way). In board time, which passes at a 25th of the wall clock here, as the guest's
    processor is interpreted, and slower than a real one by about that. usb_two_boards_ratio: the slower of two at once.
usb_added_latency_ms: p50 from one small packet to its answer, over the same for the simulated board in this process,
    both in wall time in one run. The guest's processor is interpreted, which is counted against USB.
usb_replug_cycles: how often the board was unplugged under traffic and came back with the same interfaces, until traffic
    flowed; 0 if memory or files leaked. usb_replug_s: p50 from the end of enumeration to the first answer of a tiny.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE / "inside")]
import guest  # noqa: E402
import measure  # noqa: E402
import rig  # noqa: E402
from transport import Driver  # noqa: E402

from tinymux import SimulatedBoard  # noqa: E402


def here_ms() -> float:
    """The round trip without USB: the simulated board in this process, at its real pace."""
    opened = SimulatedBoard().open()
    try:
        return measure.round_trip_ms(Driver(opened))
    finally:
        opened.close()


def figures(cycles: int = 200) -> dict[str, float]:
    """All of them; guest.Unavailable where the rig cannot run."""
    without = here_ms()
    script = HERE / "inside" / "measure.py"
    command = (
        f"TINYMUX_DRIVE={rig.drive()} TINYMUX_CYCLES={cycles} '{rig.python()}' '{script}' \"$TINYMUX_GUEST/figures\""
    )
    with rig.Run(command, timeout=120 + 4 * cycles) as run:
        if run.status:
            raise guest.Unavailable(run.account())
        found = json.loads(run.text("figures"))
    print(json.dumps(found | {"round_trip_ms_without": without}, indent=2), file=sys.stderr)
    replugs = found["replugs"]
    leaks = replugs["files_more"] > 0 or replugs["bytes_more"] > measure.LEAK
    return {
        "usb_planes_ratio": round(found["planes_per_s"] / measure.BUDGET, 4),
        "usb_two_boards_ratio": round(min(found["both_planes_per_s"]) / measure.BUDGET, 4),
        "usb_added_latency_ms": round(found["round_trip_ms"] - without, 3),
        "usb_replug_cycles": 0 if leaks else replugs["cycles"],
        "usb_replug_s": round(replugs["back_s_p50"], 3),
    }


if __name__ == "__main__":
    try:
        print(json.dumps(figures(*map(int, sys.argv[1:2]))))
    except guest.Unavailable as reason:
        print(f"usb rig: {reason}", file=sys.stderr)
        sys.exit(77)
