"""SLIP (RFC 1055) at the speed of the CPU's vectors, over the buffer protocol; of use without anything else here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tinymux._codec import SlipDecoder as Decoder
from tinymux._codec import slip_encode_packet as _encode
from tinymux._codec import slip_path_names as paths
from tinymux._codec import use_slip_path as use

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["Decoder", "decode", "encode", "paths", "use"]


def encode(packet: Buffer) -> bytes:
    """One packet as a frame: END, the bytes with END and ESC escaped, END."""
    return _encode(packet)


def decode(frame: Buffer) -> bytes:
    """The packet of one whole frame, with or without its leading END.

    Raises ValueError where there is not exactly one good frame.
    """
    decoder = Decoder(max(1, memoryview(frame).nbytes))
    packets = decoder.feed(frame)
    if len(packets) != 1 or decoder.pending or decoder.garbled:
        raise ValueError("not one whole SLIP frame")
    return packets[0]
