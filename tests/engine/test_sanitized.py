"""The engine under the compilers' sanitizers: races, memory, undefined behaviour."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize("sanitize", ["thread", "address"])
def test_commands_from_many_threads_while_packets_flow(program, sanitize):
    assert program("stress_threads", sanitize) == "ok\n"
