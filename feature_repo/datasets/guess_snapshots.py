"""Guess of the granularity of user snapshots: where people come once, a day hides all they do."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from feature_repo.granularity import DAY, EVENT, SESSION
from feature_repo.schema import USER_ID
from feature_repo.sessions import snapshot_moments

WORTH = 0.1
"""Share of interactions that must gain a history for a finer granularity, which takes
more snapshots."""


def empty_shares(events: pl.DataFrame) -> dict[str, float]:
    """Share of interactions whose history is empty in training, by granularity.

    Args:
        events: canonical events.
    """
    known = pl.max_horizontal("timestamp", "created")
    first = events.select(known.min().over(USER_ID)).to_series()
    return {name: int((first >= snapshot_moments(events, name)).sum()) / len(first) for name in (DAY, SESSION, EVENT)}


def guess_snapshots(shares: Mapping[str, float]) -> str:
    """Coarsest granularity that leaves hardly more histories empty than the finest.

    Args:
        shares: `empty_shares`.
    """
    return next(name for name, share in shares.items() if share - shares[EVENT] <= WORTH)


def suggested(events: pl.DataFrame) -> tuple[str, str]:
    """Suggest a granularity for canonical events; with the shares in words."""
    shares = empty_shares(events)
    return guess_snapshots(shares), ", ".join(f"{name} {share:.0%}" for name, share in shares.items())
