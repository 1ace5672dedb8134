"""The rights that tinymux needs, and no more: CAP_NET_ADMIN, or a user and network namespace of its own."""

from __future__ import annotations

import subprocess
import sys

import pytest
from commands import ROOT, run, up
from prefixes import NET_ADMIN_ONLY, OWN_NAMESPACES, PLAIN_USER, USER_WITH_NET_ADMIN, in_mounts, opened_for_all
from web import ask


def possible(before):
    """Skip where the machine does not let the tests do this."""
    line = [*before, sys.executable, "-c", "import tinymux"]
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"not possible here: {(done.stderr.strip().splitlines() or ['?'])[-1]}")
    return before


@pytest.fixture
def as_user(mounts, folder):
    """What lets a plain user run this checkout."""
    folder.chmod(0o777)
    return in_mounts(*opened_for_all())


def serves(before):
    """`tinymux up` serves a page, started this way, and ends cleanly."""
    with up(before=before) as running:
        assert ask(running.place)[0] == 200
        assert running.end() == (0, "")


def test_root_with_cap_net_admin_alone_is_enough():
    serves(possible(NET_ADMIN_ONLY))


def test_a_user_with_cap_net_admin_is_enough(as_user):
    serves(possible([*as_user, *USER_WITH_NET_ADMIN]))


def test_a_user_without_rights_is_refused_with_one_line(as_user):
    result = run("up", "--listen", "127.0.0.1:0", before=possible([*as_user, *PLAIN_USER]))
    assert result.status == 1
    assert "no permission to make the interface tmx0: run as root or with CAP_NET_ADMIN" in result.errors
    assert result.errors.count("\n") == 1


def test_a_user_and_network_namespace_of_its_own_is_enough():
    """Loopback is down there: the demo brings it up, asks for its pages inside, and is gone with the namespace."""
    result = run("demo", "--requests", "100", before=possible(OWN_NAMESPACES))
    assert (result.status, result.errors) == (0, "")
    assert "100 x 200" in result.output


def test_a_plain_user_in_namespaces_of_its_own_is_enough(as_user):
    result = run("demo", "--requests", "100", before=possible([*as_user, *PLAIN_USER, *OWN_NAMESPACES]))
    assert (result.status, result.errors) == (0, "")
    assert "100 x 200" in result.output
