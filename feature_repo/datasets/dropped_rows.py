"""Rows of a log that the description leaves out, each kind counted in a note."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import polars as pl

from feature_repo.datasets.id_column import id_text, missing_ids
from feature_repo.datasets.raw_table import RawTable
from feature_repo.errors import InputError


def drop_rows(table: RawTable, patterns: Mapping[str, str], *, without_id: bool) -> tuple[RawTable, list[str]]:
    """Drop rows by the text of a cell, and rows without a user or an item.

    Args:
        table: raw events or impressions.
        patterns: regular expression by column of the file; a row is dropped where the
            cell holds it. `^C` are values that start with C, `^-` negative numbers.
        without_id: whether rows without a user or an item are dropped.

    Returns:
        The rows that stay, and a note for each kind of dropped rows.

    Raises:
        InputError: a column that the file lacks, a pattern that is none, or no row
            stays.
    """
    notes: list[str] = []
    for column, pattern in patterns.items():
        dropped = _matches(table, column, pattern)
        table = _keep(table, dropped, f"column {column!r} matches {pattern!r}", notes)
    if without_id:
        for key in ("user_id", "item_id"):
            dropped = missing_ids(table, id_text(table, key))
            table = _keep(table, dropped, f"column {table.columns[key]!r} has no id", notes)
    return table, notes


def _matches(table: RawTable, column: str, pattern: str) -> pl.Series:
    cells = replace(table, columns={column: column}).text(column).cast(pl.String)
    try:
        return cells.str.contains(pattern).fill_null(False)
    except pl.exceptions.ComputeError as error:
        raise InputError(f"{table.name}, drop_where: {pattern!r} is no regular expression: {error}") from error


def _keep(table: RawTable, dropped: pl.Series, why: str, notes: list[str]) -> RawTable:
    count, rows = int(dropped.sum()), table.frame.height
    if not count:
        return table
    if count == rows:
        raise InputError(f"{table.name}: {why} in all {rows:,} rows, so none stays")
    notes.append(f"{table.name}, {why}: {count:,} of {rows:,} rows ({100 * count / rows:.1f} %) dropped")
    return table.without(dropped, why)
