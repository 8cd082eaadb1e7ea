"""JSON lines as a table.

Numbers are the text that they are, lists are lists of text.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from typing import Any

import polars as pl

from feature_repo.errors import InputError


def parse_json_lines(name: str, text: str, rows: int | None = None) -> pl.DataFrame:
    """Table of one JSON object a line, or of a JSON list of objects.

    Ids of 20 digits and `12.0` stay as they are written. A key that a line leaves out
    is null; an object inside a row stays text.

    Args:
        name: file name, for errors.
        text: content.
        rows: number of first rows that are read; None for all.

    Raises:
        InputError: a line that is no JSON object.
    """
    if text.lstrip().startswith("["):
        # A list stands in one text, so its rows are counted in place of lines.
        found: Iterator[tuple[int, Any]] = enumerate(_parsed(name, 1, text), 1)
    else:
        # `splitlines` would also cut at line ends that JSON allows inside a text.
        lines = ((number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip())
        found = ((number, _parsed(name, number, line)) for number, line in lines)
    records: list[dict[str, Any]] = []
    for number, record in islice(found, rows):
        if not isinstance(record, dict):
            raise InputError(f'{name}, line {number}: wanted a JSON object such as {{"user": 1}}, got {record!r:.60}')
        records.append(record)
    columns = {column: None for record in records for column in record}
    return pl.DataFrame([_column(column, [record.get(column) for record in records]) for column in columns])


def _parsed(name: str, number: int, text: str) -> Any:
    try:
        return json.loads(text, parse_int=str, parse_float=str, parse_constant=str)
    except ValueError as error:
        raise InputError(f"{name}, line {number}: not readable as JSON: {error}; got {text[:60]!r}") from error


def _column(name: str, values: list[Any]) -> pl.Series:
    if all(value is None or isinstance(value, list) for value in values) and any(values):
        lists = [None if value is None else [_cell(each) for each in value] for value in values]
        return pl.Series(name, lists, dtype=pl.List(pl.String))
    return pl.Series(name, [_cell(value) or None for value in values], dtype=pl.String)


def _cell(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)
