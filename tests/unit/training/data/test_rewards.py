"""Interactions weighted by what they are worth."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_series_equal

from tests.unit.training.fit_world import CONFIG, CUT, VALIDATION, frames, retrieved
from training.data.interactions import at
from training.data.sample_weights import rewards
from training.fit import fit
from training.recipes import SALES, Reward, TrainConfig, Weighting
from training.untrained import Fitted

pytestmark = pytest.mark.usefixtures("one_thread")
PLAIN = replace(CONFIG, leave_out=SALES)
"""Prices are not to be seen: what is worth more can only be told by the weights."""


def worth(*values: float | None) -> pl.DataFrame:
    return pl.DataFrame({"value": values}, schema={"value": pl.Float64})


def test_a_weight_is_the_logarithm_of_the_value_by_its_mean() -> None:
    values = np.array([1.0, 3.0, 7.0, 20.0])
    found = rewards(worth(*values), Reward(floor=0.01, cap=100.0))
    assert found.mean() == pytest.approx(1.0)
    assert (found / found[0]).to_list() == pytest.approx(np.log1p(values) / np.log1p(values[0]))


def test_weights_are_bounded_around_the_mean_one() -> None:
    found = rewards(worth(0.0, *[1.0] * 98, 1e9), Reward(floor=0.3, cap=4.0))
    assert (found[0], found[-1]) == (0.3, 4.0)
    assert found.max() == 4.0 and found.min() == 0.3


def test_returned_goods_count_least_and_unknown_values_as_the_mean() -> None:
    found = rewards(worth(-20.0, 0.0, None, 5.0, 9.0), Reward())
    assert found[0] == found[1] == Reward().floor
    assert found[2] == 1.0
    known = rewards(worth(-20.0, 0.0, 5.0, 9.0), Reward())
    assert_series_equal(found.gather([0, 1, 3, 4]), known)


@pytest.mark.parametrize("values", [(), (None, None), (0.0, 0.0), (0.0, -3.0, None)])
def test_values_of_which_none_is_more_than_nothing_are_refused(values: tuple[float | None, ...]) -> None:
    with pytest.raises(ValueError, match=f"none of {len(values)} has one above 0: leave reward out"):
        rewards(worth(*values), Reward())


@pytest.mark.parametrize(("floor", "cap"), [(0.0, 5.0), (-1.0, 5.0), (1.5, 5.0), (0.1, 0.9)])
def test_bounds_must_lie_around_one(floor: float, cap: float) -> None:
    with pytest.raises(ValueError, match="0 < floor <= 1 <= cap, got floor"):
        Reward(floor=floor, cap=cap)


def is_dear(item: pl.Expr) -> pl.Expr:
    """Half of the items of each group."""
    return item.str.slice(1).cast(pl.Int64) // 4 % 2 == 0


@cache
def trained(config: TrainConfig, *, by_item: bool) -> Fitted:
    """On values that are those of the items, or the same values dealt out at random."""
    tables, queries, items, positives = frames()
    value = pl.when(is_dear(pl.col("item_id"))).then(40.0).otherwise(1.0)
    positives = positives.with_columns(value=value if by_item else value.shuffle(seed=0))
    events = tables.events.with_columns(value=value if by_item else value.shuffle(seed=0))
    return fit(
        schema=tables.schema, queries=queries, item_snapshots=items, positives=positives, events=events,
        validation_start=VALIDATION, cut=CUT, config=config, seed=0, on_epoch=lambda epoch, metrics: None,
    )  # fmt: skip


def share_of_dear(result: Fitted) -> float:
    """Share of dear items in lists of ten; half of each group's twenty are dear."""
    lists = pl.DataFrame({"item": retrieved(result, at(frames()[1], CUT))}).explode("item")
    return float(lists.select(is_dear(pl.col("item")).mean()).item())


def test_valuable_items_rank_higher_if_the_recipe_weighs_by_value() -> None:
    """All items of a group are taken as often: without weights their order is chance."""
    assert share_of_dear(trained(replace(PLAIN, weighting=Weighting(reward=Reward())), by_item=True)) > 0.85
    assert share_of_dear(trained(PLAIN, by_item=True)) < 0.65


def test_values_that_have_nothing_to_do_with_the_items_rank_nothing() -> None:
    assert 0.3 < share_of_dear(trained(replace(PLAIN, weighting=Weighting(reward=Reward())), by_item=False)) < 0.7


def test_a_dataset_without_values_is_refused() -> None:
    tables, queries, items, positives = frames()
    with pytest.raises(ValueError, match="events of this dataset have none: name its column as `value`"):
        fit(
            schema=tables.schema, queries=queries, item_snapshots=items, positives=positives.drop("value"),
            events=tables.events.drop("value"), validation_start=VALIDATION, cut=CUT,
            config=replace(PLAIN, weighting=Weighting(reward=Reward())), seed=0, on_epoch=lambda epoch, metrics: None,
        )  # fmt: skip
