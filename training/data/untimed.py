"""Interactions without times: who took what, and nothing about when.

Everything else of the library works on them: one snapshot per user, one per item. Legend: U users, N items, I
interactions.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import polars as pl

from feature_repo.encode import Encoder, Input, InputKind
from feature_repo.schema import ENTITY_TIME, ITEM_ID, USER_ID, Feature
from training.data.training_set import Arrays, TrainingSet

MOMENT = pl.datetime(2000, 1, 1, time_unit="us")
"""Every snapshot's: without times no feature has an age."""
HISTORY = "history"
"""Input of the user tower: the items that the user took."""
PLACES = 400
"""Of so many of them at most: of a longer history a random choice, the same for all epochs."""


@dataclass(frozen=True, kw_only=True, eq=False)
class UntimedInteractions:
    """user_U, item_N: encoded users and items, without histories. user_I, item_I: the interactions, each pair once."""

    user_encoder: Encoder
    item_encoder: Encoder
    user_U: Arrays
    item_N: Arrays
    user_I: np.ndarray
    item_I: np.ndarray

    def only(self, kept_I: np.ndarray) -> UntimedInteractions:
        """The same users and items with some of the interactions."""
        return replace(self, user_I=self.user_I[kept_I], item_I=self.item_I[kept_I])

    @cached_property
    def users(self) -> Arrays:
        """Encoded users, each with the history that these interactions, and no others, make: what serving knows."""
        order = np.lexsort((np.random.default_rng(0).random(len(self.user_I)), self.user_I))
        user_I, codes_I = self.user_I[order], self.item_N[ITEM_ID][self.item_I[order]]
        counts_U = np.bincount(user_I, minlength=len(self.user_U[USER_ID]))
        place_I = np.arange(len(user_I)) - np.repeat(np.cumsum(counts_U) - counts_U, counts_U)
        kept_I = place_I < PLACES
        items_UL = np.zeros((len(counts_U), min(PLACES, counts_U.max(initial=1))), np.int32)
        items_UL[user_I[kept_I], place_I[kept_I]] = codes_I[kept_I]
        once_UL = np.where(items_UL > 0, np.log1p(1), 0).astype(np.float32)
        facts = {f"{HISTORY}_ages": np.zeros_like(once_UL), f"{HISTORY}_counts": once_UL}
        return self.user_U | {f"{HISTORY}_items": items_UL} | facts

    def user_inputs(self, leave_out: Collection[str] = ()) -> tuple[Input, ...]:
        """What a user tower is given: id, features and the history, without those to leave out."""
        own = _inputs(self.user_encoder, leave_out)
        if HISTORY in leave_out:
            return own
        items_UL = self.users[f"{HISTORY}_items"]
        size = self.item_encoder.inputs[0].size
        return *own, Input(name=HISTORY, kind=InputKind.HISTORY, size=size, width=items_UL.shape[1])

    def training_set(self, leave_out: Collection[str] = (), *, user_balance: float = 0.0) -> TrainingSet:
        """One query per user, in the order of users; without histories where these are left out. user_balance: as the
        recipe has it."""
        order = np.lexsort((self.item_I, self.user_I))
        user_I, users = self.user_I[order], len(self.user_U[USER_ID])
        return TrainingSet(
            queries=self.user_U if HISTORY in leave_out else self.users,
            user_Q=np.arange(users),
            items=self.item_N,
            item_S=np.arange(len(self.item_N[ITEM_ID])),
            corpus=self.item_N,
            query_I=user_I,
            item_I=self.item_I[order],
            weight_I=(np.bincount(user_I)[user_I] ** -user_balance).astype(np.float32),
        )


def read_untimed(
    interactions: pl.DataFrame,
    users: pl.DataFrame,
    items: pl.DataFrame,
    *,
    user_features: tuple[Feature, ...] = (),
    item_features: tuple[Feature, ...] = (),
) -> UntimedInteractions:
    """Encode users, items and their interactions.

    interactions: user_id, item_id (text); a pair that is there twice counts once. users, items: user_id or item_id,
    each once, and the columns of the features. A further input of users is their history, which is not encoded from a
    column but made of the interactions. ValueError for an interaction of a user or an item that is not there.
    """
    encoders = {}
    encoded = {}
    for key, frame, features in ((USER_ID, users, user_features), (ITEM_ID, items, item_features)):
        moments = frame.with_columns(MOMENT.alias(ENTITY_TIME))
        encoders[key] = Encoder.fit(key, features, moments, ids=frame[key])
        encoded[key] = encoders[key].encode(moments)
    rows = {}
    distinct = interactions.unique([USER_ID, ITEM_ID], maintain_order=True)
    for key, frame in ((USER_ID, users), (ITEM_ID, items)):
        unknown = distinct.join(frame, on=key, how="anti")[key].unique()
        if len(unknown):
            raise ValueError(f"{len(unknown):,} values of {key} are in the interactions only, as {unknown[0]!r}")
        rows[key] = distinct[key].replace_strict(frame[key], np.arange(frame.height)).to_numpy().astype(np.int64)
    return UntimedInteractions(
        user_encoder=encoders[USER_ID],
        item_encoder=encoders[ITEM_ID],
        user_U=encoded[USER_ID],
        item_N=encoded[ITEM_ID],
        user_I=rows[USER_ID],
        item_I=rows[ITEM_ID],
    )


def _inputs(encoder: Encoder, leave_out: Collection[str]) -> tuple[Input, ...]:
    kept = tuple(feature for feature in encoder.features if feature.name not in leave_out)
    return replace(encoder, features=kept).inputs
