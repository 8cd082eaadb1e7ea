"""Values in Python lists, for requests of a few rows.

Legend: N rows, n values.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from types import NoneType
from typing import Any

import numpy as np
import polars as pl

from feature_repo.encode.codes import hashed
from feature_repo.encode.inputs import MISSING, RESERVED, UNKNOWN
from feature_repo.feature import Column

_LISTS: frozenset[type] = frozenset({list, tuple, NoneType})
_TYPES: dict[Column, frozenset[type]] = {
    Column.STRING: frozenset({str, NoneType}),
    Column.INT: frozenset({int, NoneType}),
    Column.FLOAT: frozenset({float, int, NoneType}),
}
_ELEMENTS = {Column.STRINGS: Column.STRING, Column.INTS: Column.INT, Column.FLOATS: Column.FLOAT}


class Codes(dict[str, dict[str | None, int]]):
    """Code of each value, by vocabulary; each dict is made at its first use.

    Args:
        vocabularies: values by name of the vocabulary.
    """

    def __init__(self, vocabularies: Mapping[str, Sequence[str]]) -> None:
        super().__init__()
        self._vocabularies = vocabularies

    def __missing__(self, name: str) -> dict[str | None, int]:
        codes: dict[str | None, int] = {value: code for code, value in enumerate(self._vocabularies[name], RESERVED)}
        codes[None] = MISSING
        self[name] = codes  # whole: another thread may read it
        return codes


@dataclass(frozen=True, eq=False)
class PythonValues:
    """`Values` of Python lists."""

    columns: Mapping[str, Sequence[Any]]
    """One value for each row, by name."""
    now_N: np.ndarray
    """Times to which ages are counted: microseconds UTC, int64."""
    codes_of: Mapping[str, Mapping[str | None, int]]
    """Code of each value, by vocabulary."""

    def column(self, name: str) -> Sequence[Any]:
        """Values of a column."""
        return self.columns[name]

    def lists(self, name: str, width: int | None = None) -> tuple[Sequence[Any], np.ndarray]:
        """Elements and lengths of the lists of a column."""
        limit = sys.maxsize if width is None else width
        kept = [each if each is None or len(each) <= limit else each[:limit] for each in self.columns[name]]
        lengths = [-1 if each is None else len(each) for each in kept]
        flat = (kept[0] or ()) if len(kept) == 1 else list(chain.from_iterable(filter(None, kept)))
        return flat, np.array(lengths, np.int64)

    def codes(self, values: Sequence[Any], vocabulary: str) -> np.ndarray:
        """Codes by the dict of the vocabulary."""
        code = self.codes_of[vocabulary].get
        return np.array([code(value, UNKNOWN) for value in values], np.int32)

    def hashes(self, values: Sequence[Any], buckets: int) -> np.ndarray:
        """Codes by hashing."""
        there_n = self.there(values)
        return hashed(np.array(values, object)[there_n], there_n, buckets)

    def floats(self, values: Sequence[Any]) -> np.ndarray:
        """Numbers; NumPy reads None as NaN."""
        return np.array(values, np.float64)

    def integers(self, values: Sequence[Any]) -> np.ndarray:
        """Whole numbers, 0 for None."""
        try:
            return np.array(values, np.int64)
        except TypeError:  # NumPy has no whole number for None
            return np.array([0 if value is None else value for value in values], np.int64)

    def there(self, values: Sequence[Any]) -> np.ndarray:
        """Whether a value is not None."""
        return np.array([value is not None for value in values], bool)

    def texts(self, name: str) -> pl.Series:
        """Texts of a column, as polars finds their words."""
        return pl.Series(name, self.columns[name], pl.String)


def refuse_other_types(name: str, values: Sequence[Any], column: Column) -> None:
    """Raise ValueError for a value that the column cannot hold.

    A number given as text would otherwise be an unknown value, and a text in place of a
    list the list of its letters.

    Args:
        name: name of the column.
        values: its values.
        column: its type.
    """
    is_list = column in _ELEMENTS
    wanted = _LISTS if is_list else _TYPES[column]
    if not wanted.issuperset(map(type, values)):
        raise ValueError(_refusal(name, values, wanted, column))
    for elements in filter(None, values) if is_list else ():
        if not _TYPES[_ELEMENTS[column]].issuperset(map(type, elements)):
            raise ValueError(_refusal(name, elements, _TYPES[_ELEMENTS[column]], column))


def _refusal(name: str, values: Sequence[Any], wanted: frozenset[type], column: Column) -> str:
    odd = next(value for value in values if type(value) not in wanted)
    return f"cannot encode: {name} has {odd!r:.80} of type {type(odd).__name__}; its column holds {column.value}"
