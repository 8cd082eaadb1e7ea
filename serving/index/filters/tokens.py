"""Tokens of a filter, and the error of every filter that cannot be used."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

MAX_LENGTH = 10_000
"""Most characters of a filter."""
SHOWN = 40
"""Characters of a filter that an error shows."""
TOKEN = re.compile(
    r"""
    (?P<space>\s+)
    | (?P<text>"(?:[^"\\]|\\.)*" | '(?:[^'\\]|\\.)*')
    | (?P<number>[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)
    | (?P<symbol>==|!=|<=|>=|<|>|[()\[\],])
    | (?P<word>[^\s"'()\[\],=!<>]+)
    """,
    re.VERBOSE | re.DOTALL,
)
ESCAPE = re.compile(r"\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|.)", re.DOTALL)
_LETTERS = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f", "v": "\v", "a": "\a"}
_ESCAPES = _LETTERS | {letter: letter for letter in "\\/\"'"}
_QUOTED = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"})


class FilterError(ValueError):
    """A filter that cannot be used.

    Args:
        text: the filter.
        at: position of the unusable part, from 0.
        problem: what was got and wanted.
    """

    def __init__(self, text: str, at: int, problem: str) -> None:
        self.position = at + 1
        """Position of the unusable part, from 1."""
        rest = text[at : at + SHOWN]
        near = f" at {rest + ('…' if len(text) > at + SHOWN else '')!r}" if rest else ""
        super().__init__(f"cannot read the filter, position {self.position:,}{near}: {problem}")


@dataclass(frozen=True)
class Token:
    """Part of a filter."""

    kind: Literal["text", "number", "symbol", "word", "end"]
    """Its kind; a word is a field, `and`, `or`, `not` or `in`."""
    value: str | float
    """Content of a text, a number, or the token as it stands."""
    at: int
    """Position, from 0."""


def tokens(text: str) -> Iterator[Token]:
    """Split a filter into tokens, the last of which is the end.

    Raises:
        FilterError: a part that is no token.
    """
    at = 0
    while at < len(text):
        match = TOKEN.match(text, at)
        if match is None:
            quote = text[at] in "\"'"
            raise FilterError(text, at, "this text has no closing quote" if quote else "wanted ==, !=, <, <=, > or >=")
        kind, part = match.lastgroup, match.group()
        if kind == "text":
            yield Token("text", _content(text, at, part[1:-1]), at)
        elif kind == "number":
            if not math.isfinite(number := float(part)):
                raise FilterError(text, at, "wanted a finite number")
            yield Token("number", number, at)
        elif kind == "symbol":
            yield Token("symbol", part, at)
        elif kind == "word":
            if not part.isidentifier():
                raise FilterError(text, at, "wanted `field operator constant`, and, or, not")
            yield Token("word", part, at)
        at = match.end()
    yield Token("end", "the end", len(text))


def quoted(value: str) -> str:
    """Text constant as filters and Milvus read it.

    Milvus knows few escapes, so that all other characters stand for themselves.
    """
    return f'"{value.translate(_QUOTED)}"'


def _content(text: str, at: int, inside: str) -> str:
    """Content of a text constant.

    Args:
        text: the filter.
        at: position of the opening quote.
        inside: what stands between the quotes.
    """

    def character(match: re.Match[str]) -> str:
        code = match.group(1)
        if code in _ESCAPES:
            return _ESCAPES[code]
        if len(code) == 1 or int(code[1:], 16) > 0x10FFFF:
            raise FilterError(text, at + 1 + match.start(), "unknown escape; a backslash itself is written \\\\")
        return chr(int(code[1:], 16))

    content = ESCAPE.sub(character, inside)
    # JSON writes an emoji as two halves, \ud83d\ude00.
    try:
        return content.encode("utf-16", "surrogatepass").decode("utf-16")
    except UnicodeDecodeError as error:
        raise FilterError(text, at, "this text holds half of a character") from error
