"""Encoders and training set from joined frames."""

from __future__ import annotations

import numpy as np
import polars as pl

from feature_repo.encode import Encoder
from feature_repo.schema import ENTITY_TIME, ITEM_ID, USER_ID, Entity, Feature, Schema
from training.data.training_set import TrainingSet
from training.recipes import TrainConfig


def fit_encoders(
    schema: Schema, queries: pl.DataFrame, items: pl.DataFrame, positives: pl.DataFrame, config: TrainConfig
) -> tuple[Encoder, Encoder]:
    """User and item encoder, fitted on the snapshots that training sees.

    Items below `min_count` are known by name, without an id of their own.

    Args:
        schema: declared features.
        queries: joined user snapshots.
        items: joined item snapshots.
        positives: `interactions` of the training part.
        config: the recipe.

    Returns:
        The user encoder and the item encoder.
    """
    own = frequent(positives, config)
    rare = positives[ITEM_ID].unique().sort()
    rare = rare.filter(~rare.is_in(own.implode()))
    known = pl.concat([own, rare])
    asked, sold = _used(queries, positives, USER_ID, "query_time"), _used(items, positives, ITEM_ID, "item_time")
    return (
        Encoder.fit(USER_ID, tower_features(schema, Entity.USER, config), asked, ids=(), items=known),
        Encoder.fit(ITEM_ID, tower_features(schema, Entity.ITEM, config), sold, ids=own, rare=rare, items=known),
    )


def frequent(positives: pl.DataFrame, config: TrainConfig) -> pl.Series:
    """Items with at least `min_count` positives, which get an id of their own."""
    return positives.group_by(ITEM_ID).len().filter(pl.col("len") >= config.weighting.min_count)[ITEM_ID].sort()


def tower_features(schema: Schema, entity: Entity, config: TrainConfig) -> list[Feature]:
    """Features of an entity that its tower sees.

    Args:
        schema: declared features.
        entity: user or item.
        config: the recipe, whose `leave_out` is left out.

    Returns:
        The features in the order of the schema.
    """
    return [feature for feature in schema.features_of(entity) if feature.name not in config.leave_out]


def assemble(
    queries: pl.DataFrame,
    items: pl.DataFrame,
    positives: pl.DataFrame,
    user_encoder: Encoder,
    item_encoder: Encoder,
    corpus: pl.DataFrame,
    *,
    label_days: int,
) -> TrainingSet:
    """Training set of positives between encoded snapshots.

    Args:
        queries: joined user snapshots; those without positives are left out.
        items: joined item snapshots, likewise.
        positives: weighted interactions.
        user_encoder: encoder of queries.
        item_encoder: encoder of items.
        corpus: joined snapshots of all items at the end of the training part.
        label_days: window of the repeat labels in days; 0 for none.

    Returns:
        The arrays.

    Raises:
        ValueError: a positive has no snapshot.
    """
    queries, items = _used(queries, positives, USER_ID, "query_time"), _used(items, positives, ITEM_ID, "item_time")
    rows = (
        positives.join(_numbered(queries, USER_ID, "query_time"), on=[USER_ID, "query_time"], maintain_order="left")
        .join(_numbered(items, ITEM_ID, "item_time"), on=[ITEM_ID, "item_time"], maintain_order="left")
        .sort("query_time_row", "item_time_row")
    )
    if rows.height != positives.height:
        raise ValueError(f"{positives.height - rows.height:,} of {positives.height:,} positives have no snapshot")
    data = TrainingSet(
        queries=user_encoder.encode(queries),
        user_Q=queries[USER_ID].rank("dense").to_numpy().astype(np.int64) - 1,
        items=item_encoder.encode(items),
        item_S=items[ITEM_ID].replace_strict(corpus[ITEM_ID], np.arange(corpus.height)).to_numpy().astype(np.int64),
        corpus=item_encoder.encode(corpus),
        query_I=rows["query_time_row"].to_numpy().astype(np.int64),
        item_I=rows["item_time_row"].to_numpy().astype(np.int64),
        weight_I=rows["weight"].to_numpy().astype(np.float32),
    )
    return data.with_labels(queries[ENTITY_TIME].dt.epoch("d").to_numpy(), label_days) if label_days else data


def _used(frame: pl.DataFrame, positives: pl.DataFrame, key: str, time: str) -> pl.DataFrame:
    """Snapshots that positives point at, sorted."""
    asked = positives.select(key, pl.col(time).alias(ENTITY_TIME))
    return frame.join(asked, on=[key, ENTITY_TIME], how="semi").sort(key, ENTITY_TIME)


def _numbered(frame: pl.DataFrame, key: str, time: str) -> pl.DataFrame:
    """Keys of the snapshots with their row numbers."""
    return frame.select(key, pl.col(ENTITY_TIME).alias(time)).with_row_index(f"{time}_row")
