"""Each generated shop has the shape that its name promises, and the table says who wins."""

from __future__ import annotations

from functools import cache

import numpy as np
import polars as pl
import pytest

from tests.benchmarks.shapes.measure import SIMPLE, TWO_TOWER, Shape
from tests.benchmarks.shapes.shop import Shop
from tests.benchmarks.shapes.shops import SHOPS
from tests.benchmarks.shapes.table import losses, outcome, table
from training.evaluation import Evaluation


@cache
def shop(name: str) -> Shop:
    return SHOPS[name](0)


def spans(name: str, key: str) -> pl.Series:
    """Days between the first and the last event of each user or item."""
    times = shop(name).events.group_by(key).agg(pl.col("timestamp").max() - pl.col("timestamp").min())
    return times["timestamp"].dt.total_seconds() / 86_400


def new_share(name: str, key: str) -> float:
    """Share of the newest tenth of the events whose user or item is not in the others."""
    events = shop(name).events
    old, late = events.head(int(0.9 * len(events))), events.tail(int(0.1 * len(events)))
    return 1 - float(late[key].is_in(old[key].unique().implode()).mean() or 0)


@pytest.mark.parametrize("name", SHOPS)
def test_a_seed_determines_a_shop_and_another_seed_gives_another(name: str) -> None:
    again, other = SHOPS[name](0), SHOPS[name](1)
    assert again.events.equals(shop(name).events) and again.items.equals(shop(name).items)
    assert not other.events.equals(again.events)
    assert 20_000 < len(again.events) < 100_000


def test_news_live_three_days() -> None:
    assert spans("news", "item_id").max() < 3
    assert new_share("news", "item_id") > 0.8


def test_one_sitting_users_come_once() -> None:
    assert spans("one_sitting", "user_id").max() < 2 / 24
    assert new_share("one_sitting", "user_id") > 0.9


def test_a_season_is_gone_after_four_months() -> None:
    assert spans("seasons", "item_id").max() < 120
    assert spans("seasons", "user_id").median() > 300


def test_few_items_return_and_many_items_do_not() -> None:
    repeated = {
        name: shop(name).events.select(pl.struct("user_id", "item_id").is_duplicated().mean()) for name in SHOPS
    }
    assert repeated["few_items"].item() > 0.5
    assert all(share.item() == 0 for name, share in repeated.items() if name != "few_items")
    assert len(shop("few_items").items) == 300 < len(shop("few_items").users) / 10
    assert len(shop("many_items").items) * 2 > len(shop("many_items").events) / 2


def test_most_users_of_a_cold_start_are_new() -> None:
    assert new_share("cold_start", "user_id") > 0.5 > new_share("few_items", "user_id")


def measured(**recalls: float) -> dict[str, Evaluation]:
    """Evaluation of each system whose users all have about the same recall."""
    noise = np.random.default_rng(0).normal(0, 0.01, size=400)
    return {
        system: Evaluation(
            metrics={f"all/{metric}": recall for metric in ("recall@20", "ndcg@20")},
            ceilings={},
            repeat_share=0.0,
            users={"all": 400},
            curves={},
            per_user={f"all/{metric}": recall + noise for metric in ("recall@20", "ndcg@20")},
        )
        for system, recall in recalls.items()
    }


def test_the_table_says_where_the_default_loses() -> None:
    rest = dict.fromkeys(SIMPLE, 0.1)
    runs = tuple(measured(**{TWO_TOWER: 0.2 + seed, **rest, "recent_popularity": 0.3 + seed}) for seed in (0.0, 0.1))
    lost, won = (
        Shape(name=name, data="", runs=run, fixed=True)
        for name, run in (("lost", runs), ("won", (measured(two_tower=0.2, **rest),)))
    )
    line = next(line for line in table([lost], "recall@20") if line.startswith("| lost"))
    assert "| all | 400 | .2500 | .1000 | **.3500** |" in line and line.endswith("-.1000 to -.1000: loses |")
    assert len(losses([lost, won])) == 2  # of Recall and of NDCG
    assert losses([lost])[0] == (
        "lost, all/recall@20: two_tower loses to recent_popularity, .2500 against .3500 (lead -.1000 to -.1000)"
    )
    assert losses([won]) == []


def test_an_interval_around_zero_is_level() -> None:
    assert [outcome(*each) for each in ((0.01, 0.02), (-0.01, 0.01), (-0.02, -0.01))] == ["leads", "level", "loses"]
