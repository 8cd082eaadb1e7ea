"""Labels and facts that the repeat head learns from."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pytest

from feature_repo.encode import RESERVED, Encoder
from training.data.repeat import PRIOR, repeat_facts, repeat_labels

START = datetime(2024, 1, 1)


@pytest.mark.parametrize("days", [1, 3])
def test_repeat_labels_are_a_search_through_the_days_that_follow(days: int) -> None:
    rng = np.random.default_rng(0)
    user, item, day = rng.integers(0, 5, 300), rng.integers(0, 8, 300), rng.integers(0, 20, 300)
    user_Q, day_Q, item_QL = rng.integers(0, 5, 60), rng.integers(0, 20, 60), rng.integers(-1, 9, (60, 6))
    happened = set(zip(user.tolist(), item.tolist(), day.tolist(), strict=True))
    wanted = [
        [any((int(user_Q[q]), int(each), int(day_Q[q]) + later) in happened for later in range(days)) for each in items]
        for q, items in enumerate(item_QL)
    ]
    got = repeat_labels(item_QL, user_Q, day_Q, (user, item, day), days)
    assert got.tolist() == wanted
    assert 0 < got.mean() < 1
    assert not got[item_QL < 0].any()
    unit = 86_400_000_000
    fine = repeat_labels(item_QL, user_Q, day_Q * unit + 1, (user, item, day * unit + 1), days * unit)
    assert np.array_equal(fine, got)
    # A snapshot later in the day sees no interaction from before it.
    late = repeat_labels(item_QL, user_Q, day_Q * unit + 1, (user, item, day * unit), days * unit)
    assert late.tolist() == repeat_labels(item_QL, user_Q, day_Q + 1, (user, item, day), days).tolist()


def test_facts_are_buyers_share_who_came_back_and_the_days_between() -> None:
    """Item a: two buyers, one back after 3 and 7 days; b: one; c: four, two back."""
    bought = {"a": [("u", 0), ("u", 3), ("u", 10), ("v", 4)], "b": [("u", 1)],
              "c": [("u", 0), ("u", 1), ("v", 2), ("v", 4), ("w", 5), ("x", 6)]}  # fmt: skip
    rows = [(user, item, START + timedelta(days=day)) for item, each in bought.items() for user, day in each]
    positives = pl.DataFrame(rows, schema=["user_id", "item_id", "query_time"], orient="row").sample(
        fraction=1.0, shuffle=True, seed=1
    )
    ids = ("c", "never", "a", "b")
    encoder = Encoder.fit("item_id", (), pl.DataFrame({"event_timestamp": [START]}), ids=ids)
    facts = repeat_facts(positives, encoder)
    assert facts.shape == (RESERVED + 4, 3)
    assert (facts[:RESERVED] == 0).all()
    assert (facts[RESERVED + 1] == 0).all()
    share, gap = 3 / 7, (np.log1p([3, 7]).sum() + np.log1p(1) + np.log1p(2)) / 4
    raw = np.array(
        [
            [np.log(buyers), np.log((again + PRIOR * share) / (buyers + PRIOR)), (total + PRIOR * gap) / (gaps + PRIOR)]
            for buyers, again, total, gaps in (
                (4, 2, np.log1p([1, 2]).sum(), 2),
                (2, 1, np.log1p([3, 7]).sum(), 2),
                (1, 0, 0.0, 0),
            )
        ]
    )
    wanted = (raw - raw.mean(axis=0)) / raw.std(axis=0, ddof=1)
    np.testing.assert_allclose(facts[[RESERVED, RESERVED + 2, RESERVED + 3]], wanted, atol=1e-4)
