"""Recommendations from one release: online features, user tower, index search.

With a repeat head, where seen items may return, the items of the user's history are scored exactly, and these scores
replace those of the index. With a reranker, the best candidates of the index are scored again, and all others follow
them in the order of the index.

Legend: Q users, K items each, D dimensions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import numpy as np
import polars as pl

from feature_repo.encode import asked_at
from feature_repo.schema import ENTITY_TIME, ITEM_ID, USER_ID, Entity
from feature_repo.utc import present_time
from serving.index.base import ItemIndex
from serving.model.rescorer import PAIRS, QUERY, SCORED, Rescorer
from serving.release.load import Release, check_collection
from serving.request_time import RequestTime

TWO_TOWER, POPULAR = "two_tower", "popular"
USERS_AT_ONCE = 256
POPULAR_AT_ONCE = 1_000
RESULT = {
    USER_ID: pl.String,
    "rank": pl.Int64,
    ITEM_ID: pl.String,
    "score": pl.Float64,
    "source": pl.String,
    "version": pl.Int64,
}
AS_OF = "features_as_of"
"""Column of the answers to many users: moment that their features stand for."""


class OnlineFeatures(Protocol):
    """The methods of `feature_repo.store.store.Store` that retrieval needs."""

    def known(self, entity: Entity) -> list[str]:
        """List the ids of an entity."""

    def read_online(self, entity: Entity, ids: Sequence[str]) -> pl.DataFrame:
        """Read the newest features, one row for each id; null where an id is unknown."""

    def seen_items(self, ids: Sequence[str]) -> pl.DataFrame:
        """Read all items that users have seen: user_id, item_id."""

    def withdrawn_items(self) -> list[str]:
        """List the items that are not in the newest data."""

    def loaded_until(self, entity: Entity) -> datetime | None:
        """Find the time that the online rows stand for; None before the first load."""


@dataclass(frozen=True, kw_only=True)
class Recommended:
    """One item of an answer."""

    item_id: str
    score: float
    """Cosine of user and item, or the re-scorer's score (source two_tower); the item's count or prior (source
    popular)."""
    fields: dict[str, Any]
    """Stored fields by name."""


@dataclass(frozen=True, kw_only=True)
class Recommendations:
    """The answer to one user."""

    user_id: str
    version: int
    """The release that answered."""
    source: str
    """Source of the items: two_tower, or popular for an unknown user."""
    items: tuple[Recommended, ...]
    notes: tuple[str, ...] = ()
    """Remarks on the answer, such as fewer items than wanted."""
    features_as_of: datetime | None = None
    """Time of the last load of the online features, naive UTC, which may be long after the user's last event."""


class Retriever:
    """Retrieval from one release.

    ReleaseError if its collection is not the one that was judged.
    """

    def __init__(self, release: Release, store: OnlineFeatures, index: ItemIndex) -> None:
        check_collection(index, release.manifest)
        self.release = release
        self._store = store
        self._index = index
        self._collection = release.manifest.collection
        self._withdrawn = set(store.withdrawn_items())

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
        as_of = self._store.loaded_until(Entity.USER)  # before the features: these are as new, or newer
        users = self._store.read_online(Entity.USER, [user_id])
        time = _time(at, as_of, users)
        source = POPULAR if users[ENTITY_TIME].null_count() else TWO_TOWER
        rows = self._answer(users, k, where, time.moment)
        fields = self._index.fetch(self._collection, rows[ITEM_ID].to_list())
        items = tuple(
            Recommended(item_id=id_, score=score, fields=fields[id_])
            for id_, score in rows.select(ITEM_ID, "score").iter_rows()
        )
        version = self.release.manifest.version
        notes = self._notes(source, len(items), k)
        notes += (time.note,) if time.note and source == TWO_TOWER else ()
        return Recommendations(
            user_id=user_id, version=version, source=source, items=items, notes=notes, features_as_of=as_of
        )

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
        users = (self._store.read_online(Entity.USER, batch) for batch in batches)
        rows = [self._answer(each, k, where, _time(at, as_of, each).moment) for each in users]
        return pl.concat([pl.DataFrame(schema=RESULT), *rows]).with_columns(
            pl.lit(as_of, pl.Datetime("us")).alias(AS_OF)
        )

    def _answer(self, users: pl.DataFrame, k: int, where: str | None, moment: datetime) -> pl.DataFrame:
        """Answer users as read from the online store: rows as RESULT, in their order."""
        if k < 1:
            raise ValueError(f"k is {k:,}, wanted at least 1")
        is_known = pl.col(ENTITY_TIME).is_not_null()
        known, unknown = users.filter(is_known), users.filter(~is_known)
        parts = [self._two_tower(asked_at(known, moment), k, where)] if len(known) else []
        parts += [self._popular(unknown, k, where)] if len(unknown) else []
        rows = pl.concat(parts).with_columns(version=pl.lit(self.release.manifest.version, dtype=pl.Int64))
        return users.select(USER_ID).join(rows, on=USER_ID, maintain_order="left_right").select(*RESULT)

    def _two_tower(self, users: pl.DataFrame, k: int, where: str | None) -> pl.DataFrame:
        """Answer known users by the index and the re-scorer."""
        rescorer, user_QD = self.release.rescorer, self.release.embed_users(users)
        if rescorer is None:
            rows = self._found(user_QD, self._seen(users), k, where)
        elif rescorer.candidates:
            rows = self._reranked(rescorer, users, user_QD, k, where)
        else:
            rows = self._merged(rescorer, users, user_QD, k, where)
        rows = _ranked(rows).filter(pl.col("rank") <= k)
        rows = rows.with_columns(pl.lit(users[USER_ID]).gather(QUERY), source=pl.lit(TWO_TOWER))
        return rows.select(USER_ID, "rank", ITEM_ID, "score", "source")

    def _found(self, user_QD: np.ndarray, dropped: pl.DataFrame, number: int, where: str | None) -> pl.DataFrame:
        """Search the index, deep enough to leave out `dropped` (query, item_id): SCORED."""
        longest = int(dropped.group_by(QUERY).len()["len"].max() or 0)  # type: ignore[arg-type]
        wanted = min(number + longest + len(self._withdrawn), self.release.manifest.item_count)
        hits = self._index.search(self._collection, user_QD, wanted, where)
        lengths = [len(ids) for ids in hits.ids]
        items = [id_ for ids in hits.ids for id_ in ids]
        scores = np.concatenate(hits.scores).astype(np.float64)
        found = pl.DataFrame({QUERY: np.arange(len(lengths)).repeat(lengths), ITEM_ID: items, "score": scores}, SCORED)
        found = found.filter(~pl.col(ITEM_ID).is_in(self._withdrawn))
        return _best_first(found.join(dropped, on=[QUERY, ITEM_ID], how="anti"))

    def _merged(
        self, rescorer: Rescorer, users: pl.DataFrame, user_QD: np.ndarray, k: int, where: str | None
    ) -> pl.DataFrame:
        """Merge the index's answer with the history items as the repeat head scores them.

        Rows are SCORED, best first. History items that are not in the index or do not match the filter are left out.
        """
        history, vectors = pl.DataFrame(schema=PAIRS), {}
        if self.release.schema.seen_items_may_return:
            wanted = [item for item in rescorer.history_items(users) if item not in self._withdrawn]
            vectors = self._index.vectors(self._collection, wanted, where)
            history = rescorer.positions(users, vectors)
        dropped = pl.concat([self._seen(users), history.select(QUERY, ITEM_ID)])
        rescored = rescorer.score(users, user_QD, vectors, history)
        return _best_first(pl.concat([self._found(user_QD, dropped, k, where), rescored]))

    def _reranked(
        self, rescorer: Rescorer, users: pl.DataFrame, user_QD: np.ndarray, k: int, where: str | None
    ) -> pl.DataFrame:
        """Rank candidates by the reranker, the others behind them by the index: SCORED."""
        found = _ranked(self._found(user_QD, self._seen(users), max(k, rescorer.candidates), where))
        best = found.filter(pl.col("rank") <= rescorer.candidates)
        vectors = self._index.vectors(self._collection, best[ITEM_ID].unique().to_list())
        reranked = rescorer.score(users, user_QD, vectors, best.select(QUERY, ITEM_ID, position=pl.col("rank") - 1))
        rest = found.filter(pl.col("rank") > rescorer.candidates).select(*SCORED)
        return pl.concat([_best_first(reranked), rest])

    def _seen(self, users: pl.DataFrame) -> pl.DataFrame:
        """List the items that must not return, as query and item_id."""
        if self.release.schema.seen_items_may_return:
            return pl.DataFrame(schema={QUERY: pl.Int64, ITEM_ID: pl.String})
        queries = users.select(USER_ID, pl.int_range(pl.len(), dtype=pl.Int64).alias(QUERY))
        seen = self._store.seen_items(users[USER_ID].to_list())
        return queries.join(seen, on=USER_ID).select(QUERY, ITEM_ID)

    def _popular(self, users: pl.DataFrame, k: int, where: str | None) -> pl.DataFrame:
        """Answer unknown users by the items that are best for everybody and match the filter."""
        items: list[tuple[str, float]] = []
        for start in range(0, len(self.release.popular), POPULAR_AT_ONCE):
            part = self.release.popular[start : start + POPULAR_AT_ONCE]
            stored = self._index.fetch(self._collection, [id_ for id_, _ in part], where)
            items += [(id_, float(count)) for id_, count in part if id_ in stored and id_ not in self._withdrawn]
            if len(items) >= k:
                break
        listed = pl.DataFrame(items[:k], schema={ITEM_ID: pl.String, "score": pl.Float64}, orient="row")
        ranked = listed.with_columns(rank=pl.int_range(1, pl.len() + 1, dtype=pl.Int64), source=pl.lit(POPULAR))
        return users.select(USER_ID).join(ranked, how="cross").select(USER_ID, "rank", ITEM_ID, "score", "source")

    def _notes(self, source: str, found: int, k: int) -> tuple[str, ...]:
        notes = []
        if source == POPULAR:
            notes.append("nothing is known of this user: these are the most popular items")
        if k > self.release.manifest.item_count:
            notes.append(f"{k:,} items were asked for, the corpus has {self.release.manifest.item_count:,}")
        elif found < k:
            notes.append(f"only {found:,} of {k:,} items match")
        return tuple(notes)


def _best_first(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.sort("score", ITEM_ID, descending=[True, False])


def _ranked(rows: pl.DataFrame) -> pl.DataFrame:
    """Number the rows of each query from 1, in their order."""
    return rows.with_columns(rank=pl.int_range(1, pl.len() + 1, dtype=pl.Int64).over(QUERY))


def _time(at: datetime | None, as_of: datetime | None, users: pl.DataFrame) -> RequestTime:
    """Find the moment of a request for users as read; a load since `as_of` counts."""
    newest = pl.Series([as_of, users[ENTITY_TIME].max()], dtype=pl.Datetime("us")).max()
    return RequestTime.of(at, now=present_time(), loaded=newest)  # type: ignore[arg-type]
