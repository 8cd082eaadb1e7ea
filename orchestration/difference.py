"""Differences between the lists of a version and those of the champion, user by user.

Users have no name here: the page that shows them outlives the data that they can be
deleted from.

Legend: V users of the view `all`, K ranks, N corpus items.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from feature_repo.schema import ITEM_ID
from training.evaluation.evaluate import LIST_LENGTH
from training.evaluation.holdout import Holdout
from training.evaluation.lists import overlap
from training.evaluation.result import Evaluation

BINS = 10
"""Bars of the histogram of overlaps."""
SHOWN_USERS = 20
SHOWN_ITEMS = 10
"""Items of a history, and relevant items, that are named."""
METRIC = f"recall@{LIST_LENGTH}"


@dataclass(frozen=True, kw_only=True)
class Listed:
    """One rank of a list."""

    name: str
    """Name of the item."""
    hit: bool
    """Whether it is relevant."""
    seen: bool
    """Whether the user had it before."""
    shared: bool
    """Whether the other system lists it too."""


@dataclass(frozen=True, kw_only=True)
class ShownUser:
    """One user in both systems."""

    own: tuple[Listed, ...]
    """List of the version."""
    other: tuple[Listed, ...]
    """List of the champion."""
    recall: float
    other_recall: float
    overlap: float
    """Share of common items."""
    relevant: tuple[str, ...]
    """Names of the first relevant items."""
    relevant_items: int
    seen_items: int
    """Distinct items before the cut."""


@dataclass(frozen=True, kw_only=True)
class Moved:
    """Users of a view or slice by the change of their recall."""

    users: int
    gained: int
    lost: int


@dataclass(frozen=True, kw_only=True)
class Difference:
    """A version beside the champion, on the same users."""

    k: int
    """Length of the lists."""
    overlap_users: tuple[int, ...]
    """Users by overlap, in bins of equal width from 0 to 1."""
    overlap_mean: float
    overlap_quantiles: Mapping[str, float]
    """By name, such as p10."""
    moved: Mapping[str, Moved]
    """By view and by `{view}/{slice}`."""
    shown: tuple[ShownUser, ...]
    """Users drawn at random."""

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> Difference:
        """Read what `asdict` made."""
        shown = tuple(
            ShownUser(
                **{
                    **each,
                    "relevant": tuple(each["relevant"]),
                    **{side: tuple(Listed(**rank) for rank in each[side]) for side in ("own", "other")},
                }
            )
            for each in raw["shown"]
        )
        moved = {name: Moved(**each) for name, each in raw["moved"].items()}
        return cls(**{**raw, "shown": shown, "moved": moved, "overlap_users": tuple(raw["overlap_users"])})


def difference_of(
    own: Evaluation, other: Evaluation, holdout: Holdout, names_N: pl.Series, *, seed: int
) -> Difference | None:
    """Compare two systems on the users of the view `all`; None where their lists were not kept.

    Args:
        own: evaluation of the version.
        other: evaluation of the champion.
        holdout: relevant and seen items.
        names_N: names of the items.
        seed: random seed of the users that are shown.
    """
    if own.lists is None or other.lists is None:
        return None
    overlap_V = overlap(own.lists, other.lists)
    quantiles = np.quantile(overlap_V, [0.1, 0.5, 0.9]).tolist()
    rows = np.sort(np.random.default_rng(seed).permutation(len(overlap_V))[:SHOWN_USERS])
    names = [name for name in own.users if own.users[name] and f"{name}/{METRIC}" in other.comparisons]
    return Difference(
        k=LIST_LENGTH,
        overlap_users=tuple(np.histogram(overlap_V, bins=BINS, range=(0, 1))[0].tolist()),
        overlap_mean=float(overlap_V.mean()),
        overlap_quantiles=dict(zip(("p10", "p50", "p90"), quantiles, strict=True)),
        moved={name: _moved(own.of_slice(name, METRIC), other.of_slice(name, METRIC)) for name in names},
        shown=tuple(_shown(own, other, holdout, names_N, row, float(overlap_V[row])) for row in rows),
    )


def item_names(corpus: pl.Series, items: pl.DataFrame, fields: list[str]) -> pl.Series:
    """Name items by the fields that are displayed, or by their ids.

    Args:
        corpus: ids of the items, in the order of their rows.
        items: item_id and the fields.
        fields: displayed fields.
    """
    if not fields:
        return corpus
    text = pl.concat_str([pl.col(name).cast(pl.String) for name in fields], separator=", ", ignore_nulls=True)
    named = items.select(ITEM_ID, name=text.replace("", None))
    joined = corpus.alias(ITEM_ID).to_frame().join(named, on=ITEM_ID, how="left", maintain_order="left")
    return joined.select(pl.coalesce("name", ITEM_ID))["name"]


def _moved(values_G: np.ndarray, others_G: np.ndarray) -> Moved:
    return Moved(users=len(values_G), gained=int((values_G > others_G).sum()), lost=int((values_G < others_G).sum()))


def _shown(
    own: Evaluation, other: Evaluation, holdout: Holdout, names_N: pl.Series, row: int, common: float
) -> ShownUser:
    """Name the items of one user.

    Args:
        own: evaluation of the version.
        other: evaluation of the champion.
        holdout: relevant and seen items.
        names_N: names of the items.
        row: row of the user in the view `all`.
        common: share of common items.
    """
    assert own.lists is not None and other.lists is not None
    query = own.query_rows["all"][row]
    relevant, seen = (holdout.relevant[[query]].indices, holdout.seen[[query]].indices)
    # Where seen items never return, they are not relevant in any view.
    wanted = relevant if holdout.seen_items_may_return else np.setdiff1d(relevant, seen)
    lists = own.lists[row], other.lists[row]
    sides = [
        tuple(
            Listed(name=name, hit=hit, seen=had, shared=both)
            for name, hit, had, both in zip(
                names_N.gather(list_K[list_K >= 0]),
                *(np.isin(list_K[list_K >= 0], some).tolist() for some in (wanted, seen, against_K)),
                strict=True,
            )
        )
        for list_K, against_K in (lists, lists[::-1])
    ]
    return ShownUser(
        own=sides[0],
        other=sides[1],
        recall=float(own.per_user[f"all/{METRIC}"][row]),
        other_recall=float(other.per_user[f"all/{METRIC}"][row]),
        overlap=common,
        relevant=tuple(names_N.gather(wanted[:SHOWN_ITEMS])),
        relevant_items=len(wanted),
        seen_items=len(seen),
    )
