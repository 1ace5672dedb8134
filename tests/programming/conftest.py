"""What tests of programming share: a board whose memories are fast, and images for it."""

from __future__ import annotations

import subprocess

import pytest
from tpibench import Bench, random_image


@pytest.fixture
def make():
    return Bench


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.fixture
def image():
    return random_image


@pytest.fixture
def assembled(tmp_path):
    """An image from AVRrc assembly."""

    def build(text: str, name: str = "program"):
        source, target = tmp_path / f"{name}.S", tmp_path / f"{name}.elf"
        source.write_text(text.replace(" / ", "\n") + "\n")
        subprocess.run(["avr-gcc", "-mmcu=attiny10", "-nostdlib", "-o", str(target), str(source)], check=True)
        return target

    return build
