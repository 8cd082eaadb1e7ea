"""Interactions without times: who took what, and nothing about when.

Everything else of the library works on them: one snapshot per user, one per item. Legend: U users, N items, I
interactions.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from feature_repo.encode import Encoder
from feature_repo.schema import ENTITY_TIME, Entity, Feature
from training.recipes import TrainConfig
from training.towers import TwoTower, codes_of, new_model
from training.trainer import OnEpoch, Validate, train
from training.training_set import Arrays, TrainingSet

USER, ITEM = Entity.USER.key, Entity.ITEM.key
MOMENT = pl.datetime(2000, 1, 1, time_unit="us")
"""Every snapshot's: without times no feature has an age."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Pairs:
    """user_U, item_N: encoded users and items. user_I, item_I: the interactions, each pair once."""

    user_encoder: Encoder
    item_encoder: Encoder
    user_U: Arrays
    item_N: Arrays
    user_I: np.ndarray
    item_I: np.ndarray

    def only(self, kept_I: np.ndarray) -> Pairs:
        """The same users and items with some of the interactions."""
        return Pairs(**{**vars(self), "user_I": self.user_I[kept_I], "item_I": self.item_I[kept_I]})

    def training_set(self) -> TrainingSet:
        """One query per user, in the order of users."""
        order = np.lexsort((self.item_I, self.user_I))
        users = len(self.user_U[USER])
        return TrainingSet(
            queries=self.user_U,
            user_Q=np.arange(users),
            items=self.item_N,
            item_S=np.arange(len(self.item_N[ITEM])),
            corpus=self.item_N,
            query_I=self.user_I[order],
            item_I=self.item_I[order],
            weight_I=np.ones(len(order), np.float32),
        )


def read_pairs(
    interactions: pl.DataFrame,
    users: pl.DataFrame,
    items: pl.DataFrame,
    *,
    user_features: tuple[Feature, ...] = (),
    item_features: tuple[Feature, ...] = (),
) -> Pairs:
    """Encode users, items and their interactions.

    interactions: user_id, item_id (text); a pair that is there twice counts once. users, items: user_id or item_id,
    each once, and the columns of the features. ValueError for an interaction of a user or an item that is not there.
    """
    encoders = {}
    encoded = {}
    for key, frame, features in ((USER, users, user_features), (ITEM, items, item_features)):
        moments = frame.with_columns(MOMENT.alias(ENTITY_TIME))
        encoders[key] = Encoder.fit(key, features, moments, ids=frame[key])
        encoded[key] = encoders[key].encode(moments)
    rows = {}
    distinct = interactions.unique([USER, ITEM], maintain_order=True)
    for key, frame in ((USER, users), (ITEM, items)):
        unknown = distinct.join(frame, on=key, how="anti")[key].unique()
        if len(unknown):
            raise ValueError(f"{len(unknown):,} values of {key} are in the interactions only, as {unknown[0]!r}")
        rows[key] = distinct[key].replace_strict(frame[key], np.arange(frame.height)).to_numpy().astype(np.int64)
    return Pairs(
        user_encoder=encoders[USER],
        item_encoder=encoders[ITEM],
        user_U=encoded[USER],
        item_N=encoded[ITEM],
        user_I=rows[USER],
        item_I=rows[ITEM],
    )


def fit_pairs(
    pairs: Pairs,
    config: TrainConfig,
    *,
    seed: int,
    epochs: int | None = None,
    validate: Validate | None = None,
    on_epoch: OnEpoch = lambda epoch, metrics: None,
    device: str = "cpu",
) -> tuple[TwoTower, list[dict[str, float]]]:
    """Towers trained on the pairs, and the metrics of each epoch. See `train`."""
    model = new_model(
        pairs.user_encoder.inputs,
        pairs.item_encoder.inputs,
        codes_of(pairs.item_encoder, pairs.item_N),
        config,
        seed=seed,
    )
    history = train(
        pairs.training_set(),
        model,
        config,
        seed=seed,
        epochs=epochs,
        validate=validate,
        on_epoch=on_epoch,
        device=device,
    )
    return model, history
