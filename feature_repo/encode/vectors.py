"""Ready-made vectors.

Legend: N rows.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from feature_repo.encode.codes import padded


def vectors(name: str, values: pl.Series, dim: int) -> np.ndarray:
    """Given vectors: float32 [N, dim]; zero for a missing one.

    Args:
        name: name of the feature, for messages.
        values: the vectors.
        dim: their width.

    Raises:
        ValueError: another width, or numbers that are not finite.
    """
    lengths = values.drop_nulls().list.len().unique().sort().to_list()
    if lengths not in ([], [dim]):
        raise ValueError(f"vector feature {name!r}: got lengths {lengths[:3]}, wanted {dim}")
    found = padded(values, dim, lambda flat: flat.to_numpy(), np.float32)
    if not np.isfinite(found).all():
        raise ValueError(f"vector feature {name!r}: {(~np.isfinite(found)).any(axis=1).sum():,} rows are not finite")
    return found
