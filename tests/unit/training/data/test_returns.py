"""Returns are the discounted later rewards of a user, and hold nothing of the future past the end."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from training.data.interactions import interactions
from training.data.returns import RETURN, with_returns
from training.recipes import PolicyGradient

START, DAYS = datetime(2024, 1, 1), 60
UNTIL = START + timedelta(days=DAYS)
POLICY = PolicyGradient(k=1, horizon_days=7, discount=0.8, whole_horizon=False)


def log(seed: int, events: int = 400, days: int = DAYS) -> pl.DataFrame:
    """Events of a few users, at whole hours, so that some fall on the ends of horizons and some together."""
    rng = np.random.default_rng(seed)
    hours = rng.integers(0, days * 24, events)
    time = pl.Series([START + timedelta(hours=int(hour)) for hour in hours], dtype=pl.Datetime("us"))
    value = pl.Series(np.round(rng.uniform(-1, 9, events), 2)).scatter(np.flatnonzero(rng.random(events) < 0.1), None)
    return pl.DataFrame(
        {
            "user_id": [f"u{n}" for n in rng.integers(0, 5, events)],
            "item_id": [f"i{n}" for n in rng.integers(0, 50, events)],
            "timestamp": time,
            # Some become known days later.
            "created": time + pl.Series([timedelta(days=int(d)) for d in rng.choice([0, 0, 0, 5], events)]),
            "value": value,
        }
    ).sort("timestamp", "user_id", "item_id")


def row_by_row(positives: pl.DataFrame, policy: PolicyGradient, until: datetime) -> list[float | None]:
    """Returns over their mean, one interaction after the other."""
    known = positives["value"].clip(lower_bound=0)
    value = known.fill_null(known.mean()) if policy.reward == "value" else pl.Series([1.0] * positives.height)
    rows = list(zip(positives["user_id"], positives["timestamp"], value, strict=True))
    horizon, found = timedelta(days=policy.horizon_days), []
    for user, time, reward in rows:
        later = ((at - time, worth) for other, at, worth in rows if other == user and time < at < time + horizon)
        total = reward + sum(policy.discount ** (gap / timedelta(days=1)) * worth for gap, worth in later)
        found.append(None if policy.whole_horizon and time + horizon > until else total)
    mean = np.mean([each for each in found if each is not None])
    return [None if each is None else each / mean for each in found]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    "changes",
    [{}, {"reward": "value"}, {"discount": 1.0}, {"horizon_days": 90}, {"whole_horizon": True}],
    ids=str,
)
def test_a_return_is_the_sum_over_the_user_s_later_interactions(seed: int, changes: dict) -> None:
    policy = PolicyGradient(**({"k": 1, "horizon_days": 7, "discount": 0.8, "whole_horizon": False} | changes))
    positives = interactions(log(seed), UNTIL)
    found = with_returns(positives, policy, UNTIL)
    assert_frame_equal(found.drop(RETURN), positives)
    wanted = row_by_row(positives, policy, UNTIL)
    assert [each is None for each in found[RETURN]] == [each is None for each in wanted]
    got = found[RETURN].drop_nulls().to_list()
    assert got == pytest.approx([each for each in wanted if each is not None], rel=1e-5)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("whole", [True, False])
def test_nothing_past_the_end_is_in_a_return(seed: int, whole: bool) -> None:
    """What happens or becomes known from the end on can be anything."""
    end = START + timedelta(days=30)
    policy = PolicyGradient(k=1, horizon_days=7, whole_horizon=whole, reward="value")
    events = log(seed)
    before = pl.max_horizontal("timestamp", "created") < end
    other = log(seed + 100, events=900).filter(~before)
    changed = pl.concat([events.filter(before), other]).sort("timestamp", "user_id", "item_id")
    assert events.filter(~before).height > 50 and other.height > 50
    found = [with_returns(interactions(each, end), policy, end) for each in (events, changed)]
    assert_frame_equal(*found)


def test_small_rewards_behind_large_ones_are_not_lost() -> None:
    """A difference of running sums would round them away."""
    times = [START, START + timedelta(days=1), START + timedelta(days=2)]
    rows = {"user_id": ["u"] * 3, "item_id": ["a", "b", "c"], "timestamp": times, "value": [1e17, 1.0, 1.0]}
    positives = pl.DataFrame(rows, schema_overrides={"timestamp": pl.Datetime("us")})
    policy = PolicyGradient(k=1, reward="value", discount=0.5, horizon_days=7, whole_horizon=False)
    returns = with_returns(positives, policy, UNTIL)[RETURN]
    assert returns[1] / returns[2] == pytest.approx(1.5)


def test_without_a_policy_nothing_is_added() -> None:
    positives = interactions(log(0), UNTIL)
    assert with_returns(positives, None, UNTIL) is positives


@pytest.mark.parametrize(
    ("changes", "until", "reason"),
    [
        ({"horizon_days": 90, "whole_horizon": True}, UNTIL, "lower PolicyGradient.horizon_days, or set whole_horizon"),
        ({"reward": "value"}, UNTIL, "none of .* has a reward above 0"),
    ],
)
def test_returns_that_would_teach_nothing_are_refused(changes: dict, until: datetime, reason: str) -> None:
    positives = interactions(log(0), until).with_columns(value=pl.lit(-1.0))
    with pytest.raises(ValueError, match=reason):
        with_returns(positives, PolicyGradient(k=1, **({"whole_horizon": False} | changes)), until)


def test_values_none_of_which_is_known_are_refused() -> None:
    positives = interactions(log(0), UNTIL).with_columns(value=pl.lit(None, pl.Float64))
    with pytest.raises(ValueError, match=r"none of .* has a reward above 0"):
        with_returns(positives, PolicyGradient(k=1, reward="value"), UNTIL)


def test_values_that_the_events_do_not_have_are_refused() -> None:
    positives = interactions(log(0).drop("value"), UNTIL)
    with pytest.raises(ValueError, match="name its column as `value` of the events"):
        with_returns(positives, PolicyGradient(k=1, reward="value"), UNTIL)
