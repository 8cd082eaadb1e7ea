"""Pooled rounds of a system: means over the baskets of a user, then over users.

Legend: V queries of one view of one round.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from training.evaluation.holdout import Holdout
from training.evaluation.result import Evaluation

PerUser = tuple[np.ndarray, np.ndarray]
"""User rows [V] of one round, and a value of each."""


def pooled(rounds: Sequence[Evaluation], holdouts: Sequence[Holdout]) -> Evaluation:
    """One evaluation of all rounds, without intervals.

    A user's value in a view is the mean over its baskets that have a relevant item
    there. per_user has it for each user with such a basket, by user row, so that
    systems of the same rounds can be paired. repeat_share is that of all lists of 20.
    """
    pairs = list(zip(rounds, holdouts, strict=True))
    names = dict.fromkeys(name for each in rounds for name in each.per_user)
    values = {
        name: user_means([_users(r, h, name, r.per_user[name]) for r, h in pairs if name in r.per_user])
        for name in names
    }
    attainable = [name for name in names if "/recall@" in name]
    lists = [each.users["all"] for each in rounds]
    return Evaluation(
        metrics={name: float(each.mean()) for name, each in values.items()},
        ceilings={name: float(user_means([_ceilings(h, name) for h in holdouts]).mean()) for name in attainable},
        repeat_share=float(np.average([each.repeat_share for each in rounds], weights=lists)),
        users={name.split("/")[0]: len(each) for name, each in values.items()},
        curves={},
        per_user=values,
    )


def user_means(rounds: Sequence[PerUser]) -> np.ndarray:
    """Mean of each user that has a value in any round, by user row."""
    user_rows, values = (np.concatenate(each) for each in zip(*rounds, strict=True))
    counts_U = np.bincount(user_rows)
    sums_U = np.bincount(user_rows, weights=values)
    means: np.ndarray = sums_U[counts_U > 0] / counts_U[counts_U > 0]
    return means


def _users(measured: Evaluation, holdout: Holdout, name: str, values: np.ndarray) -> PerUser:
    return holdout.users_Q[measured.query_rows[name.split("/")[0]]], values


def _ceilings(holdout: Holdout, name: str) -> PerUser:
    """Recall of the best possible lists, by "{view}/recall@{k}"."""
    view = holdout.views()[name.split("/")[0]]
    counts_V = np.diff(view.relevant.indptr)[view.rows_V]
    return holdout.users_Q[view.rows_V], np.minimum(counts_V, int(name.split("@")[1])) / counts_V
