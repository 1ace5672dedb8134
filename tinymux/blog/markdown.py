"""Markdown to the least HTML that a browser reads the same, and long texts cut into pieces."""

from __future__ import annotations

import re
from collections.abc import MutableMapping, Sequence
from html import escape
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict

# End tags that may be left out before what can follow them here (HTML standard, 13.1.2.4, optional tags).
OPTIONAL_END = frozenset({"p", "li", "thead", "tbody", "tr", "th", "td"})
# A value that needs no quotes (13.1.2.3).
UNQUOTED = re.compile(r"""[^\s"'=<>`]+""")
SENTENCE_END = re.compile(r"(?<=[.!?])[\"'”’)]*\s+")


class SmallRenderer(RendererHTML):
    """HTML without optional end tags, quotes and line ends."""

    def renderToken(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        """One tag."""
        token = tokens[idx]
        if token.hidden:
            return ""
        if token.nesting < 0:
            # Raw HTML may be anything, and most of it does not end a paragraph.
            raw = idx + 1 < len(tokens) and tokens[idx + 1].type == "html_block"
            return "" if token.tag in OPTIONAL_END and not raw else f"</{token.tag}>"
        return f"<{token.tag}{self.renderAttrs(token)}>"

    @staticmethod
    def renderAttrs(token: Token) -> str:
        """Attributes, quoted where they must be."""
        return "".join(f" {name}={attribute(str(value))}" for name, value in token.attrItems())

    def softbreak(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        """A line end within a paragraph."""
        return " "

    def hardbreak(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        """A line end that is meant."""
        return "<br>"

    def text(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        """Text: a quotation mark needs no escape here."""
        return escape(tokens[idx].content, quote=False)


def attribute(value: str) -> str:
    """An attribute's value as it must be written."""
    escaped = escape(value)
    return escaped if UNQUOTED.fullmatch(escaped) else f'"{escaped}"'


def _parser() -> MarkdownIt:
    return MarkdownIt("commonmark", renderer_cls=SmallRenderer).enable(["table", "strikethrough"])


class Document:
    """One post's text, to be rendered whole or in runs of its pieces.

    A piece is a block, or a sentence of a paragraph. Links defined anywhere are known everywhere.
    """

    def __init__(self, text: str) -> None:
        self._parser = _parser()
        self._references: MutableMapping[str, Any] = {}
        self.text = text
        blocks = self._parser.parse(text, self._references)
        lines = text.splitlines()
        self.pieces: list[str] = []
        for token in blocks:
            if token.level or token.nesting < 0 or not token.map:
                continue
            source = "\n".join(lines[slice(*token.map)])
            cut = SENTENCE_END.split(source) if token.type == "paragraph_open" else [source]
            # What begins a block by itself must not begin one where it was mid-sentence.
            cut = cut if all(re.match(r"\w|[\"'“‘(*_\[]", piece) for piece in cut[1:]) else [source]
            self.pieces += [*(f"{piece} " for piece in cut[:-1]), f"{cut[-1]}\n\n"]

    def html(self, start: int = 0, end: int | None = None) -> str:
        """HTML of the pieces from start to before end."""
        env = {"references": dict(self._references.get("references", {}))}
        return str(self._parser.render("".join(self.pieces[start:end]), env)).strip()
