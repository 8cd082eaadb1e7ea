"""What users take again of what they had: the labels of the repeat term.

Legend: Q user snapshots, L places of a history, T interactions.
"""

from __future__ import annotations

import numpy as np

ROWS_AT_ONCE = 16_384


def taken_again(
    item_QL: np.ndarray,
    user_Q: np.ndarray,
    day_Q: np.ndarray,
    taken: tuple[np.ndarray, np.ndarray, np.ndarray],
    days: int,
) -> np.ndarray:
    """bool [Q, L]: whether the user takes the item at this place on one of `days` days, the snapshot's the first.

    item_QL: items by number, below 0 where none stands. user_Q, day_Q: whose snapshots, and of which day (int).
    taken: user, item, day of the interactions, [T] each; none may lie behind the end of the training part.
    """
    span = int(max(taken[2].max(), day_Q.max()) + days + 1)
    items = int(max(taken[1].max(), item_QL.max(initial=0))) + 1
    keys_T = np.sort((taken[0].astype(np.int64) * items + taken[1]) * span + taken[2])
    keys_T = np.append(keys_T, np.iinfo(np.int64).max)
    again_QL = np.empty(item_QL.shape, bool)
    for start in range(0, len(item_QL), ROWS_AT_ONCE):
        rows = slice(start, start + ROWS_AT_ONCE)
        item_qL, first_q = item_QL[rows], user_Q[rows, None].astype(np.int64) * items
        keys_qL = (first_q + item_qL) * span + day_Q[rows, None]
        next_qL = keys_T[np.searchsorted(keys_T, keys_qL)]
        again_QL[rows] = (item_qL >= 0) & (next_qL < keys_qL + days)
    return again_QL
