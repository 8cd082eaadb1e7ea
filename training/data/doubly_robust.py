"""Doubly robust labels: where looks are rare, a model of the relevance fills what clipping takes.

Legend: S answers, L items of an answer, F folds of users, N items, P impressions.
"""

from __future__ import annotations

import numpy as np

from training.data.slates import Slates

FOLDS = 5
"""Folds of users: the reward model of an impression has seen clicks of other users alone, see `item_relevance`."""


def doubly_robust(click_SL: np.ndarray, look_SL: np.ndarray, relevance_SL: np.ndarray, *, clip: float) -> np.ndarray:
    """Labels r + (c − p r) / max(p, clip): float64 [S, L].

    The mean over looks and clicks is the relevance R where p is at least `clip`, whatever r
    is, and everywhere if r = R: r + (R − r) · p / max(p, clip). c/p without r keeps only
    R · p / clip where p is below `clip`. [Oosterhuis, TOIS 2023, with the examination of
    each impression; Dudík, Langford and Li, ICML 2011]

    Args:
        click_SL: clicks c.
        look_SL: probability p of a look.
        relevance_SL: predicted relevance r, which must not know the click.
        clip: least probability that is divided by.
    """
    label_SL: np.ndarray = relevance_SL + (click_SL - look_SL * relevance_SL) / np.maximum(look_SL, clip)
    return label_SL


def item_relevance(slates: Slates, look_SL: np.ndarray, user_S: np.ndarray, *, prior: float) -> np.ndarray:
    """Clicks a look of each impression's item, among the users of other folds: float64 [S, L].

    Only the clicks are those of other users: the probability of a look is estimated from
    the whole log, each impression's own click among it. One number for each position, it
    knows little of any one click.

    Args:
        slates: the log.
        look_SL: probability of a look; not a number where it is not known.
        user_S: user of each answer, by any numbering: it does not change the folds.
        prior: looks at the mean of all items that each item has beside its own.

    Raises:
        ValueError: fewer users than folds.
    """
    fold_S = _folds(user_S)
    known_SL = ~np.isnan(look_SL)
    items = int(slates.item_SL.max(initial=0)) + 1
    cell_P = (fold_S[:, None] * items + slates.item_SL)[known_SL]
    click_FN, look_FN = (
        np.bincount(cell_P, value_SL[known_SL], minlength=FOLDS * items).reshape(FOLDS, items)
        for value_SL in (slates.click_SL, look_SL)
    )
    others_FN, looks_FN = (each_FN.sum(axis=0) - each_FN for each_FN in (click_FN, look_FN))
    mean_F1 = others_FN.sum(axis=1, keepdims=True) / np.maximum(looks_FN.sum(axis=1, keepdims=True), 1e-9)
    rate_FN = (others_FN + prior * mean_F1) / (looks_FN + prior)
    relevance_SL: np.ndarray = np.minimum(rate_FN, 1)[fold_S[:, None], np.maximum(slates.item_SL, 0)]
    return relevance_SL


def _folds(user_S: np.ndarray) -> np.ndarray:
    """Fold of each answer, that of its user; users count by their first answer in the log."""
    _, first_U, row_S = np.unique(user_S, return_index=True, return_inverse=True)
    if len(first_U) < FOLDS:
        raise ValueError(
            f"doubly robust labels predict relevance from the clicks of other users in {FOLDS} folds, and the log has "
            f"{len(first_U)} users: wanted at least {FOLDS}; bring more users, or use InverseExamination()"
        )
    place_U = first_U.argsort().argsort()
    fold_U = np.random.default_rng(0).permutation(len(first_U)) % FOLDS
    fold_S: np.ndarray = fold_U[place_U][row_S]
    return fold_S
