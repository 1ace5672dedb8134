"""SLIP (RFC 1055) at the speed of the CPU's vectors, over the buffer protocol; of use without anything else here."""

from __future__ import annotations

from tinymux._codec import SlipDecoder as Decoder
from tinymux._codec import slip_decode_frame as decode
from tinymux._codec import slip_encode_packet as encode
from tinymux._codec import slip_path_names as paths
from tinymux._codec import use_slip_path as use

__all__ = ["Decoder", "decode", "encode", "paths", "use"]
