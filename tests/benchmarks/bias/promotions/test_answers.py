"""Answers of promotions: their order, their propensities, and their clicks."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import polars as pl
import pytest

from tests.benchmarks.bias.promotions.answers import Order, draw_answers, looks
from tests.benchmarks.bias.promotions.home import events_of
from tests.benchmarks.bias.promotions.market import Market

NOW, SHARE, ANSWERS = datetime(2026, 5, 31, 12), 0.3, 40_000
USERS, ITEMS, SLOTS = 5, 12, 4


@pytest.fixture(scope="module")
def market() -> Market:
    """Each slot of a household's store has three products of its own, in one store none in the second slot."""
    offers = [(user, slot + 1, 3 * slot + n) for user in range(USERS) for slot in range(SLOTS) for n in range(3)]
    offers = [each for each in offers if each[:2] != (0, 2)]
    types = {"user": pl.UInt32, "position": pl.Int32, "item": pl.UInt32}
    return Market(
        purchases=pl.DataFrame(),
        products=pl.DataFrame({"item_id": [f"p{n}" for n in range(ITEMS)]}),
        users=[f"h{n}" for n in range(USERS)],
        offers=pl.DataFrame(offers, types, orient="row"),
        logit_UN=np.random.default_rng(3).standard_normal((USERS, ITEMS)),
    )


def drawn(market: Market, order: Order) -> pl.DataFrame:
    return draw_answers(market, order, answers=ANSWERS, share=SHARE, until=NOW, seed=1)


@pytest.mark.parametrize("order", Order)
def test_a_click_is_a_look_at_what_is_relevant(market: Market, order: Order) -> None:
    shown = drawn(market, order)
    assert not shown.select(pl.struct("answer", "item").is_duplicated()).to_series().any()
    assert not shown.select(pl.struct("answer", "position").is_duplicated()).to_series().any()
    relevance = market.relevance_UN[shown["user"].to_numpy(), shown["item"].to_numpy()]
    by_slot = (
        shown.with_columns(relevance=pl.Series(relevance)).group_by("position").agg(pl.col("click", "relevance").mean())
    )
    by_slot = by_slot.sort("position")
    found = (by_slot["click"] / by_slot["relevance"]).to_numpy()
    assert found == pytest.approx(looks(order)[: len(found)], abs=0.02)


def test_an_item_is_shown_as_often_as_its_propensity_says(market: Market) -> None:
    shown = drawn(market, Order.RANDOMISED).with_columns(slots=pl.len().over("answer"))
    counts = shown.group_by("user", "item", "position", "slots").agg(pl.len(), pl.col("propensity").unique())
    assert (counts["propensity"].list.len() == 1).all()
    own = counts.with_columns(total=pl.col("len").sum().over("user", "item", "slots"))
    share = (own["len"] / own["total"]).to_numpy()
    assert share == pytest.approx(own["propensity"].list.first().to_numpy(), abs=0.04)
    assert own.filter(pl.col("user") == 0)["position"].unique().sort().to_list() == [1, 3, 4]
    told = shown.group_by("answer").agg(pl.col("randomised").n_unique(), group=pl.col("randomised").first())
    assert (told["randomised"] == 1).all()
    # Of a share in random order, few stand by chance as promoted.
    assert told["group"].is_not_null().mean() == pytest.approx(SHARE, abs=0.05)
    assert drawn(market, Order.PROMOTED)["randomised"].is_null().all()


def test_promotions_keep_their_slots_and_a_fixed_ranker_its_order(market: Market) -> None:
    for order in (Order.PROMOTED, Order.SEEN):
        promoted = drawn(market, order)
        assert (promoted["item"] // 3 + 1 == promoted["position"]).all()
    ranked = drawn(market, Order.RANKED)
    assert ranked.group_by("user", "item").agg(pl.col("position").n_unique())["position"].max() == 1
    logit = market.logit_UN[ranked["user"].to_numpy(), ranked["item"].to_numpy()]
    falls = ranked.with_columns(logit=pl.Series(logit)).select(pl.col("logit").diff().over("answer")).to_series()
    assert (falls.drop_nulls() < 0).all()


def test_a_click_follows_its_impression_and_names_the_answer(market: Market) -> None:
    shown = drawn(market, Order.PROMOTED).head(400)
    events = events_of(market, shown, "log")
    assert events["event_id"].n_unique() == events.height == shown.height + shown["click"].sum()
    clicks = events.with_row_index().filter(pl.col("kind") == "click")
    before = events[(clicks["index"] - 1).to_list()]
    same = ["request_id", "user_id", "item_id", "position", "propensity", "randomised", "time"]
    assert clicks.select(same).equals(before.select(same))
    assert (before["kind"] == "impression").all()
