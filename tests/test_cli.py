"""The command line itself: help that teaches, errors in one line, completion; without any network."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from tinymux import cli
from tinymux.errors import TinymuxError, check

ROOT = Path(__file__).resolve().parent.parent
COMMANDS = sorted(cli.commands.commands)


def run(*arguments):
    return CliRunner().invoke(cli.commands, arguments, prog_name="tinymux")


def test_help_names_each_command_and_shows_examples():
    result = run("--help")
    assert result.exit_code == 0
    for name in COMMANDS:
        assert f"  {name} " in result.output
    assert "tinymux up " in result.output
    assert run("-h").output == result.output


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_has_help_with_an_example_and_explains_each_option(name):
    result = run(name, "--help")
    assert result.exit_code == 0
    assert f"  tinymux {name}" in result.output
    options = [p for p in cli.commands.commands[name].params if isinstance(p, click.Option)]
    assert [option.name for option in options if not option.help] == []


def test_the_version_is_told():
    result = run("--version")
    assert result.exit_code == 0
    assert result.output.startswith("tinymux ")


@pytest.mark.parametrize("arguments", [["nothing"], ["up", "--nothing"], ["up", "-o", "xml"], ["up", "extra"]])
def test_wrong_usage_ends_with_status_2(arguments):
    assert run(*arguments).exit_code == 2


def test_an_error_is_one_line_even_if_its_reason_is_not(monkeypatch, capsys):
    def fail(**_):
        raise TinymuxError("two\n  lines")

    monkeypatch.setattr(cli, "commands", fail)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 1
    assert capsys.readouterr().err == "tinymux: error: two lines\n"


def test_an_errno_from_c_becomes_an_exception_that_says_what_was_tried():
    assert check(3, "count") == 3
    with pytest.raises(TinymuxError, match="cannot open the board: No such device"):
        check(-19, "open the board")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_there_is_completion_for_each_shell(shell):
    environment = {**os.environ, "_TINYMUX_COMPLETE": f"{shell}_source"}
    line = [sys.executable, "-m", "tinymux"]
    done = subprocess.run(line, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0
    assert "_TINYMUX_COMPLETE" in done.stdout


def test_completion_knows_commands_and_options():
    environment = {
        **os.environ,
        "_TINYMUX_COMPLETE": "bash_complete",
        "COMP_WORDS": "tinymux up --net",
        "COMP_CWORD": "2",
    }
    line = [sys.executable, "-m", "tinymux"]
    done = subprocess.run(line, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)
    assert "--network" in done.stdout
    assert "--netns" in done.stdout


def test_the_docs_name_every_option():
    text = (ROOT / "docs" / "cli.md").read_text()
    for name in ("up", "demo"):
        for parameter in cli.commands.commands[name].params:
            for option in parameter.opts:
                assert option in text, option
