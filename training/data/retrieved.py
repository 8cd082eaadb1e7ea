"""Positives that retrieval learns, where clicks are left to the impressions."""

from __future__ import annotations

from datetime import datetime

import polars as pl

from feature_repo.schema import ITEM_ID, USER_ID
from feature_repo.sessions import snapshot_moments
from feature_repo.tables.snapshots import known_before
from training.data.clicks import beside_clicks
from training.recipes.impressions import ImpressionTask

LEAST_LEFT = 0.02
"""Least share of the positives that must be left to retrieval; below, it learns the clicks too."""


def retrieved(
    positives: pl.DataFrame,
    events: pl.DataFrame,
    impressions: pl.DataFrame | None,
    until: datetime,
    task: ImpressionTask | None,
    granularity: str,
) -> pl.DataFrame:
    """Positives, without a weight where they are clicks alone and the task learns clicks once.

    Without a weight it is no positive of the training set, but taken: its item has an id, which
    the impressions train, and is never mined as a negative for its user. A positive with a
    further interaction, such as a purchase on the day of the click, keeps its weight.

    Args:
        positives: `interactions` until `until`.
        events: canonical events.
        impressions: canonical impressions; None if the data have none.
        until: end of the training part.
        task: what the recipe learns from impressions; None for nothing.
        granularity: granularity of the user snapshots.

    Returns:
        The positives in their order; unchanged where hardly any would be left.
    """
    if impressions is None or task is None or not task.clicks_once or task.weight == 1:
        return positives
    known = known_before(events, until)
    known = known.with_columns(query_time=snapshot_moments(known, granularity))
    key = [USER_ID, ITEM_ID, "query_time"]
    others = beside_clicks(known, impressions, until).select(key).unique().with_columns(found=pl.lit(True))
    marked = positives.join(others, on=key, how="left", maintain_order="left")
    left = marked.with_columns(pl.when("found").then("weight").alias("weight")).drop("found")
    return left if left["weight"].count() >= LEAST_LEFT * left.height else positives


def account(positives: pl.DataFrame, task: ImpressionTask) -> str:
    """Say what became of clicks among the positives.

    Args:
        positives: as of `retrieved`.
        task: what the recipe learns from impressions.
    """
    all_of, left_out = positives.height, positives["weight"].null_count()
    if left_out:
        return f"{left_out:,} of {all_of:,} positives are clicks of impressions, which retrieval does not learn again"
    why = f": none is the click of an impression, or fewer than {LEAST_LEFT:.0%} would be left"
    return f"retrieval learns all {all_of:,} positives{why if task.clicks_once and task.weight < 1 else ''}"
