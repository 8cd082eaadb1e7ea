"""Interactions without times: one snapshot per user, one per item.

Everything else of the library works on them as it is.

Legend: U users, N items, I interactions, L positions of a history.
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
"""Time of every snapshot: without times no feature has an age."""
HISTORY = "history"
"""Input of the user tower: the items that the user took."""
HISTORY_LENGTH = 400
"""Most items of a history; a longer one is a random choice, the same for all epochs."""


@dataclass(frozen=True, kw_only=True, eq=False)
class UntimedInteractions:
    """Encoded users and items, and their interactions."""

    user_encoder: Encoder
    """Encoder of users."""
    item_encoder: Encoder
    """Encoder of items."""
    user_U: Arrays
    """Encoded users without histories."""
    item_N: Arrays
    """Encoded items."""
    user_I: np.ndarray
    """User of each interaction; each pair comes once."""
    item_I: np.ndarray
    """Item of each interaction."""

    def only(self, kept_I: np.ndarray) -> UntimedInteractions:
        """The same users and items with some of the interactions."""
        return replace(self, user_I=self.user_I[kept_I], item_I=self.item_I[kept_I])

    @cached_property
    def users(self) -> Arrays:
        """Encoded users with the histories of these interactions alone, as in serving."""
        order = np.lexsort((np.random.default_rng(0).random(len(self.user_I)), self.user_I))
        user_I, codes_I = self.user_I[order], self.item_N[ITEM_ID][self.item_I[order]]
        counts_U = np.bincount(user_I, minlength=len(self.user_U[USER_ID]))
        rank_I = np.arange(len(user_I)) - np.repeat(np.cumsum(counts_U) - counts_U, counts_U)
        kept_I = rank_I < HISTORY_LENGTH
        items_UL = np.zeros((len(counts_U), min(HISTORY_LENGTH, counts_U.max(initial=1))), np.int32)
        items_UL[user_I[kept_I], rank_I[kept_I]] = codes_I[kept_I]
        once_UL = np.where(items_UL > 0, np.log1p(1), 0).astype(np.float32)
        facts = {f"{HISTORY}_ages": np.zeros_like(once_UL), f"{HISTORY}_counts": once_UL}
        return self.user_U | {f"{HISTORY}_items": items_UL} | facts

    def user_inputs(self, leave_out: Collection[str] = ()) -> tuple[Input, ...]:
        """Inputs of a user tower: id, features and the history, less those to leave out."""
        own = _inputs(self.user_encoder, leave_out)
        if HISTORY in leave_out:
            return own
        items_UL = self.users[f"{HISTORY}_items"]
        size = self.item_encoder.inputs[0].size
        return *own, Input(name=HISTORY, kind=InputKind.HISTORY, size=size, width=items_UL.shape[1])

    def training_set(self, leave_out: Collection[str] = (), *, user_balance: float = 0.0) -> TrainingSet:
        """Training set of one query per user, in the order of users.

        Args:
            leave_out: features to leave out, the history among them.
            user_balance: see `Weighting`.
        """
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

    The history of a user is made of the interactions, not encoded from a column.

    Args:
        interactions: user_id, item_id (text); a pair that comes twice counts once.
        users: user_id, each once, and the columns of its features.
        items: item_id, likewise.
        user_features: features of users.
        item_features: features of items.

    Returns:
        The encoded interactions.

    Raises:
        ValueError: an interaction of a user or an item that is not in its frame.
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
