"""What cannot be: one line that says what to do, exit status not 0, nothing left behind (which each test checks)."""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path

import pytest
from commands import run, up
from prefixes import NET_ADMIN_ONLY, NO_RIGHTS, in_mounts
from pyroute2 import IPRoute
from web import ask

from tinymux.errors import WebError
from tinymux.namespace import Namespace
from tinymux.web import Listener, Nginx


def refused(result, *words, status=1):
    """One line on stderr, with these words in it."""
    assert result.status == status, result
    assert result.errors.startswith("tinymux: error: "), result
    assert result.errors.count("\n") == 1
    for word in words:
        assert word in result.errors


def test_an_unknown_board():
    refused(run("up", "--board", "b0"), "no board 'b0' here", "'simulated'")


def test_no_tun_device(mounts):
    result = run("up", before=in_mounts("mount -t tmpfs none /dev/net"))
    refused(result, "no /dev/net/tun", "modprobe tun")


def test_no_permission():
    refused(run("up", "--listen", "127.0.0.1:0", before=NO_RIGHTS), "no permission", "CAP_NET_ADMIN", "unshare -Urn")


def test_no_permission_for_a_namespace():
    result = run("up", "--listen", "127.0.0.1:0", "--netns", "tinymux-none", before=NET_ADMIN_ONLY)
    refused(result, "no permission to make the network namespace tinymux-none")


def test_a_network_that_is_routed_already():
    with IPRoute() as route:
        route.route("add", dst="10.16.0.0/16", oif=1)
        try:
            refused(run("up", "--listen", "127.0.0.1:0"), "10.16.0.0/24 is in use", "choose another --network")
        finally:
            route.route("del", dst="10.16.0.0/16", oif=1)


def test_a_second_one_beside_the_first_which_goes_on():
    with up() as first:
        refused(run("up", "--listen", "127.0.0.1:0"), "tmx0 is there already", "--prefix")
        refused(run("up", "--listen", "127.0.0.1:0", "--prefix", "two"), "in use", "--network")
        assert ask(first.place)[0] == 200
        assert first.end()[0] == 0


def test_an_image_that_is_too_large(tmp_path):
    image = tmp_path / "large.bin"
    image.write_bytes(bytes(1100))
    refused(run("up", "--image", image), "too large: 1100 bytes, 76 more than the 1024 of an ATtiny10")


def test_an_image_that_is_not_there(tmp_path):
    refused(run("up", "--image", tmp_path / "none.elf"), "none.elf: cannot be read")


def test_a_port_that_is_taken():
    with Listener("127.0.0.1:0") as listener:
        refused(run("up", "--listen", listener.address), "is taken on 127.0.0.1", "--listen")


def test_an_address_that_is_not_ours():
    refused(run("up", "--listen", "203.0.113.1:8080"), "no such address")


def test_a_missing_nginx(mounts):
    places = [path for path in ("/usr/sbin/nginx", shutil.which("nginx")) if path and Path(path).exists()]
    hide = "; ".join(f"mount --bind /dev/null {shlex.quote(path)}" for path in dict.fromkeys(places))
    result = run("up", "--listen", "127.0.0.1:0", before=in_mounts(hide))
    refused(result, "nginx is missing: 'apt install nginx-light'", "--no-web")


def test_an_nginx_that_does_not_work(tmp_path, mounts):
    bad = tmp_path / "nginx"
    bad.write_text("#!/bin/sh\necho 'nginx: something is wrong' >&2\nexit 1\n")
    bad.chmod(0o755)
    tmp_path.chmod(0o755)
    nginx = Path(shutil.which("nginx", path="/usr/sbin:/usr/bin")).resolve()
    script = f"mount --bind {shlex.quote(str(bad))} {shlex.quote(str(nginx))}"
    result = run("up", "--listen", "127.0.0.1:0", before=in_mounts(script))
    refused(result, "nginx refuses its configuration: nginx: something is wrong")


def test_no_place_for_temporary_files(monkeypatch):
    def nowhere(prefix):
        raise FileNotFoundError(2, "No usable temporary directory found")

    monkeypatch.setattr("tempfile.mkdtemp", nowhere)
    with Listener("127.0.0.1:0") as listener, pytest.raises(WebError, match=r"no place for temporary files: .*TMPDIR"):
        Nginx(listener, [], Namespace())


def test_wrong_engine_options():
    refused(run("up", "--listen", "127.0.0.1:0", "--tune", "gap"), "--tune gap: write it as NAME=NUMBER")
    refused(run("up", "--listen", "127.0.0.1:0", "--tune", "gaps=1"), "no option 'gaps'")
    refused(run("up", "--listen", "127.0.0.1:0", "--tune", "gap=99"), "gap: 99 is out of its bounds")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--network", "10.16.0.0/30"), "no room for 16 nodes"),
        (("--netns", "../x"), "cannot be the name of a network namespace"),
        (("--prefix", "much-too-long-a-prefix"), "cannot begin interface names"),
        (("--listen", "nowhere"), "write it as 127.0.0.1:8080"),
        (("--byte-loss", "2"), "byte_loss is a probability"),
        (("--seed", "-1"), "seed"),
    ],
)
def test_settings_that_cannot_be(arguments, words):
    refused(run("up", *arguments), words)


def test_usage_that_is_wrong_ends_with_status_2():
    for arguments in (["up", "--nothing"], ["nothing"], ["up", "--duration", "-1"], ["up", "-o", "xml"]):
        result = run(*arguments)
        assert result.status == 2
        assert "Usage: tinymux" in result.errors
