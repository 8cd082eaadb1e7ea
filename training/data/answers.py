"""Answers to learn from: impressions of one request together, as arrays.

Legend: S answers, L items of the longest answer, C features of the surroundings.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import polars as pl

from feature_repo.datasets.impressions import PLACES, RANDOMISED, answer_key
from feature_repo.schema import ENTITY_TIME, ITEM_ID, USER_ID
from feature_repo.tables.outcomes import shown_before
from training.data.account import Account, Left
from training.data.clicks import WITHIN, with_clicks
from training.data.slates import NO_GROUP, NO_ITEM, UNKNOWN, Slates
from training.data.snapshots import Frame
from training.data.surroundings import Surroundings, coded, features_of

LONGEST = 200
"""Most items of an answer."""
LEAST = 1e-30
"""Least propensity that is told apart."""
# Names with spaces, which no column of the surroundings can have.
_ANSWER, _ASKED, _RANK = "its answer", "time of the answer", "rank in the answer"
_QUERY, _SNAPSHOT, _ITEM, _SAID = "row of the snapshot", "time of the snapshot", "row of the item", "click is said"


@dataclass(frozen=True, kw_only=True, eq=False)
class Answers:
    """Answers as arrays, what their codes stand for, and what was left out."""

    slates: Slates
    """The arrays."""
    user_S: np.ndarray
    """User of each answer, as a number."""
    surroundings: Surroundings
    """What the codes of the surroundings stand for."""
    account: Account
    """What became of the impressions."""


def answers(
    impressions: pl.DataFrame,
    queries: Frame,
    corpus: pl.Series,
    events: pl.DataFrame,
    until: datetime,
    features: Sequence[str] | None = None,
) -> Answers:
    """Answers before `until`, sorted by user and time.

    An answer has the impressions of one user and request, or of one user and time where
    there are no requests. It meets the user's newest snapshot at or before it. Items
    stand by position, then row and column; unknown ones last.

    Args:
        impressions: canonical impressions.
        queries: user snapshots, of which user_id and event_timestamp are read; an answer
            names its snapshot by the row.
        corpus: ids of all items.
        events: canonical events, for clicks that the impressions lack.
        until: end of the training part; nothing that happened or became known at or
            after it is read.
        features: names of the surroundings to code; None for all.

    Returns:
        The arrays, their codes and the account.

    Raises:
        ValueError: a feature that the impressions lack, or no impression left.
    """
    chosen = _chosen(impressions, features)
    left = Left(shown_before(impressions, until))
    left.count = {f"not known before {until}": impressions.height - left.rows.height}
    numbers = pl.DataFrame({ITEM_ID: corpus, _ITEM: np.arange(len(corpus))})
    snapshots = queries.lazy().select(USER_ID, pl.col(ENTITY_TIME).alias(_SNAPSHOT)).with_row_index(_QUERY).collect()
    left.rows = left.rows.join(numbers, on=ITEM_ID, how="left")
    left.keep(pl.col(_ITEM).is_not_null(), "of items that are not in the corpus")
    left.keep(pl.col(USER_ID).is_in(snapshots[USER_ID].unique().implode()), "of users without a snapshot")
    left.rows = _with_answers(left.rows, snapshots)
    left.keep(pl.col(_QUERY).is_not_null(), "of answers before their user's first snapshot")
    left.rows = with_clicks(left.rows.with_columns(_said(left.rows).alias(_SAID)), events, until)
    hours = WITHIN.total_seconds() / 3600
    left.keep(pl.col("click").is_not_null(), f"of the last {hours:g} hours, whose click may still come")
    left.rows = _in_order(left.rows)
    left.keep(pl.struct(_ANSWER, _ITEM).is_first_distinct(), "of an item that stands in its answer before")
    left.rows = left.rows.with_columns(pl.int_range(pl.len()).over(_ANSWER).alias(_RANK))
    left.keep(pl.col(_RANK) < LONGEST, f"behind the first {LONGEST} of an answer")
    if left.rows.is_empty():
        reasons = "; ".join(f"{count:,} {reason}" for reason, count in left.count.items() if count)
        raise ValueError(
            f"of {impressions.height:,} impressions none is left to learn from: {reasons or 'there is none'}. Bring "
            "impressions of the users and items of the training part, or leave the impressions out of the recipe"
        )
    surroundings, codes = coded(left.rows, chosen)
    slates = _arrays(left.rows, surroundings, codes)
    user_Q = snapshots[USER_ID].rank("dense").to_numpy()
    return Answers(
        slates=slates,
        user_S=user_Q[slates.query_S].astype(np.int64),
        surroundings=surroundings,
        account=_account(impressions, left),
    )


def _chosen(impressions: pl.DataFrame, features: Sequence[str] | None) -> tuple[str, ...]:
    """Names of the surroundings to code, if the impressions have them."""
    found = features_of(impressions)
    if unknown := [name for name in features or () if name not in found]:
        raise ValueError(
            f"the impressions have no {', '.join(unknown)}; they have {', '.join(found) or 'no surroundings'}: name "
            "the column under `impressions` in gatehouse.yaml, or leave the feature out of the bias model"
        )
    return found if features is None else tuple(features)


def _said(impressions: pl.DataFrame) -> pl.Expr:
    """Whether the data say if an impression was clicked."""
    return pl.col("click").is_not_null() if "click" in impressions.columns else pl.lit(False)


def _with_answers(rows: pl.DataFrame, snapshots: pl.DataFrame) -> pl.DataFrame:
    """Impressions with number, time and snapshot of their answer.

    Args:
        rows: impressions.
        snapshots: user_id, time and row of the user snapshots.
    """
    rows = rows.with_columns(answer_key(rows.columns))
    key = [expression.meta.output_name() for expression in answer_key(rows.columns)]
    found = rows.group_by(key).agg(pl.col("timestamp").min().alias(_ASKED)).sort(USER_ID, _ASKED, *key)
    found = found.with_row_index(_ANSWER).sort(_ASKED)
    # An exact match is no leak: a snapshot sees what was known before its own time.
    found = found.join_asof(
        snapshots.sort(_SNAPSHOT),
        left_on=_ASKED,
        right_on=_SNAPSHOT,
        by=USER_ID,
        strategy="backward",
        check_sortedness=False,
    )
    return rows.join(found, on=key, how="left", nulls_equal=True)


def _in_order(rows: pl.DataFrame) -> pl.DataFrame:
    """Impressions by answer and position; a click counts for all rows of its item."""
    places = [name for name in PLACES if name in rows.columns]
    rows = rows.with_columns(pl.col("click").max().over(_ANSWER, _ITEM))
    return rows.sort(_ANSWER, *places, "timestamp", ITEM_ID, *_rest(rows), nulls_last=True)


def _rest(rows: pl.DataFrame) -> list[str]:
    """Columns that tell rows of one item and place apart, so that no order of a file decides."""
    others = [name for name in ("created", "propensity", "reward", RANDOMISED) if name in rows.columns]
    return others + [name for name in features_of(rows) if name not in PLACES]


def _arrays(rows: pl.DataFrame, surroundings: Surroundings, code_IC: np.ndarray) -> Slates:
    """Arrays of impressions.

    Args:
        rows: impressions, sorted by answer and rank.
        surroundings: what their codes stand for.
        code_IC: codes of their surroundings.
    """
    answer_I, rank_I = rows[_ANSWER].rle_id().to_numpy(), rows[_RANK].to_numpy()
    shape = int(answer_I[-1]) + 1, int(rank_I.max()) + 1

    def spread(value_I: np.ndarray, empty: float, dtype: type) -> np.ndarray:
        array = np.full((*shape, *value_I.shape[1:]), empty, dtype)
        array[answer_I, rank_I] = value_I
        return array

    def optional(name: str, unknown: float) -> np.ndarray | None:
        if not _known(rows, name):
            return None
        # A number that is no 0 stays none in float32.
        known = rows[name].clip(lower_bound=LEAST) if name == "propensity" else rows[name]
        return spread(known.fill_null(unknown).to_numpy(), unknown, np.float32)

    return Slates(
        query_S=rows[_QUERY].filter(rows[_RANK] == 0).to_numpy().astype(np.int64),
        item_SL=spread(rows[_ITEM].to_numpy(), NO_ITEM, np.int64),
        context_SLC=spread(code_IC, UNKNOWN, np.int64),
        names=surroundings.names,
        sizes=surroundings.sizes,
        click_SL=spread(rows["click"].to_numpy(), 0, np.float32),
        propensity_SL=optional("propensity", np.nan),
        reward_SL=optional("reward", 0.0),
        group_SL=spread(_groups(rows), NO_GROUP, np.int64) if _known(rows, RANDOMISED) else None,
    )


def _groups(rows: pl.DataFrame) -> np.ndarray:
    """Groups of a random order as numbers, from 1; NO_GROUP without one."""
    return rows[RANDOMISED].rank("dense").fill_null(NO_GROUP).to_numpy().astype(np.int64)


def _account(impressions: pl.DataFrame, left: Left) -> Account:
    """Count what was kept.

    Args:
        impressions: all impressions.
        left: impressions that are left, and the number of the others.
    """
    rows = left.rows
    asked, told = rows.filter(pl.col(_RANK) == 0), RANDOMISED in rows.columns
    age = (asked[_ASKED] - asked[_SNAPSHOT]).dt.total_seconds(fractional=True).median()
    return Account(
        impressions=impressions.height,
        kept=rows.height,
        answers=asked.height,
        left_out=left.count,
        clicks=int(rows["click"].sum()),
        clicks_unknown=rows.height - int(rows[_SAID].sum()),
        without_position=rows.height - _known(rows, "position"),
        without_propensity=rows.height - _known(rows, "propensity"),
        randomised=rows.filter(pl.col(RANDOMISED).is_not_null())[_ANSWER].n_unique() if told else None,
        age_days=float(age or 0.0) / 86_400,  # type: ignore[arg-type]
    )


def _known(rows: pl.DataFrame, name: str) -> int:
    """Number of rows with a value in a column, which need not exist."""
    return int(rows[name].count()) if name in rows.columns else 0
