"""Ready-made vectors.

Legend: N rows.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from feature_repo.encode.values import Values, padded


def vectors(values: Values[Any], name: str, dim: int) -> np.ndarray:
    """Given vectors: float32 [N, dim]; zero for a missing one.

    Args:
        values: columns of the features.
        name: name of the feature.
        dim: width of its vectors.

    Raises:
        ValueError: another width, or numbers that are not finite.
    """
    flat, lengths_N = values.lists(name)
    lengths = np.unique(lengths_N[lengths_N >= 0]).tolist()
    if lengths not in ([], [dim]):
        raise ValueError(f"vector feature {name!r}: got lengths {lengths[:3]}, wanted {dim}")
    found = padded(flat, lengths_N, dim, values.floats, np.float32)
    if not np.isfinite(found).all():
        raise ValueError(f"vector feature {name!r}: {(~np.isfinite(found)).any(axis=1).sum():,} rows are not finite")
    return found
