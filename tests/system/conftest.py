"""Tests with real tuns, real nginx and the simulated board, in a network namespace of their own.

Each test starts and ends with a machine that has nothing of tinymux on it: no interface, namespace, process or folder.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from pathlib import Path

import pytest
from traces import processes_in, state

from tinymux.errors import NetworkError
from tinymux.namespace import Namespace


@pytest.fixture(scope="module", autouse=True)
def own_network():
    """A network namespace for these tests alone, so that the host's networks do not matter.

    Without the right to make one (a user namespace without a mount namespace), the present one is our own already.
    """
    try:
        namespace = Namespace(f"tinymux-test-{os.getpid()}")
    except NetworkError:
        Namespace().loopback()
        yield
        return
    with namespace, namespace.inside():
        yield


@pytest.fixture
def folder(monkeypatch, tmp_path_factory):
    """A folder for temporary files that nginx's user can reach, seen to be empty afterwards."""
    tmp_path_factory.getbasetemp()  # pytest's own stay elsewhere
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o755)
        monkeypatch.setattr(tempfile, "tempdir", name)
        monkeypatch.setenv("TMPDIR", name)
        yield Path(name)
        assert os.listdir(name) == []


@pytest.fixture(autouse=True)
def nothing_left(folder):
    """Holds the promise that nothing is left behind, for each test."""
    before = state()
    yield
    assert state() == before
    end = time.monotonic() + 5
    while processes_in(folder) and time.monotonic() < end:
        time.sleep(0.02)  # a killed process takes a moment to go
    assert processes_in(folder) == []


@pytest.fixture
def named_namespace(request):
    """A name for a network namespace, where these may be made at all."""
    name = f"tinymux-{os.getpid()}"
    try:
        Namespace(name).close()
    except NetworkError as error:
        pytest.skip(f"named network namespaces need root and a mount namespace: {error}")
    return name


@pytest.fixture
def mounts():
    """Whether this process may have a mount namespace of its own."""
    if subprocess.run(["unshare", "--mount", "true"], stderr=subprocess.DEVNULL, check=False).returncode:
        pytest.skip("no right to make a mount namespace")
