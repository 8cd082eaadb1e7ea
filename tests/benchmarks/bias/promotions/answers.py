"""Answers that promotions decide, and clicks of known propensity.

Legend: U households, N products, E shown products.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum

import numpy as np
import polars as pl

from tests.benchmarks.bias.promotions.market import SLOTS, Market

EXAMINATION = (1.0, 0.8, 0.6, 0.45, 0.3, 0.2, 0.14, 0.1)
"""Probability of a look at each slot: the click's propensity."""
DAYS = 6
"""Days before the posting, over which the answers are spread; the service takes a week."""


class Order(StrEnum):
    """Order of the answers' products."""

    RANDOMISED = "randomised"
    """In the slots of the promotions; a share of the answers in a random order."""
    PROMOTED = "promoted"
    """In the slots of the promotions."""
    RANKED = "ranked"
    """The same products in each answer to a household, the most relevant first."""
    SEEN = "seen"
    """As promoted, and every slot is looked at: what a log without bias teaches."""


def draw_answers(
    market: Market, order: Order, *, answers: int, share: float, until: datetime, seed: int
) -> pl.DataFrame:
    """Draw answers with their clicks.

    Args:
        market: households, promotions and relevance.
        order: order of the products.
        answers: number of answers; households are drawn with equal probability.
        share: share of the answers in a random order, where the order is randomised.
        until: latest time of an answer.
        seed: random seed.

    Returns:
        One row for each shown product, in the order of time: answer, user, item (rows),
        position, propensity, randomised (the group in random order), timestamp and click.
    """
    rng = np.random.default_rng(seed)
    user_S = rng.integers(len(market.users), size=answers)
    asked = pl.DataFrame(
        {"user": user_S.astype(np.uint32), "second": np.sort(rng.integers(DAYS * 86_400, size=answers))}
    ).with_row_index("answer")
    shown = _ranked(market, asked, rng) if order is Order.RANKED else _drawn(market.offers, asked, rng)
    shown = shown.with_columns(randomised=pl.lit(None, pl.String))
    if order is Order.RANDOMISED:
        shown = _shuffled(shown, share, rng)
    logit_E = market.logit_UN[shown["user"].to_numpy(), shown["item"].to_numpy()]
    look_E = np.array(looks(order))[shown["position"].to_numpy() - 1]
    start = until - timedelta(days=DAYS)
    return shown.select(
        "answer", "user", "item", "position", "propensity", "randomised",
        timestamp=pl.lit(start) + pl.duration(seconds="second"),
        click=pl.Series(rng.random(len(look_E)) < look_E / (1 + np.exp(-logit_E))),
    )  # fmt: skip


def looks(order: Order) -> tuple[float, ...]:
    """Probability of a look at each slot."""
    return (1.0,) * len(EXAMINATION) if order is Order.SEEN else EXAMINATION


def _drawn(offers: pl.DataFrame, asked: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
    """One product in each slot, drawn from those of the household's store.

    A slot is empty if its product stands in an earlier one.
    """
    pools = offers.group_by("user", "position", maintain_order=True).agg(pool="item", size=pl.len())
    rows = asked.join(pools, on="user", maintain_order="left_right")
    rows = rows.with_columns(pick=(pl.Series(rng.random(rows.height)) * pl.col("size")).floor().cast(pl.UInt32))
    rows = rows.with_columns(item=pl.col("pool").list.get(pl.col("pick"))).drop("pool", "size", "pick")
    return rows.unique(["answer", "item"], keep="first", maintain_order=True).with_columns(propensity=1.0)


def _ranked(market: Market, asked: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
    """The same products in each answer to a household, by relevance, from the first slot on."""
    once = pl.DataFrame({"user": np.arange(len(market.users), dtype=np.uint32)}).with_row_index("answer")
    fixed = _drawn(market.offers, once, rng).drop("answer")
    logit_E = market.logit_UN[fixed["user"].to_numpy(), fixed["item"].to_numpy()]
    by_relevance = pl.Series("logit", logit_E).rank("ordinal", descending=True)
    fixed = fixed.with_columns(logit=by_relevance).with_columns(
        position=pl.col("logit").rank("ordinal").over("user").cast(pl.Int32)
    )
    return asked.join(fixed.drop("logit").sort("user", "position"), on="user", maintain_order="left_right")


def _shuffled(shown: pl.DataFrame, share: float, rng: np.random.Generator) -> pl.DataFrame:
    """A share of the answers in a uniformly random order over their slots.

    The propensity is over all answers to the request: an item stands in its own slot
    with 1 - share, and in each slot with share / slots beside.
    """
    random_S = rng.random(int(shown["answer"].max()) + 1) < share  # type: ignore[arg-type]
    is_random = pl.Series(random_S[shown["answer"].to_numpy()])
    key = pl.when(is_random).then(pl.Series(rng.random(shown.height)) * len(SLOTS)).otherwise("position")
    own = pl.col("position").sort_by("key").over("answer") == pl.col("position")
    items = pl.col("item").sort_by("key").over("answer")
    return shown.with_columns(key=key).with_columns(
        item=items, propensity=(1 - share) * own.cast(pl.Float64) + share / pl.len().over("answer"),
        randomised=pl.when(is_random).then(pl.lit("all")),
    ).drop("key")  # fmt: skip
