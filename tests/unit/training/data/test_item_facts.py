"""Facts of items at a moment, against a count by hand, and against the future."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import polars as pl

from tests.worlds import START, taste_groups
from training.data.item_facts import FLOOR, item_facts
from training.towers.item_prior import FACTS, HALF_LIVES

MOMENT = START + timedelta(days=30)
EVENTS = taste_groups(users=30, items=12).events
ITEMS = pl.Series([f"i{n:03}" for n in range(12)] + ["new"])


def by_hand(moment: datetime) -> np.ndarray:
    """[N + 1, F], not standardised; the last row is an item that nobody took."""
    rows = []
    for item in [*ITEMS, "nothing"]:
        mine = EVENTS.filter((pl.col("item_id") == item) & (pl.col("timestamp") < moment))["timestamp"]
        ages = [(moment - each) / timedelta(days=1) for each in mine]
        decayed = [np.log(sum(0.5 ** (age / days) for age in ages) + FLOOR) for days in HALF_LIVES]
        rows.append([*decayed, np.log1p(max(ages, default=0.0)), float(not ages)])
    return np.array(rows)


def test_facts_are_those_of_a_count_by_hand() -> None:
    raw = by_hand(MOMENT)
    mean, std = raw[:-1].mean(axis=0), raw[:-1].std(axis=0)
    facts, nothing = item_facts(EVENTS, ITEMS, MOMENT)
    assert facts.shape == (len(ITEMS), FACTS)
    np.testing.assert_allclose(facts, (raw[:-1] - mean) / std, atol=1e-9)
    np.testing.assert_allclose(nothing, facts[-1], atol=1e-12)


def test_no_fact_sees_what_became_known_at_the_moment_or_later() -> None:
    late = pl.col("created").replace_strict({}, default=MOMENT, return_dtype=pl.Datetime("us"))
    unknown = EVENTS.filter(pl.col("timestamp") < MOMENT).head(50).with_columns(created=late)
    past = EVENTS.filter(pl.col("timestamp") < MOMENT)
    for more in (EVENTS, pl.concat([past, unknown])):
        for got, wanted in zip(item_facts(more, ITEMS, MOMENT), item_facts(past, ITEMS, MOMENT), strict=True):
            np.testing.assert_array_equal(got, wanted)


def test_facts_that_are_the_same_for_all_say_nothing() -> None:
    facts, nothing = item_facts(EVENTS, ITEMS, START - timedelta(days=1))
    assert not facts.any() and not nothing.any()


def test_an_item_outside_the_corpus_lies_no_further_out_than_the_corpus() -> None:
    facts, nothing = item_facts(EVENTS, ITEMS.filter(ITEMS != "new"), MOMENT)
    assert (nothing >= facts.min(axis=0)).all() and (nothing <= facts.max(axis=0)).all()
