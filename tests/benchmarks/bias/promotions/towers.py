"""The same logs without service, pipeline and gate: canonical tables, towers, and their ranking.

For many seeds: a training alone costs a fifth of a run.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import polars as pl

from feature_repo.datasets import load
from feature_repo.events.frames import TYPES
from feature_repo.events.history import with_log
from orchestration.api.dataset import Dataset
from orchestration.api.model import fit
from tests.benchmarks.bias.measures import ndcg, recall
from tests.benchmarks.bias.promotions.answers import Order, draw_answers, looks
from tests.benchmarks.bias.promotions.home import events_of
from tests.benchmarks.bias.promotions.market import Market
from tests.benchmarks.bias.promotions.outcome import Outcome, outcome_of


def towers_alone(
    market: Market,
    data: Path,
    order: Order,
    recipes: Sequence[str],
    *,
    answers: int,
    share: float,
    now: datetime,
    end: datetime,
    seed: int,
) -> dict[str, Outcome]:
    """Train on a log as a run reads it.

    Args:
        market: households, products and relevance.
        data: folder of its dataset.
        order: order of the answers' products.
        recipes: names of the recipes.
        answers: number of answers.
        share: share of the answers in a random order.
        now: time of the posting.
        end: end of the purchases.
        seed: random seed of the log and of the trainings.

    Returns:
        Outcomes by recipe.
    """
    shown = draw_answers(market, order, answers=answers, share=share, until=now, seed=seed)
    tables = with_log(load("own", data=data, now=end), logged(events_of(market, shown, f"{order}-{seed}"), now), end)
    dataset, found = Dataset.of(tables), {}
    for recipe in recipes:
        before = time.process_time()
        model = fit(dataset, recipe, seed=seed, choice_seconds=0.0)
        seconds = time.process_time() - before
        score_UN = model.embed_users(market.users) @ model.embed_items(market.products["item_id"].to_list()).T
        found[recipe] = outcome_of(
            model.fitted.bias,
            looks=looks(order),
            ndcg=ndcg(score_UN, market.relevance_UN, seed=seed),
            recall=recall(score_UN, market.relevance_UN),
            seconds=seconds,
        )
    return found


def logged(events: pl.DataFrame, arrived: datetime) -> pl.DataFrame:
    """Frame of the log in which events arrive all at one time."""
    frame = events.with_columns(
        timestamp=pl.col("time").str.to_datetime("%Y-%m-%dT%H:%M:%SZ", time_unit="us"), created=pl.lit(arrived)
    ).with_row_index("sequence", 1)
    missing = [pl.lit(None).alias(name) for name in TYPES if name not in frame.columns]
    return frame.with_columns(missing).select(pl.col(name).cast(kind) for name, kind in TYPES.items())
