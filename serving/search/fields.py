"""Filterable item fields as arrays, and the items that match a filter.

Legend: N items.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
import polars as pl

from serving.index import filters
from serving.index.base import Fields
from serving.index.filters import Comparison, Where

CACHED_BYTES, CACHED = 64_000_000, 256
"""Bounds of each of the two caches of masks: bytes, and number of masks."""
MISSING_CODE, MISSING_INTEGER = -1, -(2**63)
_OPERATORS: Mapping[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "==": np.equal,
    "!=": np.not_equal,
    "<": np.less,
    "<=": np.less_equal,
    ">": np.greater,
    ">=": np.greater_equal,
    "in": np.isin,
    "not in": lambda values_N, constants: ~np.isin(values_N, constants),
}


@dataclass(frozen=True, kw_only=True, eq=False)
class Column:
    """One field of all items. A missing value matches no comparison."""

    values_N: np.ndarray
    """Codes int32 (-1 where missing), numbers float64 (NaN), or integers int64 (-2**63)."""
    texts: tuple[str, ...] | None = None
    """Text of each code, sorted; None for numbers."""

    @classmethod
    def of(cls, values: pl.Series) -> Column:
        """Take a column of texts, floats or integers; NaN counts as missing."""
        if values.dtype == pl.String:
            codes = values.rank("dense").cast(pl.Int32) - 1
            texts = values.drop_nulls().unique().sort().to_list()
            return cls(values_N=codes.fill_null(MISSING_CODE).to_numpy(), texts=tuple(texts))
        missing = MISSING_INTEGER if values.dtype.is_integer() else np.nan
        return cls(values_N=values.fill_null(missing).to_numpy())

    def matches(self, comparison: Comparison) -> np.ndarray:
        """Whether each item matches: bool [N]."""
        if self.texts is not None:
            return self._text_matches(comparison)
        constants = np.array(comparison.values, np.float64)
        is_integer = self.values_N.dtype == np.int64
        # polars compares integers with these constants as floats, too.
        matches_N = _OPERATORS[comparison.operator](self.values_N.astype(np.float64, copy=False), constants)
        matches_N &= self.values_N != MISSING_INTEGER if is_integer else ~np.isnan(self.values_N)
        return matches_N

    def _text_matches(self, comparison: Comparison) -> np.ndarray:
        """Look each code up in a table of the texts; its last entry is for missing values."""
        if comparison.operator not in ("==", "!=", "in", "not in"):
            raise ValueError(f"{comparison.field!r} is text: wanted ==, !=, in or not in; got {comparison.operator}")
        wanted = [self._codes[text] for text in comparison.values if text in self._codes]
        is_negated = comparison.operator in ("!=", "not in")
        table = np.full(len(self._codes) + 1, is_negated)
        table[wanted] = not is_negated
        table[MISSING_CODE] = False
        return table[self.values_N]

    @cached_property
    def _codes(self) -> dict[str | float, int]:
        """Code of each text."""
        return {text: code for code, text in enumerate(self.texts or ())}


class ItemFields:
    """The filterable fields of a release's items. Masks are cached and read-only.

    Args:
        columns: a column by field name.
        items: number of items.
    """

    def __init__(self, columns: Mapping[str, Column], items: int) -> None:
        self.columns, self.items = dict(columns), items
        self._types = {name: pl.Float64() if each.texts is None else pl.String() for name, each in columns.items()}
        # A request's filter comes back as the same text; other filters share its comparisons.
        cached = max(1, min(CACHED, CACHED_BYTES // max(1, items)))
        self._of_text = lru_cache(cached)(self._parsed)
        self._of_comparison = lru_cache(cached)(self._compared)

    @classmethod
    def of(cls, items: pl.DataFrame, fields: Fields) -> ItemFields:
        """Take the filterable fields of items, in the order of the rows."""
        columns = {name: Column.of(items[name].cast(fields.types[name])) for name in sorted(fields.filterable)}
        return cls(columns, len(items))

    def matching(self, text: str | None) -> np.ndarray | None:
        """Items that match a filter, bool [N]; None without a filter.

        Raises:
            filters.FilterError: a filter that cannot be used.
        """
        return self._of_text(text) if text else None

    def matches(self, where: Where | None) -> np.ndarray | None:
        """Items that match a parsed filter, bool [N]; None without a filter.

        Raises:
            ValueError: the filter names no field of these, or compares a text by order.
        """
        return None if where is None else self._matches(where)

    def _matches(self, where: Where) -> np.ndarray:
        if isinstance(where, Comparison):
            return self._of_comparison(where)
        join = np.logical_and if where.operator == "and" else np.logical_or
        first_N, *others = (self._matches(part) for part in where.parts)
        matches_N = first_N.copy()
        for part_N in others:
            join(matches_N, part_N, out=matches_N)
        return _read_only(matches_N)

    def _parsed(self, text: str) -> np.ndarray | None:
        return self.matches(filters.parse(text, self._types))

    def _compared(self, comparison: Comparison) -> np.ndarray:
        if comparison.field not in self.columns:
            known = ", ".join(self.columns) or "(none)"
            raise ValueError(f"cannot filter by {comparison.field!r}: the filterable fields are {known}")
        return _read_only(self.columns[comparison.field].matches(comparison))


def _read_only(matches_N: np.ndarray) -> np.ndarray:
    matches_N.setflags(write=False)
    return matches_N
