"""Parser of filters: a text becomes a tree of comparisons, or a FilterError."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from serving.index.filters.tokens import MAX_LENGTH, FilterError, Token, tokens
from serving.index.filters.tree import OPPOSITE, Comparison, Junction, Where

MAX_DEPTH = 50
"""Most parentheses and `not` around a comparison."""
_SYMBOLS = tuple(each for each in OPPOSITE if not each.endswith("in"))
_TEXT_OPERATORS = ("==", "!=", "in", "not in")
_FORM = "wanted `field operator constant`, and, or, not"


def parse(text: str, fields: Mapping[str, Any]) -> Where:
    """Tree of a filter.

    Args:
        text: the filter.
        fields: filterable fields, polars type by name.

    Raises:
        FilterError: a filter that cannot be used; it has the position.
    """
    if len(text) > MAX_LENGTH:
        raise FilterError(text, MAX_LENGTH, f"got {len(text):,} characters; at most {MAX_LENGTH:,} are read")
    return _Parser(text, fields).parse()


class _Parser:
    """Recursive descent over the tokens of one filter."""

    def __init__(self, text: str, fields: Mapping[str, Any]) -> None:
        self.text, self.fields = text, fields
        self.tokens, self.next = list(tokens(text)), 0

    def parse(self) -> Where:
        where = self._junction("or", negated=False, depth=0)
        if self._peek().kind != "end":
            raise self._error(self._peek(), _FORM)
        return where

    def _junction(self, operator: str, *, negated: bool, depth: int) -> Where:
        """Parts joined by an operator; those of `or` are joined by `and`."""

        def part() -> Where:
            if operator == "or":
                return self._junction("and", negated=negated, depth=depth)
            return self._factor(negated=negated, depth=depth)

        parts = [part()]
        while self._is_word(operator):
            self._take()
            parts.append(part())
        if len(parts) == 1:
            return parts[0]
        opposite = {"and": "or", "or": "and"}  # De Morgan
        return Junction(opposite[operator] if negated else operator, tuple(parts))

    def _factor(self, *, negated: bool, depth: int) -> Where:
        """Comparison, negation, or filter in parentheses."""
        if depth > MAX_DEPTH:
            raise self._error(self._peek(), f"at most {MAX_DEPTH} parentheses and `not` inside each other are read")
        if self._is_word("not") and not self._is_field():
            self._take()
            return self._factor(negated=not negated, depth=depth + 1)
        if self._is_symbol("("):
            self._take()
            where = self._junction("or", negated=negated, depth=depth + 1)
            self._expect(")")
            return where
        return self._comparison(negated=negated)

    def _comparison(self, *, negated: bool) -> Comparison:
        field = self._take()
        if field.kind != "word":
            raise self._error(field, _FORM)
        name, operator = str(field.value), self._operator()
        if name not in self.fields:
            known = ", ".join(sorted(self.fields)) or "(none)"
            raise self._error(field, f"cannot filter by {name!r}: the filterable fields are {known}")
        is_text = self.fields[name] == pl.String
        if is_text and operator.value not in _TEXT_OPERATORS:
            raise self._error(operator, f"{name!r} is text: wanted ==, !=, in or not in")
        values = self._list() if operator.value in ("in", "not in") else [self._constant()]
        for value in values:
            if (value.kind == "text") != is_text:
                wanted = "text in quotes" if is_text else "a number"
                raise self._error(value, f"cannot filter {name!r} by this constant: wanted {wanted}")
        found = str(operator.value)
        return Comparison(name, OPPOSITE[found] if negated else found, tuple(value.value for value in values))

    def _operator(self) -> Token:
        if self._is_word("not") and self._is_word("in", ahead=1):
            at = self._take().at
            self._take()
            return Token("word", "not in", at)
        if self._is_word("in") or self._is_symbol(*_SYMBOLS):
            return self._take()
        raise self._error(self._peek(), _FORM)

    def _list(self) -> list[Token]:
        opening = self._take()
        closing = {"[": "]", "(": ")"}.get(str(opening.value)) if opening.kind == "symbol" else None
        if closing is None:
            raise self._error(opening, "`in` takes a list, the others one constant")
        values: list[Token] = []
        while not self._is_symbol(closing):
            values.append(self._constant())
            if not self._is_symbol(closing):
                self._expect(",")
        if not values:
            raise self._error(opening, "`in` takes a list of at least one constant")
        self._take()
        return values

    def _constant(self) -> Token:
        if self._is_symbol("[", "("):
            raise self._error(self._peek(), "`in` takes a list, the others one constant")
        if self._peek().kind not in ("text", "number"):
            raise self._error(self._peek(), "wanted a constant: text in quotes, or a number")
        return self._take()

    def _is_field(self) -> bool:
        """Whether the next word is a field: an operator with its constant follows."""
        if self._is_symbol(*_SYMBOLS, ahead=1):
            return True
        ahead = 2 if self._is_word("not", ahead=1) else 1
        return self._is_word("in", ahead=ahead) and self._is_symbol("[", "(", ahead=ahead + 1)

    def _is_word(self, word: str, ahead: int = 0) -> bool:
        token = self._peek(ahead)
        return token.kind == "word" and token.value == word

    def _is_symbol(self, *symbols: str, ahead: int = 0) -> bool:
        token = self._peek(ahead)
        return token.kind == "symbol" and token.value in symbols

    def _peek(self, ahead: int = 0) -> Token:
        return self.tokens[min(self.next + ahead, len(self.tokens) - 1)]

    def _take(self) -> Token:
        token = self._peek()
        self.next += 1
        return token

    def _expect(self, symbol: str) -> None:
        if not self._is_symbol(symbol):
            raise self._error(self._peek(), f"wanted {symbol}")
        self._take()

    def _error(self, token: Token, problem: str) -> FilterError:
        return FilterError(self.text, token.at, problem)
