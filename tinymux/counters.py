"""What a node has counted, as one snapshot."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

DROP = "drop_"


@dataclass(frozen=True)
class Counters:
    """A node's counters since the Bridge was started; `out` is towards the tiny, `in` from it.

    planes: bit times that its board has run, the same for all sixteen lanes.
    drops: packets dropped, by reason; the reasons are those of ext/engine/counters.h.
    lane: what happened on the lane besides: collisions, resyncs, silences ..., from the same list.
    """

    packets_out: int
    bytes_out: int
    packets_in: int
    bytes_in: int
    resets: int
    planes: int
    drops: Mapping[str, int]
    lane: Mapping[str, int]

    @classmethod
    def of(cls, lane: Mapping[str, int], board: Mapping[str, int]) -> Counters:
        """Made from the engine's two lists, one of the lane and one of its board."""
        rest = dict(lane)
        named = {name: rest.pop(name) for name in ("packets_out", "bytes_out", "packets_in", "bytes_in", "resets")}
        drops = {name.removeprefix(DROP): rest.pop(name) for name in lane if name.startswith(DROP)}
        planes = sum(count for name, count in board.items() if name.startswith("planes_"))
        return cls(**named, planes=planes, drops=drops, lane=rest)

    @property
    def dropped(self) -> int:
        """Packets dropped for any reason."""
        return sum(self.drops.values())

    def as_dict(self) -> dict[str, Any]:
        """All of it as plain dicts and numbers, fit for JSON."""
        return asdict(self)
