"""What tests of programming share: a board whose memories are fast, and images for it."""

from __future__ import annotations

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
