"""Weights of interactions in the loss."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import polars as pl
import pytest

from feature_repo.schema import Feature, Kind
from training.data.sample_weights import weighted
from training.data.untimed import read_untimed
from training.fit_untimed import fit_untimed
from training.recipes import MLP, Weighting
from training.recipes.untimed import ids_only, with_settings
from training.towers import embed

NOW = datetime(2024, 5, 1)
HEAVY, LIGHT = 40, 100
"""Users who take thirty items each, and users who take one of four others."""


def positives(*rows: tuple[str, str, int]) -> pl.DataFrame:
    """user, item and days before now."""
    frame = pl.DataFrame(rows, schema=["user_id", "item_id", "days"], orient="row")
    return frame.select("user_id", "item_id", query_time=NOW - pl.duration(days="days"), weight=pl.lit(2.0))


def test_a_weight_halves_with_age_and_is_more_for_a_first_time() -> None:
    found = weighted(positives(("u", "a", 0), ("u", "a", 30), ("v", "b", 60)), Weighting(half_life_days=30.0))
    assert found["weight"].to_list() == pytest.approx([2.0, 2 * 4.5 / 2, 2 * 4.5 / 4])


@pytest.mark.parametrize(("balance", "share"), [(0.0, 1.0), (0.5, 0.5), (1.0, 0.25)])
def test_the_interactions_of_one_who_has_many_count_less(balance: float, share: float) -> None:
    frame = positives(*[("many", item, 0) for item in "abcd"], ("one", "a", 0))
    weighting = Weighting(user_balance=balance, discovery_weight=1.0)
    assert weighted(frame, weighting)["weight"].to_list() == pytest.approx([2 * share] * 4 + [2.0])
    pairs = read_untimed(frame, frame.select("user_id").unique(), frame.select("item_id").unique())
    data = pairs.training_set(user_balance=balance)
    by_user = data.queries["user_id"][data.query_I]
    assert set(data.weight_I[by_user == by_user[0]]) in ({1.0}, {share})
    assert sorted(data.weight_I) == pytest.approx(sorted([share] * 4 + [1.0]))


def test_user_balance_lies_between_equal_interactions_and_equal_users() -> None:
    for balance in (-0.1, 1.1):
        with pytest.raises(ValueError, match="user_balance is 0 for interactions alike, 1 for users alike"):
            Weighting(user_balance=balance)


def first_items(balance: float) -> list[str]:
    """The four items that score highest for users without any known feature."""
    heavy = [(f"heavy{user}", f"often{item}") for user in range(HEAVY) for item in range(30)]
    light = [(f"light{user}", f"rarely{user % 4}") for user in range(LIGHT)]
    taken = pl.DataFrame(heavy + light, schema=["user_id", "item_id"], orient="row")
    users, items = taken.select("user_id", kind=pl.lit("user")).unique(), taken.select("item_id").unique()
    pairs = read_untimed(
        taken, users, items.sort("item_id"), user_features=(Feature(name="kind", kind=Kind.CATEGORICAL),)
    )
    config = with_settings(ids_only(items=34, interactions=taken.height, dim=8), 0.2, 1.0)
    config = replace(
        config, weighting=replace(config.weighting, user_balance=balance),
        tower=replace(config.tower, user=MLP(), user_id=False),
        optimisation=replace(config.optimisation, epochs=30, embedding_rate=0.02),
    )  # fmt: skip
    model, _ = fit_untimed(pairs, config, seed=0)
    scores = embed(model.user, pairs.user_U)[0] @ embed(model.item, pairs.item_N).T
    return [items.sort("item_id")["item_id"][int(n)] for n in scores.argsort()[::-1][:4]]


def test_items_of_most_users_come_before_items_that_few_users_take_most() -> None:
    """`often` items have 40 interactions of about 1.3 users, `rarely` ones 25 of 25."""
    assert all(item.startswith("often") for item in first_items(0.0))
    assert all(item.startswith("rarely") for item in first_items(1.0))
