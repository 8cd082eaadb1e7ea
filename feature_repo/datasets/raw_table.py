"""Raw files with the canonical names of their columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import polars as pl

from feature_repo.datasets.number_text import Mark
from feature_repo.datasets.reading import Dropped, Reading
from feature_repo.datasets.time_text import Dates
from feature_repo.errors import InputError, bad_input

Epoch = Literal["s", "ms", "us", "ns"]
"""Unit of times that are numbers."""


@dataclass(frozen=True, kw_only=True)
class RawTable:
    """File as it was read."""

    name: str
    """Name in errors."""
    frame: pl.DataFrame
    """Content."""
    columns: Mapping[str, str]
    """Columns of the file by their canonical names."""
    separator: str | None = None
    """Separator of the values of a cell, for lists that are stored as text; None finds
    it in the column."""
    separators: Mapping[str, str] = field(default_factory=dict)
    """Separator of single columns, by canonical name."""
    epoch: Epoch | None = None
    """Unit of times that are numbers since 1970-01-01 UTC; None refuses them."""
    missing: frozenset[str] = frozenset()
    """Words for a missing value."""
    dates: Dates | None = None
    """Order of day and month in numeric dates; None for the order that a column proves."""
    decimal: Mark | None = None
    """Decimal mark of numbers that are text; None for the mark that a column proves."""
    whole_ids: bool | None = False
    """Whether ids like 12.0 are read as 12; None asks, by an error, where there are any."""
    files: tuple[str, ...] = ()
    """Files that were read; none where `name` is the only one."""
    dropped: tuple[Dropped, ...] = ()
    """Rows of the files that are not in the frame any more."""

    def without(self, rows: pl.Series, why: str) -> RawTable:
        """Table without the rows of a mask, which are counted.

        Args:
            rows: mask of the rows that are dropped.
            why: their kind in words.
        """
        count = int(rows.sum())
        if not count:
            return self
        return replace(self, frame=self.frame.filter(~rows), dropped=(*self.dropped, Dropped(count, why)))

    def reading(self) -> Reading:
        """Account of the files."""
        used = set(self.columns.values())
        return Reading(
            files=self.files or (self.name,),
            rows=self.frame.height + sum(each.rows for each in self.dropped),
            dropped=self.dropped,
            unused=tuple(name for name in self.frame.columns if name not in used),
        )

    def column(self, name: str) -> pl.Series:
        """Raw column of a canonical name.

        Raises:
            InputError: the file has no such column.
        """
        column = self.columns[name]
        if column not in self.frame.columns:
            problem = f"missing column; the file has {', '.join(self.frame.columns)}"
            raise bad_input(self.name, column, problem, self.frame.height, self.frame.columns)
        return self.frame[column]

    def known(self, name: str) -> pl.Series:
        """Raw column with nulls for the words for a missing value; bytes as text."""
        raw = self.text(name)
        if raw.dtype != pl.String or not self.missing:
            return raw
        return pl.select(pl.when(~self.means_missing(raw)).then(raw)).to_series()

    def text(self, name: str) -> pl.Series:
        """Raw column, with bytes as text: Hive and Impala leave the mark of text out."""
        raw = self.column(name)
        if raw.dtype != pl.Binary:
            return raw
        try:
            return raw.cast(pl.String)
        except pl.exceptions.PolarsError as error:
            raise self.bad(name, "bytes that are not UTF-8; wanted text", raw.is_not_null()) from error

    def means_missing(self, text: pl.Series) -> pl.Series:
        """Mask of the cells that hold a word for a missing value."""
        return text.str.strip_chars().is_in(list(self.missing)).fill_null(False)

    def bad(self, name: str, problem: str, rows: pl.Series) -> InputError:
        """Error of the rows of a mask, with their values, or row numbers for nulls.

        Args:
            name: canonical name of the column.
            problem: what was got, and what was wanted.
            rows: mask of the bad rows.
        """
        raw = self.column(name)
        where = rows.arg_true().head(3)
        values = raw.gather(where).to_list()
        shown = [f"row {row + 1}" if value is None else value for row, value in zip(where, values, strict=True)]
        return bad_input(self.name, self.columns[name], problem, int(rows.sum()), shown)

    def wrong_type(self, name: str, wanted: str) -> InputError:
        """Error of a column of another type than wanted."""
        raw = self.column(name)
        return self.bad(name, f"wrong type {raw.dtype}; wanted {wanted}", pl.repeat(True, len(raw), eager=True))
