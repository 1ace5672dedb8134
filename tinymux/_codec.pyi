"""SLIP and planes (ext/engine) for Python; see tinymux.slip and tinymux.planes."""

from typing_extensions import Buffer

def slip_encode_packet(packet: Buffer, /) -> bytes:
    """One packet as a frame: END, the bytes with END and ESC escaped, END."""

def slip_decode_frame(frame: Buffer, /) -> bytes:
    """The packet of one whole frame, with or without its leading END.

    Raises ValueError where there is not exactly one good frame.
    """

class SlipDecoder:
    """A receiver of frames that come in any pieces; each frame is bounded."""

    def __init__(self, capacity: int = 65535) -> None: ...
    def feed(self, data: Buffer, /) -> list[bytes]:
        """The packets that these bytes complete. Broken and oversize frames are dropped and counted."""

    @property
    def pending(self) -> bool:
        """Whether a frame has begun that is not complete."""

    @property
    def garbled(self) -> int:
        """Frames dropped for an ESC before another byte than ESC_END and ESC_ESC."""

    @property
    def oversize(self) -> int:
        """Frames dropped for their length."""

def to_lanes(planes: Buffer) -> bytes: ...
def to_planes(lanes: Buffer) -> bytes: ...
def slip_path_names() -> list[str]: ...
def planes_path_names() -> list[str]: ...
def use_slip_path(name: str) -> None: ...
def use_planes_path(name: str) -> None: ...
