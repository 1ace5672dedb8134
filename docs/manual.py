"""Writes docs/man/tinymux*.1 from the commands' own help: python docs/manual.py [FOLDER]."""

from __future__ import annotations

import inspect
import re
import sys
from pathlib import Path

import click

from tinymux.cli import commands

FOLDER = Path(__file__).with_name("man")
STATUS = """0: done. 1: an error, told in one line on standard error. 2: wrong usage.
A command that passes on another's status says so above."""


def escaped(text: str) -> str:
    r"""Text as roff sees it: no escapes, no requests, and hyphens that can be copied."""
    text = text.replace("\\", r"\e").replace("-", r"\-")
    return re.sub(r"^(?=['.])", r"\\&", text, flags=re.MULTILINE)


def prose(text: str) -> list[str]:
    r"""Paragraphs of a docstring; one that begins with \b keeps its lines, as click has it."""
    lines: list[str] = []
    for paragraph in inspect.cleandoc(text).split("\n\n"):
        if paragraph.startswith("\b"):
            lines += [".PP", ".nf", *escaped(paragraph.removeprefix("\b").strip("\n")).split("\n"), ".fi"]
        else:
            lines += [".PP", *escaped(paragraph).split("\n")]
    return lines[1:] if lines[:2] != [".PP", ".nf"] else lines


def options(context: click.Context) -> list[str]:
    """Each option with what it does and its default."""
    named = [param for param in context.command.get_params(context) if isinstance(param, click.Option)]
    lines = []
    for names, text in filter(None, (option.get_help_record(context) for option in named)):
        lines += [".TP", rf"\fB{escaped(names)}\fR", escaped(" ".join(text.split()))]
    return lines


def described(context: click.Context) -> list[str]:
    """Synopsis, description and options of one command."""
    usage = " ".join(context.command.collect_usage_pieces(context))
    return [
        rf"\fB{escaped(context.command_path)}\fR {escaped(usage)}",
        *([".PP", *prose(context.command.help)] if context.command.help else []),
        *options(context),
    ]


def page(context: click.Context, see: list[str]) -> str:
    """The manual page of a command, its own commands included."""
    command = context.command
    title = context.command_path.replace(" ", "-")
    name = escaped(command.get_short_help_str(limit=200).rstrip("."))
    lines = [
        r".\" Written by docs/manual.py from the command's help.",
        f'.TH {title.upper()} 1 2026-11-21 tinymux "User Commands"',
        ".SH NAME",
        rf"{escaped(title)} \- {name[0].lower() + name[1:]}",
        ".SH SYNOPSIS",
        rf"\fB{escaped(context.command_path)}\fR {escaped(' '.join(command.collect_usage_pieces(context)))}",
        ".SH DESCRIPTION",
        *prose(command.help or ""),
    ]
    if isinstance(command, click.Group) and context.parent is None:
        lines.append(".SH COMMANDS")
        for each, sub in command.commands.items():
            lines += [".TP", rf"\fB{title}\-{each}\fR(1)", escaped(sub.get_short_help_str(limit=200))]
    elif isinstance(command, click.Group):
        for each, sub in command.commands.items():
            lines += [f".SH {each.upper()}", *described(click.Context(sub, context, each))]
    lines += [".SH OPTIONS", *options(context), ".SH EXIT STATUS", *STATUS.split("\n")]
    lines += [".SH SEE ALSO", ",\n".join(rf"\fB{escaped(each)}\fR({section})" for each, section in see)]
    return "\n".join(lines) + "\n"


def pages() -> dict[str, str]:
    """Name and text of every page."""
    top = click.Context(commands, info_name="tinymux", **commands.context_settings)
    made = {"tinymux.1": page(top, [("tinymuxd", "8"), ("ip-netns", "8"), ("nginx", "8"), ("unshare", "1")])}
    for name, command in commands.commands.items():
        made[f"tinymux-{name}.1"] = page(click.Context(command, top, name), [("tinymux", "1"), ("tinymuxd", "8")])
    return made


if __name__ == "__main__":
    folder = Path(sys.argv[1]) if sys.argv[1:] else FOLDER
    for name, text in pages().items():
        (folder / name).write_text(text)
