"""Measures of the lists of a system, without a look at what is relevant.

They show what quality alone may hide: the same list for everybody, a few items that are
shown to all, or lists that moved far from those of another version.

Legend: Q users, K ranks (-1 for no item), N corpus items.
"""

from __future__ import annotations

import numpy as np

TOP_SHARE = 0.01
"""Share of the corpus whose part of all ranks is measured."""


def exposures(lists_QK: np.ndarray, items: int) -> np.ndarray:
    """Number of lists that hold each item: int64 [N].

    Args:
        lists_QK: item rows, distinct within a list; -1 for no item.
        items: size of the corpus, N.
    """
    return np.bincount(lists_QK[lists_QK >= 0], minlength=items)


def coverage(exposure_N: np.ndarray) -> float:
    """Share of the corpus that is in anybody's list."""
    return float((exposure_N > 0).mean())


def gini(exposure_N: np.ndarray) -> float:
    """Gini coefficient of the exposures: 0 for equal ones, towards 1 for few items.

    Σ (2i - N - 1) x_i / (N Σ x) over the exposures in ascending order, i from 1
    [Gini, 1912]; items that nobody gets count.
    """
    ordered_N, items = np.sort(exposure_N), len(exposure_N)
    weights_N = 2 * np.arange(1, items + 1) - items - 1
    return float(weights_N @ ordered_N / (items * ordered_N.sum()))


def top_share(exposure_N: np.ndarray, share: float = TOP_SHARE) -> float:
    """Part of all ranks that the most shown items take.

    Args:
        exposure_N: number of lists that hold each item.
        share: share of the corpus that is looked at, one item at least.
    """
    top = max(1, round(share * len(exposure_N)))
    return float(np.partition(exposure_N, -top)[-top:].sum() / exposure_N.sum())


def list_similarity(lists_QK: np.ndarray, items: int) -> float:
    """Mean overlap of two users' lists: 1 if all get the same items.

    Σ c (c - 1) / (ranks · (Q - 1)) with c lists that hold an item, which is one minus
    the mean Hamming distance of lists of K items [Zhou et al., PNAS 2010]. It does not
    depend on the size of the corpus or on the number of users.

    Args:
        lists_QK: item rows, distinct within a list; -1 for no item.
        items: size of the corpus, N.

    Returns:
        The mean overlap; NaN with fewer than two users.
    """
    count_N, users = exposures(lists_QK, items), len(lists_QK)
    if users < 2 or not count_N.any():
        return float("nan")
    return float((count_N * (count_N - 1)).sum() / (count_N.sum() * (users - 1)))


def popularity_correlation(exposure_N: np.ndarray, popularity_N: np.ndarray) -> float:
    """Spearman's rank correlation of exposure and popularity.

    Args:
        exposure_N: number of lists that hold each item.
        popularity_N: interactions with each item before the cut.

    Returns:
        The correlation; NaN if one of the two is the same for all items.
    """
    from scipy.stats import rankdata

    ranks_2N = np.stack([rankdata(exposure_N), rankdata(popularity_N)])
    if (ranks_2N.std(axis=1) == 0).any():
        return float("nan")
    return float(np.corrcoef(ranks_2N)[0, 1])


def overlap(lists_QK: np.ndarray, others_QK: np.ndarray) -> np.ndarray:
    """Share of items that two lists of each user have in common: float64 [Q].

    Args:
        lists_QK: item rows, distinct within a list; -1 for no item.
        others_QK: lists of the same users; their length may differ.

    Returns:
        Common items, of the longer list; 1 for two empty lists.

    Raises:
        ValueError: another number of users.
    """
    if len(lists_QK) != len(others_QK):
        raise ValueError(f"got lists of {len(lists_QK):,} and {len(others_QK):,} users; wanted the same users for both")
    items = max(lists_QK.max(initial=-1), others_QK.max(initial=-1)) + 1
    keys, other_keys = (_keys(each, items) for each in (lists_QK, others_QK))
    common_Q = (np.isin(keys, other_keys) & (lists_QK >= 0)).sum(axis=1)
    longer_Q = np.maximum((lists_QK >= 0).sum(axis=1), (others_QK >= 0).sum(axis=1))
    return np.where(longer_Q > 0, common_Q / np.maximum(longer_Q, 1), 1.0)


def _keys(lists_QK: np.ndarray, items: int) -> np.ndarray:
    """One number for each pair of user and item; none of an empty rank equals one of an item."""
    keys_QK = np.arange(len(lists_QK))[:, None] * items + lists_QK
    return np.where(lists_QK >= 0, keys_QK, -1)
