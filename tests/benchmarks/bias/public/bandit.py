"""Open Bandit: the value of the random policy, from answers of Thompson sampling alone.

Legend: N rows, A items.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from feature_repo.errors import InputError
from serving.experiments.statistics.estimate import Estimate
from serving.experiments.statistics.means import ratio
from serving.experiments.statistics.off_policy import Logged, doubly_robust, effective_users, ips, refusal, snips
from tests.benchmarks.bias.public.files import HOW, read_table

CAMPAIGNS = ("all", "men", "women")
COLUMNS = ("item_id", "click", "propensity_score")
SHARED = 100
"""Rows of the mean click rate that an item's own rate is drawn towards."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """An estimate from one policy's log, and the mean of the other's own."""

    campaign: str
    estimator: str
    found: Estimate
    truth: Estimate
    effective: float
    refused: str | None


def campaigns(folder: Path) -> list[str]:
    """Campaigns of which both policies' logs are there.

    Raises:
        InputError: none is.
    """
    files = folder / "zr-obp" / "obd"
    there = [
        name for name in CAMPAIGNS if all((files / by / name / f"{name}.csv").is_file() for by in ("bts", "random"))
    ]
    if not there:
        raise InputError(f"no campaign under {files} has the logs of both policies; {HOW}")
    return there


def estimates(folder: Path, campaign: str) -> Iterator[Row]:
    """Estimates of the random policy's clicks of an impression.

    The other way round there is none: it needs the probability with which Thompson sampling
    would have shown each item that the random policy showed, and only its own log holds these.

    Args:
        folder: the sources.
        campaign: name of the campaign.

    Raises:
        InputError: a log is malformed, or the random one is not uniform.
    """
    files = folder / "zr-obp" / "obd"
    logs = {by: _read(files / by / campaign / f"{campaign}.csv") for by in ("bts", "random")}
    items = logs["random"]["item_id"].n_unique()
    if not np.allclose(logs["random"]["propensity_score"], 1 / items):
        raise InputError(f"the random log of {campaign} has {items} items and propensities other than 1 / {items}")
    truth, naive = (_mean(logs[by]["click"].to_numpy()) for by in ("random", "bts"))
    logged = Logged(
        reward_N=logs["bts"]["click"].to_numpy().astype(float),
        propensity_N=logs["bts"]["propensity_score"].to_numpy(),
        target_N=np.full(logs["bts"].height, 1 / items),
        user_N=np.arange(logs["bts"].height),  # the log names no users
    )
    shown_N, chosen_N = _predicted(logs["bts"], sorted(logs["random"]["item_id"].unique()))
    for name, found in {
        "none (its own mean)": naive,
        "IPS": ips(logged),
        "SNIPS": snips(logged),
        "DR": doubly_robust(logged, shown_N, chosen_N),
    }.items():
        yield Row(
            campaign=campaign,
            estimator=name,
            found=found,
            truth=truth,
            effective=effective_users(logged),
            refused=refusal(logged),
        )


def _read(path: Path) -> pl.DataFrame:
    """Columns of a log.

    Raises:
        InputError: a column is missing, or holds something else.
    """
    table = read_table(path)
    if missing := [name for name in COLUMNS if name not in table.columns]:
        raise InputError(f"{path} has no column {', '.join(missing)}; {HOW}")
    try:
        return table.select(
            pl.col("item_id").cast(pl.Int64),
            pl.col("click").cast(pl.Int64),
            pl.col("propensity_score").cast(pl.Float64),
        )
    except pl.exceptions.PolarsError as error:
        raise InputError(f"{path} holds something else than numbers: {error}\n{HOW}") from error


def _mean(click_N: np.ndarray) -> Estimate:
    """Mean of a log's own clicks."""
    return ratio(click_N.astype(float), np.ones(len(click_N)))


def _predicted(log: pl.DataFrame, items: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """Predicted click of the shown item and of a random one, each by the other half of the rows."""
    code_N = np.searchsorted(items, log["item_id"])
    click_N, half_N = log["click"].to_numpy(), np.arange(log.height) % 2
    shown_N, chosen_N = np.empty(log.height), np.empty(log.height)
    for half in (0, 1):
        other_N = half_N != half
        clicks_A, shown_A = (
            np.bincount(code_N[other_N], weights, minlength=len(items)) for weights in (click_N[other_N], None)
        )
        rate_A = (clicks_A + SHARED * click_N[other_N].mean()) / (shown_A + SHARED)
        shown_N[~other_N], chosen_N[~other_N] = rate_A[code_N[~other_N]], rate_A.mean()
    return shown_N, chosen_N
