"""Delimited text (CSV) as a table of text: every row, or an error with its line.

Two readers share the work. Text without a quote goes through pyarrow, which is fast and
refuses rows of the wrong length. Text with quotes goes through Python's csv module in
its strict form, which notices a quote that does not belong, and counts lines.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import polars as pl

from feature_repo.errors import InputError

DELIMITERS = (",", ";", "\t", "|")
"""Delimiters that are found by themselves."""

_FIELD_END = "\x1f"
"""ASCII's unit separator, in place of delimiters of several characters."""
_SAMPLE = 1 << 16
_BLOCK = 1 << 24
_ROWS_AT_ONCE = 100_000
_LONE_BACKSLASHES = re.compile(r'\\+(?!\\|")')

# Vectors and texts may be longer than the module's limit of 128 KiB.
csv.field_size_limit(1 << 30)


@dataclass(frozen=True, kw_only=True)
class TextForm:
    """Form of a text file; what is None is found in the file."""

    delimiter: str | None = None
    """Text between two cells, of any length."""
    encoding: str | None = None
    """Encoding; None for UTF-8, or UTF-16 with its mark."""
    columns: tuple[str, ...] | None = None
    """Names of the columns of a file without a header; None where it has one."""


@dataclass(frozen=True, kw_only=True)
class _Text:
    """Text of a file, in UTF-8."""

    name: str
    """Name in errors."""
    data: bytes
    """Content without a byte order mark."""
    delimiter: str
    """One character between two cells."""
    columns: tuple[str, ...] | None
    """Names of the columns; None where the first row has them."""


def parse_delimited(name: str, data: bytes, form: TextForm, rows: int | None = None) -> pl.DataFrame:
    """Table of text, blank cells as null.

    Args:
        name: file name, for errors.
        data: content in UTF-8, without a byte order mark.
        form: delimiter, and names of the columns of a file without a header.
        rows: number of first rows that are read; None for all.

    Raises:
        InputError: a row with too many or too few cells, a quote that does not belong,
            a column name that stands twice, or no header.
    """
    delimiter = form.delimiter or find_delimiter(data)
    if len(delimiter) > 1:
        data, delimiter = data.replace(delimiter.encode(), _FIELD_END.encode()), _FIELD_END
    text = _Text(name=name, data=data, delimiter=delimiter, columns=form.columns)
    if b'"' not in data and rows is None:
        try:
            return _read_unquoted(text)
        except ValueError:  # pyarrow's too
            # The reader of quoted text names the lines.
            return _read_quoted(text, rows)
    try:
        return _read_quoted(text, rows)
    except InputError:
        # `\"` for a quote inside a cell, as MySQL and Spark write it, is not valid in
        # plain CSV, so the strict reader has stopped there.
        if b'\\"' not in data:
            raise
        try:
            return _read_quoted(text, rows, escaped=True)
        except InputError:
            pass
        raise


def find_delimiter(data: bytes) -> str:
    """Delimiter of a text.

    The one that cuts its first rows into equal lengths, and the header into most cells.
    """
    sample = list(_lines(data[:_SAMPLE].decode(errors="ignore").encode()))
    # The last line may be cut.
    lines = sample[:-1] if len(data) > _SAMPLE else sample

    def fit(delimiter: str) -> tuple[bool, int]:
        widths = [len(cells) for cells in csv.reader(lines, delimiter=delimiter) if cells] or [0]
        return widths[0] > 1 and len(set(widths)) == 1, widths[0]

    return max(DELIMITERS, key=fit)


def _read_unquoted(text: _Text) -> pl.DataFrame:
    import pyarrow as pa  # a recommendation imports this module, and reads no file
    from pyarrow import csv as arrow_csv

    data = text.data.lstrip(b"\r\n")
    head = re.match(rb"[^\r\n]*", data)[0] if text.columns is None else b""  # type: ignore[index]
    names = text.columns or _names(text, next(csv.reader([head.decode()], delimiter=text.delimiter), []))
    if not data[len(head) :].strip(b"\r\n"):
        return pl.DataFrame(schema=dict.fromkeys(names, pl.String))
    table = arrow_csv.read_csv(
        pa.py_buffer(memoryview(data)[len(head) :]),
        read_options=arrow_csv.ReadOptions(column_names=list(names), block_size=_BLOCK),
        parse_options=arrow_csv.ParseOptions(delimiter=text.delimiter, quote_char=False),
        convert_options=arrow_csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=True, null_values=[""]
        ),
    )
    frame = pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame)
    return frame


def _read_quoted(text: _Text, rows: int | None, *, escaped: bool = False) -> pl.DataFrame:
    records = _records(text, escaped=escaped)
    names = text.columns or _names(text, next(records, []))
    kept, frames = islice(records, rows), []
    schema = dict.fromkeys(names, pl.String)
    while part := list(islice(kept, _ROWS_AT_ONCE)):
        columns = dict(zip(names, zip(*part, strict=True), strict=True))
        frames.append(pl.DataFrame(columns, schema=schema).with_columns(pl.all().replace("", None)))
    return pl.concat(frames, rechunk=True) if frames else pl.DataFrame(schema=schema)


def _records(text: _Text, *, escaped: bool) -> Iterator[list[str]]:
    """Rows of a text with the header, each of the same length."""
    lines = _lines(text.data)
    if escaped:
        # Only `\"` and `\\` before a quote are escapes; all other backslashes stay.
        lines = (_LONE_BACKSLASHES.sub(lambda run: run[0] * 2, line) for line in lines)
    reader = csv.reader(lines, delimiter=text.delimiter, strict=True, escapechar="\\" if escaped else None)
    width, first, wrong = len(text.columns or ()), 1, list[tuple[int, int]]()
    try:
        for cells in reader:
            last, width = reader.line_num, width or len(cells)
            if cells and len(cells) != width:
                wrong.append((first, len(cells)))
            elif cells:
                if last > first:
                    _check_one_row(text, cells, first, last)
                yield cells
            first = last + 1
    except csv.Error as error:
        where = f"line {first}" if reader.line_num <= first else f"lines {first} to {reader.line_num}"
        raise InputError(
            f"{text.name}, {where}: a quote that does not belong, or one that is never closed ({error}); a cell with "
            f'a quote, a line break or {text.delimiter!r} is written "in quotes", and a quote in it twice: ""'
        ) from error
    if wrong:
        found = "; ".join(f"line {line}: {count} cells" for line, count in wrong[:3])
        raise InputError(f"{text.name}, {found}; wanted {width} in each row ({len(wrong):,} rows are of other lengths)")


def _lines(data: bytes) -> Iterator[str]:
    """Lines with their ends, as the csv module wants them."""
    return io.TextIOWrapper(io.BytesIO(data), encoding="utf-8", newline="")


def _check_one_row(text: _Text, cells: Sequence[str], first: int, last: int) -> None:
    """Raise InputError where a cell over several lines has swallowed rows.

    An open quote and a later stray one make a valid cell of all rows between. Such a
    cell ends like a row: its last line has the columns before it, in the same shapes.
    """
    for place, cell in enumerate(cells):
        *_, end = re.split(r"[\r\n]+", cell)
        if not place or end == cell:
            continue
        before = end.split(text.delimiter)[:-1]
        if len(before) == place and [*map(_shape, before)] == [*map(_shape, cells[:place])]:
            raise InputError(
                f"{text.name}, lines {first} to {last}: one quoted cell holds what looks like rows; a quote opens in "
                f"line {first} and closes in line {last}. Remove the stray quotes, or write each of them twice"
            )


def _shape(cell: str) -> str:
    """Kinds of characters of a cell: `u016` and `x7` are of one shape."""
    return re.sub(r"\d+", "9", re.sub(r"[^\W\d_]+", "a", cell))


def _names(text: _Text, header: Sequence[str]) -> tuple[str, ...]:
    if not header:
        raise InputError(f"{text.name}: empty file: no header, no rows")
    names = tuple(name.strip() or f"column_{place + 1}" for place, name in enumerate(header))
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise InputError(f"{text.name}, line 1: {', '.join(map(repr, twice))} stands twice in the header; rename one")
    return names
