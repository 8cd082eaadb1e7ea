"""Values in a data frame, for batches of rows.

Legend: N rows, n values, V vocabulary size.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from feature_repo.encode.codes import hashed
from feature_repo.encode.inputs import MISSING, RESERVED, UNKNOWN
from feature_repo.schema import ENTITY_TIME


def lookup(values: Sequence[str]) -> pl.DataFrame:
    """`value` and `code` of a vocabulary [V]."""
    return pl.DataFrame({"value": values}, schema={"value": pl.String}).with_columns(
        code=pl.int_range(RESERVED, RESERVED + len(values), dtype=pl.Int32)
    )


@dataclass(frozen=True, eq=False)
class FrameValues:
    """`Values` of a data frame."""

    frame: pl.DataFrame
    """event_timestamp and columns of features."""
    lookups: Mapping[str, pl.DataFrame]
    """`lookup` of the vocabularies, by name."""

    @property
    def now_N(self) -> np.ndarray:
        """Times of the rows."""
        return self.frame[ENTITY_TIME].dt.epoch("us").to_numpy()

    def column(self, name: str) -> pl.Series:
        """Column of the frame."""
        return self.frame[name]

    def lists(self, name: str, width: int | None = None) -> tuple[pl.Series, np.ndarray]:
        """Elements and lengths of the lists of a column."""
        return flattened(self.frame[name], width)

    def codes(self, values: pl.Series, vocabulary: str) -> np.ndarray:
        """Codes by a join with the vocabulary."""
        found = values.to_frame("value").join(self.lookups[vocabulary], on="value", how="left", maintain_order="left")
        return found["code"].fill_null(UNKNOWN).set(values.is_null(), MISSING).to_numpy(writable=True)

    def hashes(self, values: pl.Series, buckets: int) -> np.ndarray:
        """Codes by hashing."""
        return hashed_series(values, buckets)

    def floats(self, values: pl.Series) -> np.ndarray:
        """Numbers, NaN for null."""
        return values.cast(pl.Float64).fill_null(float("nan")).to_numpy()

    def integers(self, values: pl.Series) -> np.ndarray:
        """Whole numbers, 0 for null."""
        return values.fill_null(0).to_numpy()

    def there(self, values: pl.Series) -> np.ndarray:
        """Whether a value is not null."""
        return values.is_not_null().to_numpy()

    def texts(self, name: str) -> pl.Series:
        """Texts of a column."""
        return self.frame[name]


def flattened(lists: pl.Series, width: int | None) -> tuple[pl.Series, np.ndarray]:
    """Elements of lists in a row; length of each list, -1 for null.

    Args:
        lists: the lists.
        width: elements kept of each list, the first ones; None for all.
    """
    kept = lists if width is None else lists.list.head(width)
    lengths = kept.list.len().cast(pl.Int64).fill_null(-1)
    return kept.filter(lengths > 0).explode(), lengths.to_numpy()


def hashed_series(values: pl.Series, buckets: int) -> np.ndarray:
    """Codes by hashing, see `hashed`."""
    return hashed(values.drop_nulls().to_numpy().astype(object), values.is_not_null().to_numpy(), buckets)
