"""Real avr-gdb on a tiny: names, halts, steps, registers, both memories, Ctrl-C, and traffic that goes on."""

from __future__ import annotations

import contextlib
import re
import signal
import subprocess
import sys
import time

import pytest
from simbuild import ROOT

from tinymux.images import firmware

PATIENCE = 40
COUNTER = """
#define __SFR_OFFSET 0
#include <avr/io.h>
        .global main, loop, f
main:   ldi r16,0xd8
        out CCP,r16
        ldi r16,0
        out CLKPSR,r16
        sts 0x40,r16
loop:   inc r16
        rcall f
        rjmp loop
f:      sts 0x40,r16
        lds r17,0x40
        ret
"""


class Sim:
    """`tinymux sim --gdb` as it runs."""

    def __init__(self, image, *arguments):
        command = [sys.executable, "-m", "tinymux", "sim", str(image), "--gdb", *map(str, arguments)]
        self.image = image
        self.process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        line = self.process.stderr.readline()
        found = re.search(r"target remote :(\d+)", line)
        assert found, line + self.process.stderr.read()
        self.port = int(found[1])

    def debugger(self, *commands, **options):
        """Start avr-gdb with these commands."""
        words = ["set remotetimeout 10", "set confirm off", f"target remote :{self.port}", *commands]
        script = [word for command in words for word in ("-ex", command)]
        return subprocess.Popen(
            ["avr-gdb", "-nx", "-batch", str(self.image), *script],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            **options,
        )

    def debug(self, *commands):
        """Run avr-gdb with these commands; what it said."""
        done = self.debugger(*commands)
        try:
            return done.communicate(timeout=PATIENCE)[0]
        finally:
            done.kill()

    def end(self):
        """Its exit status and what it said."""
        out, errors = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, out + errors

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.communicate()


@pytest.fixture
def sim():
    with contextlib.ExitStack() as stack:

        def start(*arguments):
            made = Sim(*arguments)
            stack.callback(made.close)
            return made

        yield start


@pytest.fixture
def counter(tmp_path):
    source, elf = tmp_path / "counter.S", tmp_path / "counter.elf"
    source.write_text(COUNTER)
    flags = ["-mmcu=attiny10", "-nostartfiles", "-nostdlib", "-Wa,-gdwarf-2"]
    subprocess.run(["avr-gcc", *flags, "-o", elf, source], check=True, timeout=60)
    return elf


def test_break_step_look_and_change(sim, counter):
    """All by names out of the ELF file; AVRrc's registers, flash at 0, data memory at 0x800000."""
    run = sim(counter)
    expected = {
        "break f": "Breakpoint 1",
        "continue": "Breakpoint 1, f ()",
        "x/i $pc": "=> 0x10 <f>:",
        "p/x $r16": "= 0x1",
        "stepi": "lds",
        "p/x *(unsigned char *)0x800040": "= 0x1",
        "next": "ret",
        "p/x $r17": "= 0x1",
        "set $r16 = 0x41": "",
        "delete": "",
        "tbreak f": "Temporary breakpoint 2",
        "continue ": "Temporary breakpoint 2, f ()",
        "p/x $r16 ": "= 0x42",
        "backtrace 1": "#0  f ()",
        "x/2xh 0": "0xed08\t0xbf0c",
        "x/2xh 0x804000": "0xed08\t0xbf0c",
        "set {unsigned char}0x800050 = 0x5a": "",
        "x/xb 0x800050": "0x5a",
        "p $r3": "<unavailable>",
        "p/x $SP": "= 0x5d",
        "compare-sections .text": "matched",
        "detach": "",
    }
    told = run.debug(*expected)
    lines = iter(told.splitlines())
    for line in filter(None, expected.values()):
        assert any(line in each for each in lines), f"{line!r} is missing, or not in its place, in:\n{told}"
    status, report = run.end()
    assert (status, "label" in report) == (0, True)


def test_watchpoints(sim, counter):
    cell = "*(unsigned char *)0x800040"
    told = sim(counter).debug(
        f"watch {cell}", "continue", "continue", "p $pc", "delete", f"rwatch {cell}", "continue", "p $pc", "kill"
    )
    assert told.count("Hardware watchpoint 1: *(unsigned char *)0x800040") == 3
    assert re.search(r"Old value = 0 .*\nNew value = 1 ", told)
    assert "Hardware read watchpoint 2" in told
    assert re.findall(r"\$\d = .* <f\+(\d)>", told) == ["2", "4"]


def test_load_writes_flash(sim, counter, tmp_path):
    other = tmp_path / "other.elf"
    subprocess.run(["avr-objcopy", "-R", "nothing", str(firmware("hello.elf")), str(other)], check=True, timeout=60)
    told = sim(counter).debug(f"load {other}", f"symbol-file {other}", "set $pc = 0", "break icmp", "continue", "kill")
    assert "Breakpoint 1, " in told


def test_ctrl_c(sim, counter):
    run = sim(counter)
    debugger = run.debugger("continue", "p/x $pc < 0x20", "kill", process_group=0)
    deadline = time.monotonic() + PATIENCE
    while debugger.poll() is None and time.monotonic() < deadline:
        time.sleep(0.5)
        debugger.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            debugger.wait(2)
    told = debugger.communicate(timeout=PATIENCE)[0]
    assert "Program received signal SIGINT" in told
    assert "$1 = 0x1" in told
    assert run.end()[0] == 0


def test_traffic_goes_on_under_the_debugger(sim):
    """Each ping is seen at its label, changed nowhere, and answered."""
    run = sim(firmware("hello.elf"), "--", "ping -q -c 3 -i 0.2 -W 20 -s 8 $TINY")
    told = run.debug("break icmp_end", "continue", "continue", "continue", "delete", "detach")
    assert told.count("Breakpoint 1, icmp_end ()") == 3
    status, report = run.end()
    assert status == 0, report
    assert "3 packets transmitted, 3 received" in report


def test_the_end_of_the_command_ends_the_debuggers_run(sim):
    run = sim(firmware("hello.elf"), "--", "ping -q -c 1 -W 5 -s 8 $TINY; exit 3")
    assert "exited normally" in run.debug("continue")
    assert run.end()[0] == 3


def test_kill_ends_the_command(sim):
    run = sim(firmware("hello.elf"), "--", "ping -q -c 1000 -W 5 -s 8 $TINY")
    run.debug("break icmp", "continue", "kill")
    status, report = run.end()
    assert status == 0
    assert "icmp" in report
