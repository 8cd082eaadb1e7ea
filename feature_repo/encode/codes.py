"""Values as codes: by a vocabulary or by hashing.

Legend: N rows, n values.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from feature_repo.encode.inputs import MISSING, RESERVED
from feature_repo.feature import Feature, Kind

FACTORISED = 1_000
"""Number of texts from which it is quicker to hash each distinct one once."""


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


def hashed(texts: np.ndarray, there_n: np.ndarray, buckets: int) -> np.ndarray:
    """Codes by hashing: int32 [n], MISSING for null, never UNKNOWN.

    A new value falls into a trained bucket. The hash is keyed and the same on every
    platform and version. [Weinberger et al., ICML 2009]

    Args:
        texts: values that are not null, as objects.
        there_n: whether each value is not null.
        buckets: number of codes.
    """
    from pandas.util import hash_array

    codes: np.ndarray = np.full(len(there_n), MISSING, np.int32)
    if len(texts):
        numbers = hash_array(texts, hash_key="gatehouse0123456", categorize=len(texts) >= FACTORISED)
        codes[there_n] = (numbers % buckets).astype(np.int32) + RESERVED
    return codes
