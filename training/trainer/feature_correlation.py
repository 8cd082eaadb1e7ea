"""Correlation of item features.

Legend: N items, F features.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from feature_repo.encode import BUCKETS, Input, InputKind
from training.data.training_set import Arrays


def mutual_information(codes_FN: np.ndarray, *, seed: int = 0) -> np.ndarray:
    """Mutual information of features, without its bias: float64 [F, F], in nats.

    I(A; B) − I(A; B shuffled), at least 0; the diagonal is 0. Each item counts once:
    over interactions, popular items would decide which features are correlated.

    Args:
        codes_FN: one code of every feature for every item.
        seed: random seed of the shuffle.
    """
    # Counted on a sample, the information of two columns with many values is large even
    # if they are independent: log N of two ids. A shuffled column measures that bias.
    features, items = codes_FN.shape
    order = np.random.default_rng(seed).permutation(items)
    codes_FN = np.stack([np.unique(codes, return_inverse=True)[1] for codes in codes_FN])
    found_FF = np.zeros((features, features))
    for a in range(features):
        for b in range(a):
            # I(A; B) = H(A) + H(B) − H(A, B), and shuffling changes only the last.
            excess = _joint_entropy(codes_FN[a], codes_FN[b][order]) - _joint_entropy(codes_FN[a], codes_FN[b])
            found_FF[a, b] = found_FF[b, a] = max(0.0, excess)
    return found_FF


def bucketised(features: Mapping[str, Sequence[Input]], corpus: Arrays) -> np.ndarray:
    """One code of every feature for every item of the corpus: int64 [F, N].

    The code of a bag is its first element, because lists and titles begin with the most
    important one. The code of a number is its bucket. The code of a vector is its
    quantile along the direction in which items differ most.

    Args:
        features: arrays of each feature, by name.
        corpus: encoded items.
    """
    return np.stack([_codes(arrays, corpus) for arrays in features.values()])


def _codes(arrays: Sequence[Input], corpus: Arrays) -> np.ndarray:
    """Codes of one feature, from its arrays: int64 [N]."""
    for each in arrays:
        if each.kind in (InputKind.CODE, InputKind.BUCKET):
            return corpus[each.name].astype(np.int64)
        if each.kind is InputKind.BAG:
            return corpus[each.name][:, 0].astype(np.int64)
    values_NW = np.concatenate([corpus[each.name] for each in arrays], axis=1).astype(np.float64)
    centred_NW = values_NW - values_NW.mean(axis=0)
    # Eigenvalues ascend, so the last direction has the largest variance.
    _, directions_WW = np.linalg.eigh(centred_NW.T @ centred_NW)
    along_N = centred_NW @ directions_WW[:, -1]
    edges = np.unique(np.quantile(along_N, np.linspace(0, 1, BUCKETS + 1)[1:-1]))
    return np.searchsorted(edges, along_N, side="right")


def _joint_entropy(a_N: np.ndarray, b_N: np.ndarray) -> float:
    """H(A, B) of two columns of codes, in nats."""
    _, counts = np.unique(a_N * (b_N.max() + 1) + b_N, return_counts=True)
    share = counts / len(a_N)
    return float(-(share * np.log(share)).sum())
