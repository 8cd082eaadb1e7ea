"""Encoders and training set from joined frames."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import polars as pl

from feature_repo.encode import Encoder
from feature_repo.encode.numbers import MICROSECONDS_PER_DAY
from feature_repo.schema import ENTITY_TIME, ITEM_ID, USER_ID, Entity, Feature, Kind, Schema
from training.data.histories import Histories, HistoriesBuilder
from training.data.returns import RETURN
from training.data.snapshots import Frame, Snapshots
from training.data.training_set import Arrays, Clicked, TrainingSet
from training.recipes import TrainConfig


def fit_encoders(
    schema: Schema, queries: Frame, items: Frame, positives: pl.DataFrame, config: TrainConfig
) -> tuple[Encoder, Encoder]:
    """User and item encoder, fitted on the snapshots that training sees.

    Items below `min_count` are known by name, without an id of their own.

    Args:
        schema: declared features.
        queries: joined user snapshots, sorted by user and time.
        items: joined item snapshots, sorted by item and time.
        positives: `interactions` of the training part.
        config: the recipe.

    Returns:
        The user encoder and the item encoder.
    """
    own = frequent(positives, config)
    rare = positives[ITEM_ID].unique().sort()
    rare = rare.filter(~rare.is_in(own.implode()))
    known = pl.concat([own, rare])
    of_users, of_items = (tower_features(schema, entity, config) for entity in (Entity.USER, Entity.ITEM))
    asked = _fitted_columns(Snapshots.used(queries, positives, USER_ID, "query_time"), USER_ID, of_users)
    sold = _fitted_columns(Snapshots.used(items, positives, ITEM_ID, "item_time"), ITEM_ID, of_items)
    return (
        Encoder.fit(USER_ID, of_users, asked, ids=(), items=known),
        Encoder.fit(ITEM_ID, of_items, sold, ids=own, rare=rare, items=known),
    )


def _fitted_columns(snapshots: Snapshots, key: str, features: list[Feature]) -> pl.DataFrame:
    """Columns that an encoder learns from.

    All but histories, whose vocabulary is given.
    """
    names = [name for each in features if each.kind is not Kind.HISTORY for name in each.columns]
    return snapshots.columns([key, ENTITY_TIME, *names])


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
    queries: Frame,
    items: Frame,
    positives: pl.DataFrame,
    user_encoder: Encoder,
    item_encoder: Encoder,
    corpus: pl.DataFrame,
    *,
    label_days: int,
    answered: pl.DataFrame | None = None,
) -> TrainingSet:
    """Training set of positives between encoded snapshots.

    Args:
        queries: joined user snapshots, sorted by user and time; those without positives
            and answers are left out.
        items: joined item snapshots, likewise.
        positives: weighted interactions; those with a null return are left out, and those
            with a null weight are no positives, but taken.
        user_encoder: encoder of queries.
        item_encoder: encoder of items.
        corpus: joined snapshots of all items at the end of the training part.
        label_days: window of the repeat labels in days; 0 for none.
        answered: keys of the user snapshots of answers; None for none.

    Returns:
        The arrays; users with positives come first.

    Raises:
        ValueError: a positive has no snapshot.
    """
    returned = RETURN in positives.columns
    clicks = positives.filter(pl.col("weight").is_null())
    positives = positives.drop_nulls(["weight", *([RETURN] if returned else [])])
    asked = Snapshots.used(queries, positives, USER_ID, "query_time", answered)
    sold = Snapshots.used(items, positives, ITEM_ID, "item_time")
    rows = (
        positives.join(_numbered(asked, "query_time"), on=[USER_ID, "query_time"], maintain_order="left")
        .join(_numbered(sold, "item_time"), on=[ITEM_ID, "item_time"], maintain_order="left")
        .sort("query_time_row", "item_time_row")
    )
    if rows.height != positives.height:
        raise ValueError(f"{positives.height - rows.height:,} of {positives.height:,} positives have no snapshot")
    plain, histories = encoded_users(user_encoder, asked)
    users = pl.concat([positives[USER_ID].unique().sort(), asked.keys[USER_ID]]).unique(maintain_order=True)
    data = TrainingSet(
        queries=plain,
        histories=histories,
        user_Q=asked.keys[USER_ID].replace_strict(users, np.arange(len(users))).to_numpy().astype(np.int64),
        items=encoded(item_encoder, sold),
        item_S=sold.keys[ITEM_ID].replace_strict(corpus[ITEM_ID], np.arange(corpus.height)).to_numpy().astype(np.int64),
        corpus=item_encoder.encode(corpus),
        query_I=rows["query_time_row"].to_numpy().astype(np.int64),
        item_I=rows["item_time_row"].to_numpy().astype(np.int64),
        weight_I=rows["weight"].to_numpy().astype(np.float32),
        return_I=rows[RETURN].to_numpy().astype(np.float32) if returned else None,
        clicked=_clicked(clicks, users, corpus) if clicks.height else None,
    )
    time_Q = asked.keys[ENTITY_TIME].dt.epoch("us").to_numpy()
    return data.with_labels(time_Q, label_days * MICROSECONDS_PER_DAY) if label_days else data


def _clicked(clicks: pl.DataFrame, users: pl.Series, corpus: pl.DataFrame) -> Clicked:
    """Interactions without a weight by the numbers of their users and items.

    Args:
        clicks: the interactions.
        users: users of the training set in their order; those of others are left out.
        corpus: items in their order.
    """
    found = clicks.filter(pl.col(USER_ID).is_in(users.implode()))
    numbers = [
        found[name].replace_strict(order, np.arange(len(order)), return_dtype=pl.Int64).to_numpy()
        for name, order in ((USER_ID, users), (ITEM_ID, corpus[ITEM_ID]))
    ]
    return Clicked(user_T=numbers[0], item_T=numbers[1], time_T=found["query_time"].dt.epoch("us").to_numpy())


def encoded(encoder: Encoder, snapshots: Snapshots) -> Arrays:
    """Encode snapshots part by part."""
    return encoder.encode_parts(snapshots.parts(encoder.columns), len(snapshots.rows))


def encoded_users(encoder: Encoder, snapshots: Snapshots) -> tuple[Arrays, tuple[Histories, ...]]:
    """Encode user snapshots part by part, with histories stored once per user."""
    plain, builders = encoder.without_histories(), [HistoriesBuilder(encoder, each) for each in encoder.histories]

    def parts() -> Iterator[pl.DataFrame]:
        for part in snapshots.parts(encoder.columns):
            for builder in builders:
                builder.add(part)
            yield part

    arrays = plain.encode_parts(parts(), len(snapshots.rows))
    return arrays, tuple(builder.built() for builder in builders)


def _numbered(snapshots: Snapshots, time: str) -> pl.DataFrame:
    """Keys of the snapshots with their row numbers."""
    return snapshots.keys.rename({ENTITY_TIME: time}).with_row_index(f"{time}_row")
