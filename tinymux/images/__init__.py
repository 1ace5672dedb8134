"""Flash images: read from files, built with a page, checked for the chip that they are meant for."""

from __future__ import annotations

from tinymux.images.files import ATMEGA32U4, ATTINY10, Image, Part, load
from tinymux.images.server import firmware, server_images

__all__ = ["ATMEGA32U4", "ATTINY10", "Image", "Part", "firmware", "load", "server_images"]
