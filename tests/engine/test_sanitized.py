"""The engine under the compilers' sanitizers: races, memory, undefined behaviour."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize("sanitize", ["thread", "address"])
def test_commands_from_many_threads_while_packets_flow(program, sanitize):
    assert program("stress_threads", sanitize) == "ok\n"


@pytest.mark.parametrize("sanitize", ["thread", "address"])
def test_ports_faults_captures_and_programming_at_the_same_time(program, sanitize):
    """On and off while packets flow and the engine stops and starts; and a capture never holds up who feeds it."""
    assert program("stress_links", sanitize) == "ok\n"
