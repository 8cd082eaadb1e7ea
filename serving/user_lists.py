"""Lists of items for users as they were read from the online store.

Features are encoded once and users embedded once for a whole batch; the index is searched once for each filter.

Legend: Q users, K ranks, N items.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from copy import copy
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from feature_repo.encode.request import RequestEncoder
from feature_repo.schema import Entity
from feature_repo.store.online_rows import OnlineRows
from serving.corpus import Corpus
from serving.model.bundle import ModelBundle
from serving.ranking import NOTHING, Ranked, Ranker
from serving.search import Dropped

Stage = Callable[[str], AbstractContextManager[None]]
"""Context in which the named stage of an answer is timed."""


def untimed(stage: str) -> AbstractContextManager[None]:
    """Time nothing."""
    return nullcontext()


@dataclass(frozen=True, kw_only=True, eq=False)
class Asked:
    """Requests of a batch, by user."""

    k: int
    """Number of ranks, of all users."""
    times_Q: np.ndarray
    """Times of the requests in microseconds, int64."""
    filters: Sequence[str | None]
    """Filter of each user; None for all items."""
    left_out: Sequence[np.ndarray]
    """Rows of the corpus that each user must not get."""

    def groups(self, chosen_Q: np.ndarray) -> Iterator[tuple[str | None, np.ndarray]]:
        """Each filter among some users, with the positions of those that have it."""
        positions = np.flatnonzero(chosen_Q).tolist()
        for where in dict.fromkeys(self.filters[n] for n in positions):
            yield where, np.array([n for n in positions if self.filters[n] == where], np.int64)

    def dropped(self, positions: np.ndarray) -> Dropped:
        """Items that some users must not get; they are counted from 0."""
        rows = [self.left_out[n] for n in positions]
        query_P = np.repeat(np.arange(len(rows)), [len(each) for each in rows])
        return Dropped(query_P=query_P, row_P=np.concatenate([np.empty(0, np.int64), *rows]))


class UserLists:
    """Lists by one model over one corpus.

    Args:
        towers: the model.
        corpus: its items.
        withdrawn: items that nobody gets.
        stage: times stages.
    """

    def __init__(self, towers: ModelBundle, corpus: Corpus, withdrawn: Collection[str], stage: Stage = untimed) -> None:
        self.towers, self.corpus, self.stage = towers, corpus, stage
        self._ranker = Ranker.of(towers, corpus.ids, corpus.searcher.vectors)
        self._encoder = RequestEncoder(towers.user.encoder)
        self._offered_N = _offered(corpus, withdrawn)
        there = [(row, score) for id_, score in towers.popular if (row := corpus.row(id_)) is not None]
        self._popular_K = np.array([row for row, _ in there], np.int32)
        self._popularity_K = np.array([score for _, score in there], np.float32)

    def over(self, corpus: Corpus, withdrawn: Collection[str]) -> UserLists:
        """Lists over these items and further ones behind them.

        Args:
            corpus: the items.
            withdrawn: items that nobody gets.
        """
        other = copy(self)
        # No history of the model knows the further items, so the rows of its codes stay.
        other._ranker = replace(self._ranker, vectors=corpus.searcher.vectors, items=len(corpus.ids))
        other.corpus, other._offered_N = corpus, _offered(corpus, withdrawn)
        return other

    def ranked(self, users: OnlineRows, asked: Asked) -> Ranked:
        """Rank the corpus for each user; strangers get the items that are best for everybody.

        Args:
            users: users as read.
            asked: what each is asked for.

        Raises:
            FilterError: a filter cannot be used.
        """
        k = min(asked.k, len(self.corpus.ids))
        rows_QK = np.full((len(users.ids), k), NOTHING, np.int32)
        scores_QK = np.full((len(users.ids), k), -np.inf, np.float32)
        for positions, found in (*self._known(users, asked, k), *self._strangers(users, asked, k)):
            width = found.rows_QK.shape[1]
            rows_QK[positions, :width], scores_QK[positions, :width] = found.rows_QK, found.scores_QK
        return Ranked(rows_QK=rows_QK, scores_QK=scores_QK)

    def _known(self, users: OnlineRows, asked: Asked, k: int) -> Iterator[tuple[np.ndarray, Ranked]]:
        """Lists of users of whom something is known, filter by filter."""
        known = np.flatnonzero(users.known_B)
        if not len(known):
            return
        with self.stage("encode"):
            read = users if len(known) == len(users.ids) else users.take(known.tolist())
            key = {Entity.USER.key: read.ids}
            arrays = self._encoder.encode(key | read.columns, asked.times_Q[known])
        with self.stage("tower"):
            user_QD = self.towers.user.program.in_parts(arrays)
        for where, positions in asked.groups(users.known_B):
            own = np.searchsorted(known, positions)
            allowed_N = self._allowed(where)
            with self.stage("rank"):
                ranked = self._ranker.rank(
                    {name: array[own] for name, array in arrays.items()},
                    user_QD[own],
                    k,
                    partial(self._found, allowed_N),
                    allowed_N=allowed_N,
                    dropped=asked.dropped(positions),
                )
            yield positions, ranked

    def _found(self, allowed_N: np.ndarray, user_QD: np.ndarray, depth: int, dropped: Dropped) -> Ranked:
        with self.stage("search"):
            rows_QK, scores_QK = self.corpus.searcher.search(user_QD, depth, allowed_N, dropped)
        return Ranked(rows_QK=rows_QK, scores_QK=scores_QK)

    def _strangers(self, users: OnlineRows, asked: Asked, k: int) -> Iterator[tuple[np.ndarray, Ranked]]:
        """Lists of users of whom nothing is known, one by one."""
        for where, positions in asked.groups(~users.known_B):
            offered_K = self._allowed(where)[self._popular_K]
            for position in positions:
                left_K = offered_K & ~np.isin(self._popular_K, asked.left_out[position])
                first = np.flatnonzero(left_K)[:k]
                yield (
                    np.array([position]),
                    Ranked(rows_QK=self._popular_K[None, first], scores_QK=self._popularity_K[None, first]),
                )

    def _allowed(self, where: str | None) -> np.ndarray:
        """Items that a filter allows and that are offered: bool [N]."""
        matches_N = self.corpus.matches(where)
        return self._offered_N if matches_N is None else self._offered_N & matches_N


def _offered(corpus: Corpus, withdrawn: Collection[str]) -> np.ndarray:
    """Items that are offered: bool [N]."""
    offered_N = np.ones(len(corpus.ids), bool)
    offered_N[corpus.rows(withdrawn)] = False
    return offered_N
