"""The history of a user, and why items are recommended: their nearest items in it.

The reason is a cosine of two item vectors. It describes what the towers have learned of
the items, and is not the score: that compares an item with the user's vector.

Legend: N items, H items of the history, D dimensions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np

from feature_repo.schema import Kind, View
from feature_repo.store.online_rows import OnlineRows
from feature_repo.tables.user_history import PARTS
from feature_repo.utc import of_microseconds
from serving.corpus import Corpus
from serving.similar import directions


@dataclass(frozen=True, kw_only=True)
class Past:
    """One item of a history."""

    item_id: str
    last: datetime
    """Time of the last interaction."""
    count: int
    """Number of interactions."""
    fields: dict[str, Any]
    """Stored fields; empty for an item that the release does not have."""


@dataclass(frozen=True)
class Near:
    """An item of the history that is near to a recommended one."""

    item_id: str
    cosine: float


def history_of(corpus: Corpus, views: Sequence[View], user: OnlineRows) -> list[Past]:
    """History of a user, the newest item first. Of several histories, the first that is declared.

    Args:
        corpus: items of the release.
        views: views of the user.
        user: features of the one user.
    """
    names = [feature.name for view in views for feature in view.features if feature.kind is Kind.HISTORY]
    if not names or not user.known_B[0]:
        return []
    items, times, counts, _ = (user.columns[f"{names[0]}_{part}"][0] or [] for part in PARTS)
    found = []
    for item_id, time, count in zip(items, times, counts, strict=True):
        (fields,) = corpus.stored(corpus.rows([item_id])) or [{}]
        found.append(Past(item_id=item_id, last=of_microseconds(time), count=count, fields=fields))
    return found


def nearest(corpus: Corpus, item_ids: Sequence[str], history: Sequence[str], k: int) -> dict[str, list[Near]]:
    """Items of a history of the highest cosine with each of some items, which is not its own reason.

    Args:
        corpus: items of the release; ids that it does not have are left out.
        item_ids: the items.
        history: ids of the history.
        k: number of reasons of an item.
    """
    rows_N, rows_H = corpus.rows(item_ids), corpus.rows(history)
    vectors_ND, vectors_HD = (directions(corpus.searcher.vectors(rows)) for rows in (rows_N, rows_H))
    cosines_NH = vectors_ND @ vectors_HD.T
    cosines_NH[rows_N[:, None] == rows_H] = -np.inf
    found = {}
    for row, cosines_H in zip(rows_N, cosines_NH, strict=True):
        best = [n for n in np.argsort(-cosines_H, kind="stable")[:k] if cosines_H[n] > -np.inf]
        found[corpus.ids[row]] = [Near(corpus.ids[rows_H[n]], float(cosines_H[n])) for n in best]
    return found
