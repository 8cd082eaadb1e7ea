"""Measures of embeddings that show whether they collapsed.

Legend: N vectors, D dimensions.
"""

from __future__ import annotations

import numpy as np


def unusable_share(vectors_ND: np.ndarray) -> float:
    """Share of vectors that no search can use: not finite, or of length 0."""
    usable_N = np.isfinite(vectors_ND).all(axis=1) & vectors_ND.any(axis=1)
    return float(1 - usable_N.mean())


def mean_cosine(vectors_ND: np.ndarray) -> float:
    """Mean cosine of two different vectors: 1 if all point the same way, 0 if spread evenly.

    Exact in one pass: (|Σ u|² - N) / (N (N - 1)) with u the vectors at length 1.

    Returns:
        The mean; NaN with fewer than two vectors, or for a vector that is unusable.
    """
    count = len(vectors_ND)
    if count < 2:
        return float("nan")
    wide_ND = vectors_ND.astype(np.float64)
    with np.errstate(invalid="ignore"):
        sum_D = (wide_ND / np.linalg.norm(wide_ND, axis=1, keepdims=True)).sum(axis=0)
        return float((sum_D @ sum_D - count) / (count * (count - 1)))


def effective_rank(vectors_ND: np.ndarray) -> float:
    """Number of dimensions that the vectors use, from 1 to D.

    exp of the entropy of the singular values, as shares of their sum [Roy and
    Vetterli, EUSIPCO 2007; as a measure of collapse: Garrido et al., ICML 2023].

    Returns:
        The rank; NaN for vectors that are not finite, or all 0.
    """
    wide_ND = vectors_ND.astype(np.float64)
    if not np.isfinite(wide_ND).all() or not wide_ND.any():
        return float("nan")
    # The squares of the singular values are the eigenvalues of a matrix of D x D. Below
    # 0 there are only errors of rounding.
    values_D = np.sqrt(np.maximum(np.linalg.eigvalsh(wide_ND.T @ wide_ND), 0.0))
    shares = values_D[values_D > values_D.max() * 1e-7] / values_D.sum()
    return float(np.exp(-(shares * np.log(shares)).sum()))


def duplicate_share(vectors_ND: np.ndarray) -> float:
    """Share of vectors that equal another one, bit by bit.

    Items without interactions have equal vectors where they have equal features.
    """
    rows = np.ascontiguousarray(vectors_ND).view(np.dtype((np.void, vectors_ND.itemsize * vectors_ND.shape[1])))
    _, counts = np.unique(rows.ravel(), return_counts=True)
    return float(counts[counts > 1].sum() / max(len(vectors_ND), 1))
