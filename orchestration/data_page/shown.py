"""Counts of impressions: answers, clicks by position, and what is unknown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from feature_repo.datasets.impressions import RANDOMISED, answer_key

POSITIONS = 10
"""First positions whose clicks are counted."""


@dataclass(frozen=True, kw_only=True)
class Shown:
    """Counts of impressions."""

    rows: int
    """Impressions."""
    answers: int
    """Answers that they are of."""
    without_position: float
    """Share of impressions without a position."""
    with_propensity: float
    """Share of impressions with a propensity."""
    randomised: int | None = None
    """Answers with items in random order; None if the data do not tell them."""
    clicks: tuple[tuple[int, int, float | None], ...]
    """Position, impressions there, and the share of them that was clicked, of those where
    that is known; None where it never is."""

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Shown:
        """Read the counts of a profile's JSON."""
        return cls(**{**raw, "clicks": tuple(tuple(each) for each in raw["clicks"])})


def count_shown(impressions: pl.DataFrame) -> Shown:
    """Count canonical impressions."""
    rows, columns = max(impressions.height, 1), impressions.columns
    known = {name: impressions[name].count() if name in columns else 0 for name in ("position", "propensity")}
    return Shown(
        rows=impressions.height,
        answers=_answers(impressions),
        randomised=_answers(impressions.filter(pl.col(RANDOMISED).is_not_null())) if RANDOMISED in columns else None,
        without_position=1 - known["position"] / rows,
        with_propensity=known["propensity"] / rows,
        clicks=_clicks(impressions) if known["position"] else (),
    )


def _answers(impressions: pl.DataFrame) -> int:
    if impressions.is_empty():
        return 0
    return int(impressions.select(pl.struct(answer_key(impressions.columns)).n_unique()).item())


def _clicks(impressions: pl.DataFrame) -> tuple[tuple[int, int, float | None], ...]:
    clicked = pl.col("click") if "click" in impressions.columns else pl.lit(None, pl.Boolean)
    found = impressions.lazy().filter(pl.col("position") <= POSITIONS).group_by("position")
    return tuple(found.agg(pl.len(), clicked.mean().alias("rate")).sort("position").collect().rows())
