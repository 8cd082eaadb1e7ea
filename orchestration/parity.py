"""Train/serve parity of a version that is not released yet.

The features of sampled users are loaded into an online store of their own, by the code
that loads the one that serves, as of the cut. They are read from there, encoded, embedded
and answered by the code of the service, and compared with the point-in-time join and the
lists that were evaluated. So the verdict can rest on it: the features that serve are
loaded after the verdict, for a later moment.

Legend: Q users of the sample, N items of the corpus, K ranks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import polars as pl

from feature_repo.datasets.canonical import Tables
from feature_repo.schema import ITEM_ID, USER_ID, Entity, Schema
from feature_repo.store.definitions import table_path
from feature_repo.store.online_rows import OnlineRows
from feature_repo.store.serving_state import seen_schema, write_seen
from feature_repo.store.sqlite_online import open_store
from feature_repo.store.store import Store
from feature_repo.utc import microseconds
from orchestration.served_search import ServedSearch
from serving.corpus import Corpus
from serving.gate.parity import Parity
from serving.model.bundle import ModelBundle
from serving.ranking import NOTHING, Ranked
from serving.search import MemorySearcher
from serving.user_lists import Asked, UserLists
from training.retrieval.exact import Mask

USERS = 100
"""Users of the sample."""
K = 20
"""Length of the lists."""
TOLERANCE = 1e-5
"""Largest difference of two scores that are the same: sums of float32 in another order."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Sample:
    """Users whose features and lists are compared."""

    asked: pl.DataFrame
    """Their features by the point-in-time join, in the order of the ids."""
    lists: Ranked
    """Their lists as evaluated, by rows of the corpus that was embedded."""

    @property
    def ids(self) -> list[str]:
        """Ids of the users."""
        return self.asked[USER_ID].to_list()


def sample_of(search: ServedSearch, asked: pl.DataFrame, mask: Mask, *, seed: int) -> Sample:
    """Draw users of an evaluation, with their lists.

    Args:
        search: search of the version.
        asked: features of all users at the cut.
        mask: items that they must not get.
        seed: random seed of the draw.
    """
    rows = np.sort(np.random.default_rng(seed).permutation(asked.height)[:USERS])
    return Sample(asked=asked[rows], lists=search.ranked(rows, K, mask))


def measure_parity(
    sample: Sample, features: Path, tables: Tables, cut: datetime, towers: ModelBundle, corpus: Corpus, items: pl.Series
) -> Parity:
    """Compare users online with the same users as they were evaluated.

    Args:
        sample: the users.
        features: folder of the feature tables.
        tables: canonical tables of the version.
        cut: moment of the evaluation.
        towers: model of the version.
        corpus: items that are served.
        items: ids of the corpus that was embedded, in the order of its rows.
    """
    with TemporaryDirectory(prefix="gatehouse-parity-") as scratch:
        seen = _load(tables, features, sample.ids, cut, Path(scratch))
        store = open_store(tables.schema, Path(scratch))
        online = store.read_rows(Entity.USER, sample.ids)
        left_out = [corpus.rows(each) for each in store.seen_rows(sample.ids)] if seen else None
    answers = _answers(online, cut, left_out, towers, corpus)
    return Parity(
        users=len(sample.ids),
        features=differing(sample.asked, online, tables.schema),
        lists=differing_lists(_frame(sample.lists, items), _frame(answers, pl.Series(corpus.ids))),
        k=K,
    )


def differing(asked: pl.DataFrame, online: OnlineRows, schema: Schema) -> dict[str, int]:
    """Users whose value online is another, by column of the user's features.

    Args:
        asked: point-in-time values.
        online: online values of the same users in the same order.
        schema: the features.
    """
    views = schema.views_of(Entity.USER)
    frame = online.frame(views)
    columns = [name for view in views for name in view.columns]
    return {name: int(asked[name].ne_missing(frame[name]).sum()) for name in columns}


def differing_lists(offline: pl.DataFrame, online: pl.DataFrame) -> int:
    """Users whose lists differ by more than the order of equal scores.

    Args:
        offline: user, item and score of each rank.
        online: likewise.
    """
    keys = ["user", ITEM_ID]
    # At the end of a list, of items of equal score either may be there.
    last = offline.group_by("user").agg(pl.col("score").min().alias("last"), pl.len())
    both = offline.join(online, on=keys, how="full", coalesce=True, suffix="_online").join(last, on="user", how="left")
    value = pl.coalesce("score_online", "last"), pl.coalesce("score", "last")
    other = both.filter(~((value[0] - value[1]).abs() <= TOLERANCE).fill_null(False))["user"]
    lengths = last.join(online.group_by("user").len("online"), on="user", how="full", coalesce=True)
    shorter = lengths.filter(pl.col("len").ne_missing(pl.col("online")))["user"]
    return int(pl.concat([other, shorter]).n_unique())


def _load(tables: Tables, features: Path, ids: list[str], cut: datetime, scratch: Path) -> bool:
    """Load the users into an online store, with what they have seen where that never returns."""
    schema, users = tables.schema, pl.Series(USER_ID, ids)
    for view in schema.views_of(Entity.USER):
        own = table_path(scratch / "tables", view)
        own.parent.mkdir(parents=True, exist_ok=True)
        some = pl.scan_parquet(table_path(features, view)).filter(pl.col(USER_ID).is_in(users.implode()))
        some.collect().write_parquet(own)
    _load_views(schema, scratch, "tables", cut)
    if schema.seen_items_may_return:
        return False
    events = tables.events.filter(pl.col(USER_ID).is_in(users.implode()))
    write_seen(events, users, cut, scratch / "seen")
    _load_views(seen_schema(schema.dataset), scratch, "seen", cut)
    return True


def _load_views(schema: Schema, home: Path, folder: str, cut: datetime) -> None:
    store = Store(schema, home)
    store.apply(home / folder, (Entity.USER,))
    store.load_online(Entity.USER, cut)


def _answers(
    online: OnlineRows, cut: datetime, left_out: list[np.ndarray] | None, towers: ModelBundle, corpus: Corpus
) -> Ranked:
    """Answer users by the code of the service, at the moment of the evaluation."""
    nothing = [np.empty(0, np.int64)] * len(online.ids)
    asked = Asked(
        k=K,
        times_Q=np.full(len(online.ids), microseconds(cut)),
        filters=[None] * len(online.ids),
        left_out=left_out or nothing,
    )
    return UserLists(towers, _exactly_searched(corpus), ()).ranked(online, asked)


def _exactly_searched(corpus: Corpus) -> Corpus:
    """Corpus without a search that may miss items: what it misses is the index recall."""
    if isinstance(corpus.searcher, MemorySearcher):
        return corpus  # exact for as many users at once
    item_ND = corpus.searcher.vectors(np.arange(len(corpus.ids)))
    return replace(corpus, searcher=MemorySearcher(list(corpus.ids), item_ND, corpus.filterable))


def _frame(ranked: Ranked, ids: pl.Series) -> pl.DataFrame:
    """User, item and score of each rank."""
    query_P, rank_P = np.nonzero(ranked.rows_QK != NOTHING)
    columns: Mapping[str, pl.Series] = {
        "user": pl.Series(query_P),
        ITEM_ID: ids.gather(ranked.rows_QK[query_P, rank_P]),
        "score": pl.Series(ranked.scores_QK[query_P, rank_P], dtype=pl.Float64),
    }
    return pl.DataFrame(columns)
