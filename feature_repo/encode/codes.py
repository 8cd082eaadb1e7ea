"""Values as codes: by a vocabulary or by hashing; lists cut and padded.

Legend: N rows, V vocabulary size.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import polars as pl

from feature_repo.encode.inputs import MISSING, RESERVED, UNKNOWN
from feature_repo.feature import Feature, Kind

Code = Callable[[pl.Series], np.ndarray]
"""Values [N] to codes int32 [N]."""


def vocabulary(frame: pl.DataFrame, key: str, feature: Feature) -> tuple[str, ...]:
    """Values of a feature, sorted, without those below `min_count`.

    Args:
        frame: rows of the entity.
        key: its id column; `min_count` counts distinct keys.
        feature: the feature.
    """
    values = frame[feature.name]
    if feature.min_count > 1:
        rows = frame.select(key, feature.name)
        rows = rows.explode(feature.name) if feature.kind is Kind.MULTI_VALUED else rows
        counts = rows.group_by(feature.name).agg(pl.col(key).n_unique())
        values = counts.filter(pl.col(key) >= feature.min_count)[feature.name]
    elif feature.kind is Kind.MULTI_VALUED:
        values = values.explode()
    return tuple(values.drop_nulls().unique().sort())


def lookup(values: Sequence[str]) -> pl.DataFrame:
    """`value` and `code` of a vocabulary [V]."""
    return pl.DataFrame({"value": values}, schema={"value": pl.String}).with_columns(
        code=pl.int_range(RESERVED, RESERVED + len(values), dtype=pl.Int32)
    )


def coded(values: pl.Series, known: pl.DataFrame) -> np.ndarray:
    """Codes by a vocabulary: int32 [N], MISSING for null, UNKNOWN for other values."""
    asked = values.to_frame("value")
    codes = asked.join(known, on="value", how="left", maintain_order="left")["code"].fill_null(UNKNOWN)
    return codes.set(values.is_null(), MISSING).to_numpy(writable=True)


def hashed(values: pl.Series, buckets: int) -> np.ndarray:
    """Codes by hashing: int32 [N], MISSING for null, never UNKNOWN.

    A new value falls into a trained bucket. The hash is keyed and the same on every
    platform and version. [Weinberger et al., ICML 2009]
    """
    from pandas.util import hash_array

    codes: np.ndarray = np.full(len(values), MISSING, np.int32)
    there = values.is_not_null().to_numpy()
    if there.any():
        texts = values.drop_nulls().to_numpy().astype(object)
        numbers = hash_array(texts, hash_key="gatehouse0123456", categorize=True)
        codes[there] = (numbers % buckets).astype(np.int32) + RESERVED
    return codes


def padded(lists: pl.Series, width: int, encode: Code, dtype: type = np.int32) -> np.ndarray:
    """First elements of each list, encoded, then PAD: [N, width].

    Args:
        lists: the lists; a null one is empty.
        width: elements kept.
        encode: encoder of the flat elements.
        dtype: type of the result.
    """
    kept = lists.list.head(width)
    lengths = kept.list.len().fill_null(0).to_numpy()
    result: np.ndarray = np.zeros((len(lists), width), dtype)
    if lengths.any():
        result[np.arange(width) < lengths[:, None]] = encode(kept.filter(pl.Series(lengths > 0)).explode())
    return result
