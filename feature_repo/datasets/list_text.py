"""Lists as text: `a|b`, `a, b`, `a;b`, `["a", "b"]`, `['a', 'b']`, `{a,b}`."""

from __future__ import annotations

import ast
import csv
import json
import re
from typing import Any

import polars as pl

SEPARATORS = ("|", ";", ",")
"""Separators that are found by themselves, the least common in prose first."""

_BRACKETS = r"(?s)^\s*(?:\[.*\]|\{.*\}|\(.*,.*\))\s*$"
_PLURAL = re.compile(r"genre|tag|categories|keyword|topic|interest|skill|ingredient|actor|author|artist|label", re.I)
_UNQUOTED = re.compile(r"['\"]\s+['\"]")
_WORDS = 2.5


def split_lists(text: pl.Series, separator: str | None = None) -> pl.Series:
    """Lists of the values of each cell, without blanks; null stays null.

    Args:
        text: the cells.
        separator: separator of cells without brackets; None finds it in the column.
    """
    bracketed = text.str.contains(_BRACKETS).fill_null(False)
    lists = text.str.split(separator or find_separator(text.filter(~bracketed)) or SEPARATORS[0])
    if bracketed.any():
        # Lists repeat over rows, so each is parsed once.
        cells = text.filter(bracketed).unique()
        parsed = pl.DataFrame({"cell": cells, "values": [_parse(cell) for cell in cells]})
        found = text.to_frame("cell").join(parsed, on="cell", how="left", maintain_order="left")["values"]
        lists = found.zip_with(bracketed, lists)
    stripped = lists.list.eval(pl.element().str.strip_chars())
    return stripped.list.eval(pl.element().filter(pl.element() != "")).alias(text.name)


def find_separator(text: pl.Series) -> str | None:
    """First of the separators that a column holds."""
    return next((each for each in SEPARATORS if text.str.contains(each, literal=True).any()), None)


def list_separator(values: pl.Series) -> str | None:
    """Separator of a column that holds lists, `[` for brackets, or None for no lists.

    Lists share their values: of genres, the same few stand in many different cells. The
    parts of a title with a comma stand in one.
    """
    cells = values.unique()
    if cells.str.contains(_BRACKETS).all():
        return "["
    named = bool(_PLURAL.search(values.name))
    for separator in SEPARATORS:
        holding = cells.str.contains(separator, literal=True)
        if not holding.any():
            continue
        parts = cells.str.split(separator).explode().str.strip_chars()
        parts = parts.filter(parts != "")
        shared, words = 1 - parts.n_unique() / len(parts), float(parts.str.count_matches(r"\S+").mean() or 0)  # type: ignore[arg-type]
        numbers = parts.cast(pl.Float64, strict=False).null_count() == 0
        if separator == "|" and (values.str.contains("|", literal=True).mean() or 0) > 0.2:  # type: ignore[operator]
            return separator
        if words <= _WORDS and (named or shared >= (0.5 if separator == "," else 0.2)) and not (numbers and not named):
            return separator
    return None


def _parse(cell: str) -> list[str]:
    """Values of a list in brackets, as JSON, Python, numpy or Postgres write it."""
    cell = cell.strip()
    if not _UNQUOTED.search(cell):
        for read in (json.loads, ast.literal_eval):
            try:
                found = read(cell)
            except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
                continue  # `{[1]}` is no set: a TypeError
            if isinstance(found, list | tuple | set):
                return [_value(each) for each in found]
    inner = cell[1:-1].replace("'", '"')
    between = " " if _UNQUOTED.search(cell) else ","
    (values,) = csv.reader([" ".join(inner.split())], delimiter=between, skipinitialspace=True)
    return values


def _value(each: Any) -> str:
    if each is None:
        return ""
    # TMDB's genres are objects with an id and a name.
    if isinstance(each, dict):
        return str(each.get("name", json.dumps(each)))
    return str(each)
