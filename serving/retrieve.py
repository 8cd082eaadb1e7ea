"""Recommendations from one release: online features -> user tower -> search in the release's own collection -> filter.

Where the release has a re-scorer and seen items may return, the items of the user's history are scored exactly and
merged into the list in place of what the index says of them.

Legend: Q users, K items each, D dimensions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import polars as pl

from feature_repo.schema import ENTITY_TIME, Entity, Kind
from serving.index import ItemIndex
from serving.release import Release, check_collection
from serving.rescore import QUERY

USER, ITEM = Entity.USER.key, Entity.ITEM.key
TWO_TOWER, POPULAR = "two_tower", "popular"
USERS_PER_BATCH = 256
POPULAR_PER_CALL = 1_000
RESULT = {
    USER: pl.String,
    "rank": pl.Int64,
    ITEM: pl.String,
    "score": pl.Float64,
    "source": pl.String,
    "version": pl.Int64,
}
SCORED = {USER: pl.String, ITEM: pl.String, "score": pl.Float64}


class OnlineFeatures(Protocol):
    """The part of `feature_repo.store.Store` that retrieval needs."""

    def known(self, entity: Entity) -> list[str]: ...

    def read_online(self, entity: Entity, ids: Sequence[str]) -> pl.DataFrame: ...


@dataclass(frozen=True, kw_only=True)
class Recommended:
    """score: cosine of user and item, for re-scored items of the history with their term added (source two_tower), or
    the item's count (source popular)."""

    item_id: str
    score: float
    fields: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Recommendations:
    """The answer to one user. version: the release that gave it. notes: what the reader should know of it."""

    user_id: str
    version: int
    source: str
    items: tuple[Recommended, ...]
    notes: tuple[str, ...] = ()


class Retriever:
    """Answers from one release. Raises ReleaseError if its collection is not the one that was judged."""

    def __init__(self, release: Release, store: OnlineFeatures, index: ItemIndex) -> None:
        check_collection(index, release.manifest)
        self.release = release
        self._store = store
        self._index = index
        self._collection = release.manifest.collection

    def known_users(self) -> list[str]:
        """Every user in the feature tables that the release reads from, sorted."""
        return self._store.known(Entity.USER)

    def recommend(self, user_id: str, k: int, where: str | None = None) -> Recommendations:
        """The k best items for a user, with their display fields.

        A user without online features gets popular items, and the answer says so. `where` filters items (see
        `serving.where`); items the user has seen are left out unless the dataset lets them return, as far back as the
        stored history reaches. A k beyond the corpus gives all of it, with a note. ValueError for a k below 1, for more
        than 16,384 items searched, or for a filter that cannot be used.
        """
        users = self._store.read_online(Entity.USER, [user_id])
        source = POPULAR if users[ENTITY_TIME].null_count() else TWO_TOWER
        rows = self._answer(users, k, where)
        fields = self._index.fetch(self._collection, rows[ITEM].to_list())
        items = tuple(
            Recommended(item_id=id_, score=score, fields=fields[id_])
            for id_, score in rows.select(ITEM, "score").iter_rows()
        )
        version = self.release.manifest.version
        notes = self._notes(source, len(items), k)
        return Recommendations(user_id=user_id, version=version, source=source, items=items, notes=notes)

    def recommend_all(self, user_ids: Sequence[str], k: int, where: str | None = None) -> pl.DataFrame:
        """The k best items of each user: user_id, rank from 1, item_id, score, source, version; users as given."""
        ids = list(dict.fromkeys(user_ids))
        batches = [ids[start : start + USERS_PER_BATCH] for start in range(0, len(ids), USERS_PER_BATCH)]
        rows = [self._answer(self._store.read_online(Entity.USER, batch), k, where) for batch in batches]
        return pl.concat([pl.DataFrame(schema=RESULT), *rows])

    def _answer(self, users: pl.DataFrame, k: int, where: str | None) -> pl.DataFrame:
        """RESULT rows for users as read online, in their order."""
        if k < 1:
            raise ValueError(f"k is {k:,}, wanted at least 1")
        is_known = pl.col(ENTITY_TIME).is_not_null()
        known, unknown = users.filter(is_known), users.filter(~is_known)
        parts = [self._two_tower(known, k, where)] if len(known) else []
        parts += [self._popular(unknown, k, where)] if len(unknown) else []
        rows = pl.concat(parts).with_columns(version=pl.lit(self.release.manifest.version, dtype=pl.Int64))
        return users.select(USER).join(rows, on=USER, maintain_order="left_right").select(*RESULT)

    def _two_tower(self, users: pl.DataFrame, k: int, where: str | None) -> pl.DataFrame:
        """Search for k more than the longest history, drop what was seen, and merge in what was scored anew."""
        user_QD = self.release.embed_users(users)
        owned = self._owned(users, user_QD, where)
        dropped = pl.concat([self._seen(users), owned.select(USER, ITEM)])
        longest = int(dropped.group_by(USER).len()["len"].max() or 0)  # type: ignore[arg-type]
        wanted = min(k + longest, self.release.manifest.item_count)
        hits = self._index.search(self._collection, user_QD, wanted, where)
        lengths = [len(ids) for ids in hits.ids]
        found = pl.DataFrame(
            {
                USER: users[USER].to_numpy().repeat(lengths),
                ITEM: [id_ for ids in hits.ids for id_ in ids],
                "score": np.concatenate(hits.scores).astype(np.float64),
            },
            schema=SCORED,
        )
        rows = pl.concat([found.join(dropped, on=[USER, ITEM], how="anti"), owned])
        rows = rows.sort("score", ITEM, descending=[True, False])
        rows = rows.with_columns(rank=pl.int_range(1, pl.len() + 1, dtype=pl.Int64).over(USER))
        return rows.filter(pl.col("rank") <= k).select(USER, "rank", ITEM, "score", source=pl.lit(TWO_TOWER))

    def _owned(self, users: pl.DataFrame, user_QD: np.ndarray, where: str | None) -> pl.DataFrame:
        """user_id, item_id, score of the histories' items that may return: those in the index that match the filter."""
        rescorer = self.release.rescorer
        if rescorer is None or not self.release.schema.seen_items_may_return:
            return pl.DataFrame(schema=SCORED)
        vectors = self._index.vectors(self._collection, rescorer.owned(users), where)
        scored = rescorer.score(users, user_QD, vectors)
        return scored.select(pl.lit(users[USER]).gather(QUERY), ITEM, "score")

    def _seen(self, users: pl.DataFrame) -> pl.DataFrame:
        """user_id, item_id of what must not be shown again: nothing, or the stored histories."""
        schema = self.release.schema
        histories = [feature for feature in schema.features_of(Entity.USER) if feature.kind is Kind.HISTORY]
        pairs = [
            users.select(USER, pl.col(f"{history.name}_items").alias(ITEM)).explode(ITEM).drop_nulls()
            for history in histories
            if not schema.seen_items_may_return
        ]
        return pl.concat([pl.DataFrame(schema={USER: pl.String, ITEM: pl.String}), *pairs]).unique()

    def _popular(self, users: pl.DataFrame, k: int, where: str | None) -> pl.DataFrame:
        """The most popular items that are in the collection and match the filter, the same for every user."""
        items: list[tuple[str, float]] = []
        for start in range(0, len(self.release.popular), POPULAR_PER_CALL):
            part = self.release.popular[start : start + POPULAR_PER_CALL]
            stored = self._index.fetch(self._collection, [id_ for id_, _ in part], where)
            items += [(id_, float(count)) for id_, count in part if id_ in stored]
            if len(items) >= k:
                break
        listed = pl.DataFrame(items[:k], schema={ITEM: pl.String, "score": pl.Float64}, orient="row")
        ranked = listed.with_columns(rank=pl.int_range(1, pl.len() + 1, dtype=pl.Int64), source=pl.lit(POPULAR))
        return users.select(USER).join(ranked, how="cross").select(USER, "rank", ITEM, "score", "source")

    def _notes(self, source: str, found: int, k: int) -> tuple[str, ...]:
        notes = []
        if source == POPULAR:
            notes.append("nothing is known of this user: these are the most popular items")
        if k > self.release.manifest.item_count:
            notes.append(f"{k:,} items were asked for, the corpus has {self.release.manifest.item_count:,}")
        elif found < k:
            notes.append(f"only {found:,} of {k:,} items match")
        return tuple(notes)
