"""The admission gate: what it lets in and keeps out, and that its idea of the core is the assembler's."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest

from tinymux.errors import ImageError
from tinymux.images import Image, firmware, load, server_images
from tinymux.images.analysis import analyse
from tinymux.images.avrrc import decode
from tinymux.images.gate import admit, check, check_fuses
from tinymux.images.sizes import sizes


def reasons(image: Image) -> str:
    return "; ".join(finding.text for finding in check(image).refused)


def test_the_server_is_admitted_with_a_small_stack():
    verdict = check(server_images(1)[0])
    assert verdict.admitted
    assert 4 <= verdict.analysis.stack <= 8
    assert not verdict.analysis.undefined


@pytest.mark.parametrize(
    ("words", "name"),
    [
        ([0x0000], "nop"),
        ([0x0F01, 0x0FFF], "add"),
        ([0xA000, 0xA7FF], "lds"),
        ([0x91F2, 0x910E], "-ld"),
        ([0x930D, 0x9319], "st+"),
        ([0xB71F], "in"),
        ([0x910C, 0x8100, 0x8108], "ld"),
        ([0x9519, 0x9539], None),  # eicall
        ([0x0100, 0x0200, 0x9C00, 0x9600, 0x9700], None),  # movw, muls, mul, adiw, sbiw
        ([0x95C8, 0x9105, 0x9107], None),  # lpm
        ([0x9100, 0x9300, 0x8101, 0x8309], None),  # lds and sts in two words, ldd, std
        ([0x940C, 0x940E], None),  # jmp, call
        ([0x0C01, 0x2C0F, 0x1601, 0x900F, 0x920F, 0xFC00], None),  # registers below r16
        ([0xFFFF], None),  # an erased word
    ],
)
def test_words_of_the_full_core_are_none_of_this_one(words, name):
    assert {found.name if (found := decode(word, 0)) else None for word in words} == {name}


def test_distances_and_scrambled_addresses():
    assert decode(0xCFFF, 5).target == 5
    assert decode(0xF3F9, 5).target == 5
    assert decode(0xF409, 5).target == 7
    assert decode(0xDFFF, 0).target == 0
    assert [decode(word, 0).value for word in (0xA100, 0xA30F, 0xA70F, 0xA000)] == [0x40, 0x5F, 0x7F, 0x80]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("adiw r24,1", "no instruction of this core"),
        ("rjmp .+100", "no instruction of this core"),
        ("f: rcall f", "the stack grows without end"),
        ("1: push r16 / rjmp 1b", "the stack grows without end"),
        ("sbi 1,0 / rjmp .-2", "holds its lane low"),
        ("1: sts 0x5e,r16 / rcall 2f / lds r16,0x5e / rjmp 1b / 2: ret", "it reads data at 0x5e that its stack has"),
        ("in r16,0x3d / subi r16,31 / out 0x3d,r16 / rcall 1f / 1: rjmp 1b", "stack takes 33 bytes"),
        ("ret", "takes more off its stack than there is"),
    ],
)
def test_kept_out_with_the_reason(assembled, tmp_path, text, told):
    image = Image("adiw", bytes.fromhex("0196")) if "adiw" in text else load(assembled(text))
    assert told in reasons(image)
    with pytest.raises(ImageError, match=r"not admitted.*--force"):
        admit(image)
    admit(image, force=True)


def test_depth_of_calls_pushes_and_interrupts(assembled):
    straight = "rcall 1f / 0: rjmp 0b / 1: push r16 / push r17 / rcall 2f / pop r17 / pop r16 / ret / 2: ret"
    assert analyse(load(assembled(straight)).data).stack == 6
    handlers = "rjmp main\n" + "reti\n" * 10 + "main: sei / rcall f / 0: rjmp 0b / f: rcall g / ret / g: ret"
    assert analyse(load(assembled(handlers)).data).stack == 6


def test_a_jump_table_is_followed(assembled):
    text = "ldi r31,0 / ldi r30,pm_lo8(far) / ijmp / .word 0x0196, 0x0196 / far: rjmp far"
    found = analyse(load(assembled(text)).data)
    assert not found.undefined and not found.blind and 5 in found.code


def test_a_fuse_that_locks_the_chip_is_refused_always(assembled, tmp_path):
    fuse = '.section .fuse,"a",@progbits\n.byte 0xfe'
    bad = assembled("1: rjmp 1b\n" + fuse, "bad")
    good = assembled("1: rjmp 1b\n" + fuse.replace("0xfe", "0xfb"), "good")
    with pytest.raises(ImageError, match="RSTDISBL"):
        check_fuses(bad)
    check_fuses(good)
    done = subprocess.run(
        [sys.executable, "-m", "tinymux", "flash", str(bad), "--node", "3", "--force"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 1 and "RSTDISBL" in done.stderr


def test_every_byte_of_the_server_is_under_a_label():
    rows = sizes(firmware("server.elf"))
    assert sum(count for _, _, count in rows) == len(load(firmware("server.elf")).data)
    assert {"frame", "tcp", "icmp"} <= {name for name, _, _ in rows}


def test_check_prints_reasons_and_ends_with_the_verdict(tmp_path):
    shutil.copy(firmware("server.elf"), tmp_path / "good.elf")
    (tmp_path / "bad.bin").write_bytes(bytes.fromhex("0196"))
    for name, status in (("good.elf", 0), ("bad.bin", 1)):
        command = [sys.executable, "-m", "tinymux", "image", "check", str(tmp_path / name)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == status, done.stderr
        assert done.stdout.count("\n") >= 3
