"""Recommendations from one release: online features, user tower, search, merge.

From the feature read to the answer there are arrays and no data frame; the ranking is that of `serving.ranking`.

Legend: Q users, K ranks, P items of all lists.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from copy import copy
from datetime import datetime
from typing import Protocol

import numpy as np
import polars as pl

from feature_repo.encode.moment import asked_times
from feature_repo.schema import ITEM_ID, USER_ID, Entity
from feature_repo.store.online_rows import OnlineRows
from feature_repo.store.session_rows import with_sessions
from feature_repo.utc import microseconds, of_microseconds, present_time
from serving.answer import POPULAR, TWO_TOWER, Recommendations
from serving.answer_table import AS_OF, RESULT
from serving.corpus import Corpus
from serving.index.base import Fields, ItemIndex
from serving.joined_corpus import JoinedCorpus
from serving.ranking import NOTHING, Ranked
from serving.release.load import Release, check_collection
from serving.request import Request
from serving.request_time import RequestTime
from serving.user_lists import Asked, Stage, UserLists, untimed

USERS_AT_ONCE = 256
STRANGER = "nothing is known of this user: these are the most popular items"
"""Note of an answer with popular items."""


class OnlineFeatures(Protocol):
    """The methods of `feature_repo.store.store.Store` that retrieval needs."""

    def known(self, entity: Entity) -> list[str]:
        """List the ids of an entity."""

    def read_rows(self, entity: Entity, ids: Sequence[str]) -> OnlineRows:
        """Read the newest features of some ids."""

    def seen_rows(self, ids: Sequence[str]) -> list[list[str]]:
        """Read all items that each user has seen."""

    def withdrawn_items(self) -> list[str]:
        """List the items that are not in the newest data."""

    def loaded_until(self, entity: Entity) -> datetime | None:
        """Find the time that the online rows stand for; None before the first load."""


class Retriever:
    """Retrieval from one release.

    ReleaseError if its collection is not the one that was judged.
    """

    def __init__(self, release: Release, store: OnlineFeatures, index: ItemIndex, *, stage: Stage = untimed) -> None:
        check_collection(index, release.manifest)
        self.release, self._store = release, store
        self.judged = self.corpus = Corpus.of(index, release.manifest.collection, Fields.of(release.schema))
        self._lists = UserLists(release.towers, self.corpus, store.withdrawn_items(), stage)

    def with_store(self, store: OnlineFeatures) -> Retriever:
        """Retriever of the same release and items with other online features."""
        other = copy(self)
        other._store = store
        return other

    def with_items(self, new: Corpus | None, withdrawn: Collection[str]) -> Retriever:
        """Retriever of the same release with other further items.

        Args:
            new: items that came since the release was judged; None for none.
            withdrawn: items that nobody gets, of both.
        """
        other = copy(self)
        other.corpus = JoinedCorpus.join(self.judged, new) if new else self.judged
        other._lists = self._lists.over(other.corpus, withdrawn)
        return other

    def known_users(self) -> list[str]:
        """List every user in the online features of the release, sorted."""
        return self._store.known(Entity.USER)

    def recommend(
        self, user_id: str, k: int, where: str | None = None, *, at: datetime | None = None
    ) -> Recommendations:
        """Recommend items to a user.

        A user without online features gets popular items, and a note says so. Seen items are left out, all of them,
        unless the dataset lets them return. Items that the newest data does not have are left out too.

        Args:
            user_id: the user.
            k: number of items; a k beyond the corpus gives all of it, with a note.
            where: filter, in the grammar of `serving.index.filters`; None for all items.
            at: time of the request, UTC, to which ages are counted; None for the present time, or for that of the
                newest features where the log has stopped, with a note.

        Raises:
            ValueError: k is below 1, the filter cannot be used, or the features are newer than `at`.
        """
        return self.answer([Request(user_id=user_id, k=k, where=where, at=at)])[0]

    def answer(self, requests: Sequence[Request]) -> list[Recommendations]:
        """Answer several requests together, each as `recommend` does.

        Args:
            requests: the requests; the answers are in their order.

        Raises:
            ValueError: a k is below 1, a filter cannot be used, or features are newer than a request.
        """
        if not requests:
            return []
        as_of = self._store.loaded_until(Entity.USER)  # before the features: these are as new, or newer
        users, times, ranked = self._ranked(requests, as_of)
        answers = []
        for n, (request, time) in enumerate(zip(requests, times, strict=True)):
            source = TWO_TOWER if users.known_B[n] else POPULAR
            items = self.corpus.recommended(ranked.rows_QK[n, : request.k], ranked.scores_QK[n, : request.k])
            notes = self._notes(source, len(items), request)
            answers.append(
                Recommendations(
                    user_id=request.user_id,
                    version=self.release.manifest.version,
                    source=source,
                    items=items,
                    notes=notes + ((time.note,) if time.note and source == TWO_TOWER else ()),
                    features_as_of=as_of,
                    newest_row=of_microseconds(users.times_B[n]) if users.known_B[n] else None,
                )
            )
        return answers

    def features(self, request: Request) -> OnlineRows:
        """Read the user of a request, with the session in front of the history, as `answer` does."""
        return self._read([request], self._store.loaded_until(Entity.USER))[0]

    def recommend_all(
        self, user_ids: Sequence[str], k: int, where: str | None = None, *, at: datetime | None = None
    ) -> pl.DataFrame:
        """Recommend items to many users, in batches.

        Args:
            user_ids: users; each is answered once, in this order.
            k: number of items for each user.
            where: filter; None for all items.
            at: time of all requests, as of `recommend`.

        Returns:
            Rows as RESULT: user_id, rank from 1, item_id, score, source, version; and features_as_of.
        """
        as_of = self._store.loaded_until(Entity.USER)
        ids = list(dict.fromkeys(user_ids))
        batches = [ids[start : start + USERS_AT_ONCE] for start in range(0, len(ids), USERS_AT_ONCE)]
        rows = [self._table(batch, k, where, at, as_of) for batch in batches]
        return pl.concat([pl.DataFrame(schema=RESULT), *rows]).with_columns(
            pl.lit(as_of, pl.Datetime("us")).alias(AS_OF)
        )

    def _table(
        self, ids: list[str], k: int, where: str | None, at: datetime | None, as_of: datetime | None
    ) -> pl.DataFrame:
        """Answer a batch of users as RESULT.

        Args:
            ids: the users.
            k: number of items for each.
            where: filter; None for all items.
            at: time of the requests; None for the present time.
            as_of: time of the last load of the online features.
        """
        requests = [Request(user_id=id_, k=k, where=where, at=at) for id_ in ids]
        users, _, ranked = self._ranked(requests, as_of)
        query_P, rank_P = np.nonzero(ranked.rows_QK != NOTHING)
        columns = {
            USER_ID: pl.Series(ids)[query_P],
            "rank": rank_P + 1,
            ITEM_ID: self.corpus.items[ITEM_ID][ranked.rows_QK[query_P, rank_P]],
            "score": ranked.scores_QK[query_P, rank_P],
            "source": pl.Series(np.where(users.known_B, TWO_TOWER, POPULAR))[query_P],
            "version": np.full(len(query_P), self.release.manifest.version),
        }
        return pl.DataFrame(columns).cast(RESULT)  # type: ignore[arg-type]

    def _ranked(
        self, requests: Sequence[Request], as_of: datetime | None
    ) -> tuple[OnlineRows, list[RequestTime], Ranked]:
        """Read, and rank, with lists as long as the longest that is asked for.

        Args:
            requests: the requests.
            as_of: time of the last load of the online features.
        """
        if wrong := [each.k for each in requests if each.k < 1]:
            raise ValueError(f"k is {wrong[0]:,}, wanted at least 1")
        users, times, moments_Q = self._read(requests, as_of)
        asked = Asked(
            k=max(each.k for each in requests),
            times_Q=asked_times(users.times_B, moments_Q),
            filters=[each.where for each in requests],
            left_out=self._left_out(requests),
        )
        return users, times, self._lists.ranked(users, asked)

    def _read(
        self, requests: Sequence[Request], as_of: datetime | None
    ) -> tuple[OnlineRows, list[RequestTime], np.ndarray]:
        """Read users with their sessions: their rows, and the times of the requests, also in microseconds.

        Args:
            requests: the requests.
            as_of: time of the last load of the online features.
        """
        users = self._store.read_rows(Entity.USER, [each.user_id for each in requests])
        # A load or an event since `as_of` counts, for its own user: who else is in the batch must not matter.
        newest = [
            of_microseconds(time) if known else None for time, known in zip(users.times_B, users.known_B, strict=True)
        ]
        loaded = [max((time for time in (as_of, own) if time is not None), default=None) for own in newest]
        now = present_time()
        times = [RequestTime.of(each.at, now=now, loaded=own) for each, own in zip(requests, loaded, strict=True)]
        moments_Q = np.array([microseconds(each.moment) for each in times])
        return self._with_sessions(users, requests, moments_Q), times, moments_Q

    def _with_sessions(self, users: OnlineRows, requests: Sequence[Request], moments_Q: np.ndarray) -> OnlineRows:
        """Put the items of the sessions that the release has in front of the histories."""
        # Of an item that the towers do not know, they can tell nothing.
        sessions = [[id_ for id_ in each.session if self.judged.row(id_) is not None] for each in requests]
        return with_sessions(users, self.release.schema.views_of(Entity.USER), sessions, moments_Q)

    def _left_out(self, requests: Sequence[Request]) -> list[np.ndarray]:
        """Rows of the corpus that each request must not get: what the user has seen, and what it names."""
        leaving = [each.exclude_seen or not self.release.schema.seen_items_may_return for each in requests]
        asking = [each.user_id for each, leaves in zip(requests, leaving, strict=True) if leaves]
        seen = dict(zip(asking, self._store.seen_rows(asking), strict=True)) if asking else {}
        return [
            self.corpus.rows({*each.exclude, *((*seen[each.user_id], *each.session) if leaves else ())})
            for each, leaves in zip(requests, leaving, strict=True)
        ]

    def _notes(self, source: str, found: int, request: Request) -> tuple[str, ...]:
        notes, k = [], request.k
        if source == POPULAR:
            notes.append(STRANGER)
        if odd := [id_ for id_ in request.session if self.judged.row(id_) is None]:
            notes.append(f"{len(odd):,} items of the session are not in the release, such as {odd[0]!r}")
        if k > len(self.corpus.ids):
            notes.append(f"{k:,} items were asked for, the corpus has {len(self.corpus.ids):,}")
        elif found < k:
            also = " and are not left out" if request.exclude or request.exclude_seen else ""
            notes.append(f"only {found:,} of {k:,} items match{also}")
        return tuple(notes)
