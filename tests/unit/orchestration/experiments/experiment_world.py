"""A planted experiment: users who differ in how much they click and buy."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache

import numpy as np
import polars as pl

from orchestration.experiments.tables import EXPOSURES, OUTCOMES
from serving.experiments.definition import CHAMPION, Design, Experiment, Variant

START, END = datetime(2026, 6, 1), datetime(2026, 6, 29)
EXPERIMENT = Experiment(
    name="newer",
    salt="newer",
    start=START,
    end=END,
    variants=(Variant(name="now", serves=CHAMPION, weight=1.0), Variant(name="seven", serves=7, weight=1.0)),
    shadows=(Variant(name="like_seven", serves=8, weight=0.0), Variant(name="like_none", serves=9, weight=0.0)),
    users=5_000,
)
INTERLEAVED = replace(EXPERIMENT, design=Design.INTERLEAVED, shadows=())
CLICK_RATE, CLICKS_MORE, VALUE_MORE = 0.2, 0.25, 0.2
"""Click-through rate of the baseline, and the relative effects of `seven`."""


@dataclass(frozen=True, kw_only=True)
class World:
    """Exposures and outcomes of an experiment."""

    exposures: pl.DataFrame
    outcomes: pl.DataFrame


def frame(columns: dict[str, object], like: object) -> pl.DataFrame:
    """Frame with all columns of a table; those not given are null."""
    kinds = dict(like)  # type: ignore[call-overload]
    given = pl.DataFrame(columns)
    return given.select(
        (pl.col(name) if name in given.columns else pl.lit(None)).cast(kind).alias(name) for name, kind in kinds.items()
    )


def exposures_of(**columns: object) -> pl.DataFrame:
    """Exposures with some columns."""
    return frame({"experiment": EXPERIMENT.name, "propensity": 0.5, **columns}, EXPOSURES)


def outcomes_of(**columns: object) -> pl.DataFrame:
    """Outcomes with some columns."""
    return frame(columns, OUTCOMES)


@cache
def world(users: int = 4_000, seed: int = 0) -> World:
    """Draw users with one to six answers in their first three days, and their outcomes.

    Half of each user's value is of the user: it was the same in the week before.
    """
    rng = np.random.default_rng(seed)
    names = np.array([f"u{row:05}" for row in range(users)])
    seven_U = rng.random(users) < 0.5
    first_U = rng.uniform(0, 20, users)
    user_N = np.repeat(np.arange(users), rng.integers(1, 7, users))
    later_N = rng.uniform(0, 3, len(user_N)) * (np.diff(user_N, prepend=-1) == 0)
    at_N = START.timestamp() + 86_400 * (first_U[user_N] + later_N)
    rate_U = CLICK_RATE * rng.uniform(0.2, 1.8, users) * (1 + CLICKS_MORE * seven_U)
    clicked_N = rng.random(len(user_N)) < rate_U[user_N]
    requests = np.array([f"r{row:06}" for row in range(len(user_N))])
    taste_U = rng.gamma(4, 0.25, users)
    exposures = exposures_of(
        variant=np.where(seven_U, "seven", "now")[user_N],
        user_id=names[user_N],
        request_id=requests,
        timestamp=times(at_N),
        items=[["1", "2"]] * len(user_N),
        teams=[[]] * len(user_N),
        answer_propensity=np.full(len(user_N), 0.5),
        agreeing=[["like_seven"] if seven else [] for seven in seven_U[user_N]],
    )
    clicks = outcomes_of(
        kind="click",
        user_id=names[user_N[clicked_N]],
        item_id="1",
        request_id=requests[clicked_N],
        timestamp=times(at_N[clicked_N] + 60),
    )
    first_at_U = START.timestamp() + 86_400 * first_U
    bought_U = 10 * (taste_U + rng.gamma(4, 0.25, users)) * (1 + VALUE_MORE * seven_U)
    before_U = 10 * (taste_U + rng.gamma(4, 0.25, users))
    bought = [
        outcomes_of(kind="purchase", user_id=names, item_id="1", timestamp=times(at_U), value=value_U)
        for at_U, value_U in ((first_at_U + 3_600, bought_U), (first_at_U - 86_400, before_U))
    ]
    return World(exposures=exposures, outcomes=pl.concat([clicks, *bought]))


@cache
def interleaved_world(users: int = 1_000, seed: int = 0) -> World:
    """Users with three interleaved answers, who click what `seven` picked more often."""
    rng = np.random.default_rng(seed)
    answers = 3 * users
    names = np.array([f"u{row:05}" for row in range(users)])[np.arange(answers) // 3]
    requests = np.array([f"r{row:06}" for row in range(answers)])
    at_N = np.full(answers, START.timestamp() + 3_600)
    seven_first_N = rng.random(answers) < 0.5
    exposures = exposures_of(
        variant="interleaved",
        propensity=1.0,
        user_id=names,
        request_id=requests,
        timestamp=times(at_N),
        items=[["1", "2"]] * answers,
        teams=[["seven", "now"] if seven else ["now", "seven"] for seven in seven_first_N],
    )
    # Position 1 is clicked more often than 2, whoever picked it.
    clicks = []
    for item, seven_N, share in (("1", seven_first_N, 0.3), ("2", ~seven_first_N, 0.1)):
        clicked_N = rng.random(answers) < share * np.where(seven_N, 1.5, 1.0)
        clicks.append(
            outcomes_of(
                kind="click",
                user_id=names[clicked_N],
                item_id=item,
                request_id=requests[clicked_N],
                timestamp=times(at_N[clicked_N] + 60),
            )
        )
    return World(exposures=exposures, outcomes=pl.concat(clicks))


def times(seconds: np.ndarray) -> np.ndarray:
    """Seconds since 1970 as times of microseconds."""
    return (seconds * 1e6).astype("datetime64[us]")


def day(number: float) -> datetime:
    """Moment a number of days after the start."""
    return START + timedelta(days=number)
