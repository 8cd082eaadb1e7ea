"""Values of rows that are to be encoded, whatever holds them.

A data frame holds those of training and of batches, Python lists those of a request. What
the arrays are made of them stands once, in `definition`; what differs is how values are
looked up and how lists are taken apart.

Legend: N rows, n values or list elements.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

import numpy as np
import polars as pl

V = TypeVar("V")
Encode = Callable[[V], np.ndarray]
"""Values [n] to numbers [n]."""


class Values(Protocol[V]):
    """Columns of N rows; V is the type of a column's values and of list elements."""

    @property
    def now_N(self) -> np.ndarray:
        """Times to which ages are counted: microseconds UTC, int64."""

    def column(self, name: str) -> V:
        """Values of a column [N]."""

    def lists(self, name: str, width: int | None = None) -> tuple[V, np.ndarray]:
        """Elements of a column's lists in a row [n]; length of each list, -1 for null [N].

        Args:
            name: name of the column.
            width: elements kept of each list, the first ones; None for all.
        """

    def codes(self, values: V, vocabulary: str) -> np.ndarray:
        """Codes by a vocabulary: int32 [n], MISSING for null, UNKNOWN for other values."""

    def hashes(self, values: V, buckets: int) -> np.ndarray:
        """Codes by hashing: int32 [n], MISSING for null."""

    def floats(self, values: V) -> np.ndarray:
        """Numbers: float64 [n], NaN for null."""

    def integers(self, values: V) -> np.ndarray:
        """Whole numbers: int64 [n], 0 for null."""

    def there(self, values: V) -> np.ndarray:
        """Whether a value is not null: bool [n]."""

    def texts(self, name: str) -> pl.Series:
        """Texts of a column [N]: rules of words are those of polars' regular expressions."""


def padded(flat: Any, lengths_N: np.ndarray, width: int, encode: Encode[Any], dtype: type = np.int32) -> np.ndarray:
    """List elements, encoded, then PAD: [N, width].

    Args:
        flat: elements of all lists, one list after the other.
        lengths_N: number of elements of each list, at most `width`.
        width: width of the result.
        encode: encoder of the elements.
        dtype: type of the result.
    """
    result: np.ndarray = np.zeros((len(lengths_N), width), dtype)
    if not len(flat):
        return result
    if len(lengths_N) == 1:  # a request of one user: quicker than by a mask
        result[0, : len(flat)] = encode(flat)
    else:
        result[np.arange(width) < lengths_N[:, None]] = encode(flat)
    return result
