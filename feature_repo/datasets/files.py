"""Readers of Parquet, CSV and JSON lines, without a change of their values.

A file that cannot be read raises an InputError that names it.
"""

from __future__ import annotations

import codecs
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from feature_repo.datasets.delimited import TextForm, parse_delimited
from feature_repo.datasets.json_lines import parse_json_lines
from feature_repo.errors import InputError, bad_input

_UNREADABLE = (pl.exceptions.PolarsError, OSError, UnicodeError)
_PARQUET = (".parquet", ".pq")
_JSON = (".jsonl", ".ndjson", ".json")
_DELIMITED = (".csv", ".tsv", ".txt", ".dat", ".data")
_COMPRESSED = {".gz": "gzip", ".zst": "zstd", ".bz2": "bz2"}
SUFFIXES = (*_PARQUET, ".csv", ".tsv", *_JSON)
"""Suffixes of files that are tables."""
_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
ANY_FORM = TextForm()
"""Form of a text of which nothing is known."""


class UndecodableError(InputError):
    """Text in another encoding than the named one."""


class NotUtf8Error(InputError):
    """Text in another encoding than UTF-8, where none is named."""


def suffix_of(path: Path) -> str:
    """Suffix in lower case, without that of a compression: `.csv` of `A.CSV.gz`."""
    *_, suffix = [each.lower() for each in path.suffixes if each.lower() not in _COMPRESSED] or [""]
    return suffix


def read_table(path: Path, rows: int | None = None, form: TextForm = ANY_FORM) -> pl.DataFrame:
    """Table of a file, by its suffix.

    Args:
        path: the file.
        rows: number of first rows that are read; None for all.
        form: form of a text file.

    Raises:
        InputError: no such file, or one that cannot be read.
    """
    suffix = suffix_of(path)
    if suffix in _PARQUET:
        return read_parquet(path, rows)
    if suffix in _JSON:
        return parse_json_lines(path.name, _utf8(path, form.encoding).decode(), rows)
    if suffix in _DELIMITED:
        return read_csv(path, rows, form)
    wanted = ", ".join((*SUFFIXES, ".txt", "also compressed: .gz, .zst"))
    raise InputError(f"{path}: cannot read {suffix or 'no suffix'!r}; wanted one of {wanted}")


def read_parquet(path: Path, rows: int | None = None) -> pl.DataFrame:
    """Parquet file; with `rows`, only its first ones."""
    _check_there(path)
    try:
        return pl.read_parquet(path, n_rows=rows, hive_partitioning=False)
    except _UNREADABLE as error:
        raise InputError(f"{path}: not a readable Parquet file: {error}") from error


def read_csv(path: Path, rows: int | None = None, form: TextForm = ANY_FORM) -> pl.DataFrame:
    """Delimited text with a header, every column as text, blank cells as null.

    '007' so stays '007'.

    Args:
        path: the file.
        rows: number of first rows that are read; None for all.
        form: delimiter and encoding, where they are known.
    """
    return parse_delimited(path.name, _utf8(path, form.encoding, form), form, rows)


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


def _content(path: Path) -> bytes:
    """Content of a file, unpacked by its suffix."""
    import pyarrow as pa  # a recommendation imports this module, and reads no file

    _check_there(path)
    try:
        with pa.input_stream(str(path), compression=_COMPRESSED.get(path.suffix.lower())) as stream:
            return stream.read()
    except (*_UNREADABLE, pa.ArrowException) as error:
        raise InputError(f"{path}: cannot be read: {error}") from error


def _utf8(path: Path, encoding: str | None, form: TextForm | None = None) -> bytes:
    """Text of a file in UTF-8, without a byte order mark.

    Args:
        path: the file.
        encoding: its encoding; None for UTF-8, or UTF-16 with its mark.
        form: form of delimited text, whose columns an error can name.
    """
    data = _content(path)
    marked = next((found for mark, found in _MARKS if data.startswith(mark)), "utf-8")
    start = data[:1000]
    # In UTF-16 every other byte of a Latin text is zero; a lone one is a control character.
    if encoding is None and marked != "utf-16" and start.count(0) > len(start) / 4:
        raise InputError(f"{path.name}: zero bytes in the text: UTF-16 without a mark? Write encoding: utf-16-le")
    try:
        text = data.decode(encoding or marked)
    except LookupError as error:
        raise InputError(f"{path.name}: no encoding {encoding!r}; for example utf-8, utf-16, windows-1252") from error
    except UnicodeError as error:
        if encoding or marked == "utf-16":
            raise UndecodableError(f"{path.name}: text that is not {encoding or marked}: {error}") from error
        raise _not_utf8(path, data, error, form) from error
    return data if text.isascii() and marked == "utf-8" and not encoding else text.encode()


def _not_utf8(path: Path, data: bytes, error: UnicodeError, form: TextForm | None) -> NotUtf8Error:
    """Error for text in another encoding, of the column with most of it.

    Args:
        path: the file.
        data: its content.
        error: what the reader met.
        form: form of delimited text; None for other text.
    """
    line = data[: getattr(error, "start", 0)].count(b"\n") + 1
    problem = (
        f"text that is not UTF-8, first in line {line}; save the file as UTF-8, or name its encoding in "
        "gatehouse.yaml, for example encoding: windows-1252"
    )
    if form is None:
        return NotUtf8Error(f"{path.name}: {problem}")
    # Bytes that are not UTF-8 become U+FFFD, which shows the column that holds them.
    frame = parse_delimited(path.name, data.decode(errors="replace").encode(), form)
    odd = frame.select(pl.all().str.contains("\ufffd", literal=True).fill_null(False))
    column = max(frame.columns, key=lambda name: int(odd[name].sum()))
    bad = frame[column].filter(odd[column])
    return NotUtf8Error(bad_input(path.name, column, problem, len(bad), bad))
