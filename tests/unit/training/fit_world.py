"""A planted world of tastes: joined frames, and towers fitted on them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from functools import cache

import numpy as np
import polars as pl

from feature_repo.datasets.canonical import Tables
from feature_repo.schema import ENTITY_TIME, Entity
from feature_repo.tables.build import feature_tables
from feature_repo.tables.join import join_as_of
from tests.unit.training.click_log_world import shown_to
from tests.worlds import START, taste_groups
from training.data.interactions import answered, at, interactions, item_rows, query_rows
from training.fit import fit
from training.recipes import (
    MLP,
    Optimisation,
    TowerConfig,
    TrainConfig,
    Weighting,
)
from training.retrieval.exact import exact_search
from training.towers import embed
from training.untrained import Fitted

VALIDATION, CUT = START + timedelta(days=50), START + timedelta(days=57)
CONFIG = TrainConfig(
    dim=16,
    tower=TowerConfig(user=MLP(hidden=(32,)), item=MLP(hidden=(32,)), embedding_dim=4),
    weighting=Weighting(min_count=2),
    optimisation=Optimisation(batch_size=256, epochs=4, learning_rate=1e-2, embedding_rate=1e-2),
)


def joined(tables: Tables, entity: Entity, rows: pl.DataFrame) -> pl.DataFrame:
    """What the feature store would join: the newest row of each view at each moment."""
    return join_as_of(rows, feature_tables(tables, entity, (VALIDATION, CUT)), entity).sort(entity.key, ENTITY_TIME)


@cache
def frames() -> tuple[Tables, pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    tables = taste_groups()
    positives = interactions(tables.events, CUT)
    queries = joined(tables, Entity.USER, query_rows(positives, tables.users["user_id"], (VALIDATION, CUT)))
    items = joined(tables, Entity.ITEM, item_rows(positives, tables.items["item_id"], (VALIDATION, CUT)))
    return tables, queries, items, positives


@cache
def shown_frames() -> tuple[Tables, pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """The same frames where the tables have impressions: answers have snapshots of their own."""
    tables, _, items, positives = frames()
    shown = shown_to(tables)
    rows = query_rows(positives, tables.users["user_id"], (VALIDATION, CUT), answered(shown, CUT))
    tables = replace(tables, impressions=shown)
    return tables, joined(tables, Entity.USER, rows), items, positives


@cache
def fitted(seed: int = 0, config: TrainConfig = CONFIG) -> Fitted:
    tables, queries, items, positives = frames()
    return fit(
        schema=tables.schema, queries=queries, item_snapshots=items, positives=positives, events=tables.events,
        validation_start=VALIDATION, cut=CUT, config=config, seed=seed, on_epoch=lambda epoch, metrics: None,
    )  # fmt: skip


def retrieved(result: Fitted, users: pl.DataFrame, k: int = 10) -> list[list[str]]:
    corpus = at(frames()[2], CUT, week=True)
    vectors = embed(result.model.item, result.item_encoder.encode(corpus))
    search = exact_search(embed(result.model.user, result.user_encoder.encode(users)), vectors)()
    return [corpus["item_id"][ids].to_list() for ids in search(np.arange(len(users)), k)]
