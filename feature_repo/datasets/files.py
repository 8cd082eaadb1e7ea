"""Readers of Parquet, CSV and plain files, without a change of their values.

A file that cannot be read raises an InputError that names it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from feature_repo.errors import InputError, bad_input

_UNREADABLE = (pl.exceptions.PolarsError, OSError, UnicodeError)
SUFFIXES = (".csv", ".parquet")
"""Suffixes of files that can be read."""


def read_table(path: Path, rows: int | None = None) -> pl.DataFrame:
    """Parquet or CSV file by its suffix; with `rows`, only its first ones."""
    if path.suffix not in SUFFIXES:
        raise InputError(f"{path}: cannot read {path.suffix or 'no suffix'!r}; wanted one of {', '.join(SUFFIXES)}")
    return read_parquet(path, rows) if path.suffix == ".parquet" else read_csv(path, rows)


def read_parquet(path: Path, rows: int | None = None) -> pl.DataFrame:
    """Parquet file; with `rows`, only its first ones."""
    _check_there(path)
    try:
        return pl.read_parquet(path, n_rows=rows)
    except _UNREADABLE as error:
        raise InputError(f"{path}: not a readable Parquet file: {error}") from error


def read_csv(path: Path, rows: int | None = None) -> pl.DataFrame:
    """UTF-8 CSV file with a header, every column as text.

    '007' so stays '007'. Blank cells are null. With `rows`, only the first ones are
    read.
    """
    _check_there(path)
    try:
        return pl.read_csv(path, infer_schema=False, null_values=[""], raise_if_empty=False, n_rows=rows)
    except _UNREADABLE as error:
        raise _undecodable(path) or InputError(f"{path}: not a readable CSV file: {error}") from error


def read_plain(path: Path, *, separator: str, columns: Sequence[str], encoding: str) -> pl.DataFrame:
    """File without a header or quotes, every column as text.

    Args:
        path: the file.
        separator: text between two columns, of any length.
        columns: names of the columns.
        encoding: encoding of the text.
    """
    _check_there(path)
    # polars splits at one byte only, so ASCII's unit separator replaces longer
    # separators.
    field_end = "\x1f"
    try:
        text = path.read_text(encoding=encoding).replace(separator, field_end)
        return pl.read_csv(
            text.encode(),
            separator=field_end,
            has_header=False,
            quote_char=None,
            new_columns=list(columns),
            infer_schema=False,
            null_values=[""],
            raise_if_empty=False,
        )
    except _UNREADABLE as error:
        raise InputError(f"{path}: not readable as text separated by {separator!r}: {error}") from error


def _check_there(path: Path) -> None:
    if not path.is_file():
        raise InputError(f"{path}: no such file")


def _undecodable(path: Path) -> InputError | None:
    """Error for text that is not UTF-8, of the column with most of it, or None."""
    # Bytes that are not UTF-8 become U+FFFD, which shows the column that holds them.
    frame = pl.read_csv(path, infer_schema=False, encoding="utf8-lossy", truncate_ragged_lines=True)
    counts = frame.select(pl.all().str.contains("\ufffd", literal=True).sum()).row(0, named=True)
    column = max(counts, key=lambda name: counts[name] or 0)
    if not counts[column]:
        return None
    bad = frame[column].filter(frame[column].str.contains("\ufffd", literal=True))
    return bad_input(path.name, column, "text that is not UTF-8; save the file as UTF-8", len(bad), bad)
