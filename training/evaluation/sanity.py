"""Measures of a system that show a broken model, whatever its metrics say.

Legend: V users with a list, K ranks, Q users, N corpus items, D dimensions.
"""

from __future__ import annotations

import math

import numpy as np

from training.evaluation.embeddings import duplicate_share, effective_rank, mean_cosine, unusable_share
from training.evaluation.lists import coverage, exposures, gini, list_similarity, popularity_correlation, top_share

Measures = dict[str, float | None]
"""By name; None where a measure is not defined for the data."""


def list_measures(lists_VK: np.ndarray, popularity_N: np.ndarray) -> Measures:
    """Measures of the lists of one system.

    Args:
        lists_VK: item rows, -1 for no item.
        popularity_N: interactions with each item before the cut.
    """
    items, ranks = len(popularity_N), lists_VK.shape[1]
    exposure_N = exposures(lists_VK, items)
    # Lists as long as the corpus hold the same items for everybody.
    similarity = list_similarity(lists_VK, items) if ranks < items else math.nan
    return {
        "coverage": coverage(exposure_N),
        "gini": gini(exposure_N),
        "top_share": top_share(exposure_N),
        "list_similarity": _defined(similarity),
        "popularity_correlation": _defined(popularity_correlation(exposure_N, popularity_N)),
    }


def embedding_measures(user_QD: np.ndarray, item_ND: np.ndarray) -> Measures:
    """Measures of the embeddings of users and items."""
    return {
        f"{entity}_{name}": measure(vectors)
        for entity, vectors in (("user", user_QD), ("item", item_ND))
        for name, measure in (
            ("unusable", unusable_share),
            ("cosine", mean_cosine),
            ("rank", effective_rank),
            ("duplicates", duplicate_share),
        )
    }


def _defined(value: float) -> float | None:
    return None if math.isnan(value) else value
