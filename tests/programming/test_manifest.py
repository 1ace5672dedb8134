"""What a manifest says of an image, where it comes from, and that an image that is another is refused."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tinymux import SimulatedBoard
from tinymux.errors import ImageError
from tinymux.images import firmware, load
from tinymux.images.analysis import analyse
from tinymux.images.manifest import Manifest, beside, load_checked

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = ("server", "hello", "echo", "blink", "selftest", "blog", "microblog")


def tinymux(*words, status=0):
    command = [sys.executable, "-m", "tinymux", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture
def echo(tmp_path):
    """A built program with its manifest, in a folder of its own."""
    for file in (firmware("echo.elf"), beside(firmware("echo.elf"))):
        shutil.copy(file, tmp_path)
    return tmp_path / "echo.elf"


def test_the_build_writes_one_for_each_program(tmp_path):
    make = ["make", "-s", "-C", str(ROOT / "avr"), f"OUT={tmp_path}", f"PYTHON={sys.executable}"]
    subprocess.run(make, check=True, timeout=100)
    for name in PROGRAMS:
        elf = tmp_path / f"{name}.elf"
        image, told = load_checked(elf), Manifest.read(elf)
        assert (told.program, told.version, told.part, told.mtu) == (name, "0.1.0", "ATtiny10", 576)
        assert (told.size, told.stack) == (len(image.data), analyse(image.data).stack)
        assert told.sha256 == hashlib.sha256(image.data).hexdigest()
        folder = "blog" if name == "microblog" else name
        assert {f"avr/{folder}/{folder}.S", "avr/lib/tiny.inc", "build/include/wiring.h"} <= set(told.inputs)
        for source, sha256 in told.inputs.items():
            assert sha256 == hashlib.sha256((ROOT / source).read_bytes()).hexdigest()
    assert "avr/lib/udp.inc" in Manifest.read(tmp_path / "echo.elf").inputs
    assert "avr/lib/udp.inc" not in Manifest.read(tmp_path / "hello.elf").inputs


def test_it_holds_for_the_flash_and_not_for_the_file(echo):
    """A stripped file has the same flash; another program has not."""
    before = load(echo).data
    subprocess.run(["avr-strip", str(echo)], check=True)
    assert load_checked(echo).data == before
    shutil.copy(firmware("hello.elf"), echo)
    with pytest.raises(ImageError, match=r"echo\.elf: wrong checksum: .* echo\.manifest\.json describes"):
        load_checked(echo)


def test_its_mtu_is_the_image_s(echo):
    file = beside(echo)
    file.write_text(file.read_text().replace('"mtu": 576', '"mtu": 300'))
    assert load_checked(echo).mtu == 300
    assert SimulatedBoard(image=echo).images[0].mtu == 300


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda m: m | {"part": "ATtiny4"}, "for another chip: its manifest says ATtiny4"),
        (lambda m: m | {"sha256": "0" * 64}, "wrong checksum"),
        (lambda m: {}, "damaged manifest"),
        (lambda m: [], "damaged manifest"),
        (lambda m: m | {"mtu": "576"}, "damaged manifest"),
        (lambda m: m | {"inputs": 3}, "damaged manifest"),
        (lambda m: m | {"unheard": 1}, "damaged manifest"),
        (lambda m: m | {"mtu": 20}, "MTU of 20"),
    ],
)
def test_what_is_wrong_with_it_is_told(echo, change, told):
    file = beside(echo)
    file.write_text(json.dumps(change(json.loads(file.read_text()))))
    with pytest.raises(ImageError, match=told):
        load_checked(echo)


def test_every_command_that_takes_an_image_refuses_one_with_a_wrong_checksum(echo):
    echo.write_bytes(firmware("hello.elf").read_bytes())
    for words in (
        ("flash", echo, "--node", "3"), ("flash", echo, "--node", "3", "--force"), ("verify", echo, "--node", "3"),
        ("image", "check", echo), ("image", "show", echo), ("sim", echo), ("up", "--no-web", "--image", echo),
    ):  # fmt: skip
        assert "echo.elf: wrong checksum" in tinymux(*words, status=1), words


def test_show_prints_it_and_what_has_changed_since(echo):
    told = tinymux("image", "show", echo)
    assert "echo 0.1.0, for an ATtiny10, MTU 576" in told
    assert hashlib.sha256(load(echo).data).hexdigest() in told
    assert "from avr/lib/udp.inc" in told
    file = beside(echo)
    manifest = json.loads(file.read_text())
    (echo.parent / "source.S").write_text("nop")
    file.write_text(json.dumps(manifest | {"inputs": {str(echo.parent / "source.S"): "0" * 64}}))
    assert "source.S  0000000000000000  (changed since)" in tinymux("image", "show", echo)
    file.unlink()
    assert "has no manifest; 'tinymux image manifest" in tinymux("image", "show", echo, status=1)
