"""The wiring and protocol tables: what cannot be built from is refused with its line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "ext"))
import tables  # noqa: E402

WIRING = tables.WIRING.read_text()
PROTOCOL = tables.PROTOCOL.read_text()


def line_of(text, part):
    """Number, from 1, of the only line that holds the part."""
    (number,) = [n for n, line in enumerate(text.splitlines(), 1) if part in line]
    return number


def generate(tmp_path, wiring=WIRING, protocol=PROTOCOL):
    (tmp_path / "wiring.toml").write_text(wiring)
    (tmp_path / "protocol.toml").write_text(protocol)
    tables.generate(
        tmp_path / "wiring.toml", tmp_path / "protocol.toml", tmp_path / "include", tmp_path / "generated.py"
    )


def replaced(text, old, new):
    assert text.count(old) == 1, old
    return text.replace(old, new)


def test_the_tables_as_they_are_give_headers_and_python(tmp_path):
    generate(tmp_path)
    wiring = (tmp_path / "include" / "wiring.h").read_text()
    assert "#define LANES 16\n" in wiring
    assert "#define CLOCK_BIT 6\n" in wiring
    assert "#define OP_BOTH 1\n" in (tmp_path / "include" / "protocol.h").read_text()
    facts: dict = {}
    exec((tmp_path / "generated.py").read_text(), facts)
    assert facts["WIRING"]["lanes"]["map"][15] == {"pin": "PD7", "reset": 15}
    assert facts["PROTOCOL"]["packet"]["planes"] == 31


def test_files_that_would_not_change_are_not_written_again(tmp_path):
    generate(tmp_path)
    header = tmp_path / "include" / "wiring.h"
    before = header.stat().st_mtime_ns
    generate(tmp_path)
    assert header.stat().st_mtime_ns == before


def test_a_permuted_reset_register_is_fine(tmp_path):
    wiring = replaced(WIRING, '{ pin = "PB0", reset = 0 }', '{ pin = "PB0", reset = 15 }')
    wiring = replaced(wiring, '{ pin = "PD7", reset = 15 }', '{ pin = "PD7", reset = 0 }')
    generate(tmp_path, wiring)
    header = (tmp_path / "include" / "wiring.h").read_text()
    assert "#define RESET_BIT_0 15\n" in header
    assert "#define RESET_BITS_STRAIGHT 0\n" in header


LANE3 = '{ pin = "PB3", reset = 3 }'


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ('SR_DATA      = "PF7"', 'SR_DATA      = "PF6"', "SR_CLOCK: pin PF6 is already used by SR_DATA"),
        ('SR_DATA      = "PF7"', 'SR_DATA      = "PB3"', "lane 3: pin PB3 is already used by SR_DATA"),
        ('CLOCK        = "PC6"', 'CLOCK        = "PC5"', "CLOCK: the pump chip has no pin 'PC5'"),
        ('CLOCK        = "PC6"', 'CLOCK        = "PE2"', "HWB: pin PE2 is already used by CLOCK"),
        ('CLOCK        = "PC6"', "CLOCK        = 6", "CLOCK: the pump chip has no pin 6"),
        ('HWB          = "PE2"', 'HWB          = "PE6"', "HWB: the bootloader reads PE2 and no other pin"),
        ('LED_ACTIVITY = "PC7"', 'LED_ACTIVE = "PC7"', "signal LED_ACTIVITY is missing"),
        ('LED_ACTIVITY = "PC7"', 'LED_ACTIVITY = "PC7"\nBUZZER = "PE6"', "unknown signal BUZZER"),
        (LANE3 + ",\n", "", "16 lanes are needed, 15 are given"),
        (LANE3, '{ pin = "PB3" }', "lane 3: needs pin and reset, nothing else"),
        (LANE3, '{ pin = "PB9", reset = 3 }', "lane 3: the pump chip has no pin 'PB9'"),
        (LANE3, '{ pin = "PB2", reset = 3 }', "lane 3: pin PB2 is already used by lane 2"),
        (LANE3, '{ pin = "PF0", reset = 3 }', "lane 3: must be on PB3"),
        (LANE3, '{ pin = "PB3", reset = 2 }', "lane 3: reset bit 2 is already used by lane 2"),
        (LANE3, '{ pin = "PB3", reset = 16 }', "lane 3: reset register has no bit 16"),
        (LANE3, '{ pin = "PB3", reset = true }', "lane 3: reset register has no bit True"),
        ('LANE  = "PB0"', 'LANE  = "PB2"', "tiny LANE: TPI fixes it to PB0"),
        ('USER  = "PB2"', 'USER  = "PB4"', "tiny USER: the ATtiny10 has no pin 'PB4'"),
    ],
)
def test_a_wrong_wiring_is_refused_with_its_line(tmp_path, old, new, reason):
    wiring = replaced(WIRING, old, new)
    with pytest.raises(tables.TableError) as caught:
        generate(tmp_path, wiring)
    place, _, message = str(caught.value).partition(": ")
    assert message.startswith(reason)
    path, _, number = place.rpartition(":")
    assert path == str(tmp_path / "wiring.toml")
    assert blamed(wiring, int(number), message)
    assert not (tmp_path / "include").exists()


def blamed(text, number, message):
    """The line named holds what the message is about."""
    line = text.splitlines()[number - 1]
    subject = message.split(":")[0]
    if subject.startswith("lane "):
        entries = [n for n, entry in enumerate(text.splitlines(), 1) if entry.strip().startswith("{")]
        return entries[int(subject.removeprefix("lane "))] == number
    return line.startswith((subject.removeprefix("tiny ").split()[-1], "[signals]", "map"))


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("RX   = 3", "RX   = 2", "opcodes.RX: 2 is already TX"),
        ("RESETS  = 2", "RESETS  = 300", "requests.RESETS: must fit one byte"),
        ("planes = 31", "planes = 32", "packet.planes: the run does not fit one USB packet"),
    ],
)
def test_a_wrong_protocol_is_refused_with_its_line(tmp_path, old, new, reason):
    protocol = replaced(PROTOCOL, old, new)
    with pytest.raises(tables.TableError) as caught:
        generate(tmp_path, protocol=protocol)
    place, _, message = str(caught.value).partition(": ")
    assert message == reason
    assert place == f"{tmp_path / 'protocol.toml'}:{line_of(protocol, new)}"


@pytest.mark.parametrize("text", ["lanes = [", "\xff\xfe", ""])
def test_a_table_that_is_no_toml_or_empty_is_refused(tmp_path, text):
    with pytest.raises(tables.TableError, match=r"wiring\.toml"):
        generate(tmp_path, wiring=text)


def test_the_command_says_one_line_and_fails(tmp_path):
    (tmp_path / "wiring.toml").write_text(replaced(WIRING, LANE3, '{ pin = "PB3", reset = 2 }'))
    command = [sys.executable, tables.__file__, "--check", "--wiring", str(tmp_path / "wiring.toml")]
    result = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    assert result.returncode == 1
    assert result.stderr.count("\n") == 1
    assert "lane 3: reset bit 2 is already used by lane 2" in result.stderr
    missing = subprocess.run([*command[:-1], "missing.toml"], capture_output=True, text=True, timeout=20, check=False)
    assert missing.returncode == 1
    assert "missing.toml: cannot be read" in missing.stderr


@pytest.mark.parametrize(
    ("table", "cut"),
    [
        ("wiring", "[pump]"),
        ("wiring", "clock_hz"),
        ("protocol", "[packet]"),
        ("protocol", "header = 2"),
        ("protocol", "[usb]"),
    ],
)
def test_what_is_missing_is_named_in_one_line(tmp_path: Path, table: str, cut: str) -> None:
    source = {"wiring": ROOT / "board/wiring.toml", "protocol": ROOT / "atmega/protocol.toml"}[table]
    wrong = tmp_path / source.name
    wrong.write_text(source.read_text().replace(cut, "# " + cut))
    command = [sys.executable, str(ROOT / "ext/tables.py"), f"--{table}", str(wrong), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith(str(wrong)) and len(done.stderr.splitlines()) == 1
