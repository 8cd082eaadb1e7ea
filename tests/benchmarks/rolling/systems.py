"""Systems of a round: the release as it serves, and baselines.

All are those of the cut, asked with the later past.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
import polars as pl

from feature_repo.datasets.canonical import Tables
from feature_repo.schema import CREATED_TIME, ENTITY_TIME, ITEM_ID, USER_ID, Entity
from feature_repo.tables.build import feature_tables
from orchestration.served_search import served_search
from serving.index.base import Fields
from serving.index.milvus import MilvusIndex
from serving.release.load import Release
from serving.settings import Settings
from tests.benchmarks.rolling.baskets import Round
from training.baselines import (
    Log,
    baseline_search,
    ease,
    personal_frequency,
    personal_recency,
    popularity,
    tifu_knn,
    up_cf,
    user_knn,
)
from training.retrieval.exact import MakeSearch, Scores

ASKED: Mapping[str, Callable[..., Scores]] = {
    "personal_frequency": personal_frequency,
    "personal_recency": personal_recency,
    "tifu_knn": tifu_knn,
    "up_cf": up_cf,
    "user_knn": user_knn,
    "ease": ease,
}
"""Baselines that read the user's own history."""


def baseline_searches(before: Log, of_round: Round) -> dict[str, Callable[[], MakeSearch]]:
    """Makers of the baselines' searches by name; each search takes memory.

    Args:
        before: interactions before the cut.
        of_round: the round.
    """

    def made(baseline: Callable[[], Scores]) -> MakeSearch:
        return baseline_search(baseline(), of_round.holdout.users_Q)

    scores = {name: partial(baseline, before, asked=of_round.log) for name, baseline in ASKED.items()}
    scores["popularity"] = partial(popularity, before)
    return {name: partial(made, baseline) for name, baseline in scores.items()}


def release_search(release: Release, item_ND: np.ndarray, tables: Tables, of_round: Round) -> MakeSearch:
    """Search of the release, with the users' features as of the round.

    Args:
        release: the release, whose towers and rescorer stay unchanged.
        item_ND: embeddings of the items.
        tables: canonical tables.
        of_round: the round.
    """
    users = features_at(tables, of_round.asked)
    return served_search(release.towers, users, release.embed_users(users), tables.items[ITEM_ID], item_ND)


def features_at(tables: Tables, asked: pl.DataFrame) -> pl.DataFrame:
    """Users' features known before given times, by the code of training.

    Args:
        tables: canonical tables.
        asked: user_id and event_timestamp; the rows keep their order.
    """
    snapshots = asked.select(USER_ID, ENTITY_TIME)
    features = snapshots.sort(ENTITY_TIME)
    for table in feature_tables(tables, Entity.USER, snapshots=snapshots.unique().sort(USER_ID, ENTITY_TIME)).values():
        rows = table.drop(CREATED_TIME).sort(ENTITY_TIME)
        features = features.join_asof(rows, on=ENTITY_TIME, by=USER_ID, check_sortedness=False)
    return snapshots.join(features, on=[USER_ID, ENTITY_TIME], maintain_order="left")


def item_vectors(settings: Settings, release: Release, items: pl.Series) -> np.ndarray:
    """Embeddings that the release serves: float32 [N, D], in the order of the ids.

    Args:
        settings: settings of the home.
        release: the release, from whose collection they are read.
        items: ids.
    """
    with MilvusIndex(settings, Fields.of(release.schema)) as index:
        vectors = index.vectors(release.manifest.collection, items.to_list())
    return np.stack([vectors[item] for item in items])
