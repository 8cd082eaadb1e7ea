"""Names of the metrics that every evaluation has; a policy that names another one is refused."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches

VIEWS = ("all", "repeat", "discovery")
SLICES = (
    *VIEWS[1:], "cold_users", "warm_users", "light_users", "regular_users", "heavy_users",
    "head_items", "torso_items", "tail_items",
)  # fmt: skip
"""Slices that every evaluation measures. The first two are views of their own."""
KS = (10, 20, 100)
"""Lengths of the lists that are measured."""
BY_USER = ("recall", "ndcg")
"""Metrics that an evaluation keeps by user, so that they can be paired, and measures in slices."""
METRICS = (*BY_USER, "precision", "hit", "mrr")
MEASURED = (
    *(f"{view}/{metric}@{k}" for view in VIEWS for metric in METRICS for k in KS),
    *(f"{view}/{part}/{metric}@{k}" for view in VIEWS for part in SLICES[2:] for metric in BY_USER for k in KS),
)
"""Metrics of every evaluation whose views and slices have users."""
_PAIRED = re.compile(rf"({'|'.join(VIEWS)})/({'|'.join(BY_USER)})@({'|'.join(map(str, KS))})")
_AT = f"at {', '.join(map(str, KS[:-1]))} or {KS[-1]}"


def check_paired(name: str, metrics: Iterable[object]) -> None:
    """Refuse metrics that have no interval.

    Args:
        name: name in the message.
        metrics: the metrics.

    Raises:
        ValueError: one has none.
    """
    wrong = [str(each) for each in metrics if not (isinstance(each, str) and _PAIRED.fullmatch(each))]
    if wrong:
        raise ValueError(
            f"{name}: {', '.join(wrong)} has no interval over users; wanted recall or ndcg of a view {_AT}, like"
            " all/recall@20 (any metric can have a floor)"
        )


def check_measured(name: str, metrics: Iterable[object]) -> None:
    """Refuse metrics that no evaluation has.

    Args:
        name: name in the message.
        metrics: the metrics.

    Raises:
        ValueError: an evaluation has none of that name.
    """
    for metric in map(str, metrics):
        if metric not in MEASURED:
            near = get_close_matches(metric, MEASURED, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise ValueError(
                f"{name}: no evaluation has {metric}; wanted {', '.join(METRICS)} of {', '.join(VIEWS)}, or"
                f" {' or '.join(BY_USER)} of a slice, {_AT}, like all/hit@20 or all/cold_users/recall@20{hint}"
            )
