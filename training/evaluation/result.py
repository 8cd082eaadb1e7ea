"""Result of an evaluation, and its intervals beside other systems.

Legend: M means, S resamples.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace

import numpy as np

from training.evaluation.bootstrap import Interval, percentile_intervals, resampled_means


@dataclass(frozen=True, kw_only=True, eq=False)
class Evaluation:
    """Metrics of one system on one corpus.

    A view or slice without users has no entry.
    """

    metrics: dict[str, float]
    """Means over users by "{view}/{metric}@{k}"; recall and ndcg also by
    "{view}/{slice}/{metric}@{k}"."""
    intervals: dict[str, Interval] = field(default_factory=dict)
    """95 % bootstrap intervals over users, for recall and ndcg of each view."""
    ceilings: dict[str, float]
    """Recall of the best possible lists by "{view}/recall@{k}"."""
    repeat_share: float
    """Share of the items on the lists of `all`, cut at 20, that their user had before."""
    users: dict[str, int]
    """Users behind each "{view}" and "{view}/{slice}"."""
    curves: dict[str, list[float]]
    """Mean recall at k = 1, 2, ... up to the ranks retrieved, by view."""
    curve_errors: dict[str, list[float]] = field(default_factory=dict)
    """Standard error over users of each of these means, by view."""
    flags: tuple[str, ...] = ()
    """Warnings for a reader who compares systems."""
    leads: dict[str, Interval] = field(default_factory=dict)
    """95 % intervals of (reference - this system), paired over users; empty for the
    reference itself."""
    per_user: dict[str, np.ndarray] = field(default_factory=dict)
    """Main metrics, one value for each of `query_rows[view]`; not in the JSON."""
    query_rows: dict[str, np.ndarray] = field(default_factory=dict)
    """Rows of the hold-out by view; not in the JSON."""

    def to_json(self) -> str:
        """JSON of all fields but the per-user arrays."""
        return json.dumps(asdict(replace(self, per_user={}, query_rows={})), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Evaluation:
        """Read the JSON of `to_json`."""
        raw = json.loads(text)
        pairs = {
            each: {name: (low, high) for name, (low, high) in raw[each].items()} for each in ("intervals", "leads")
        }
        return cls(**{**raw, **pairs, "flags": tuple(raw["flags"])})


def with_intervals(
    systems: Mapping[str, Evaluation], *, seed: int, reference: str | None = None
) -> dict[str, Evaluation]:
    """Add intervals to all systems, and leads to all but the reference.

    Args:
        systems: evaluations of the same users, by name.
        seed: random seed of the resamples.
        reference: system whose leads are measured; None for no leads.

    Returns:
        Evaluations with intervals and leads, by name.

    Raises:
        ValueError: the systems were measured on different users.
    """
    intervals: dict[str, dict[str, Interval]] = {system: {} for system in systems}
    leads: dict[str, dict[str, Interval]] = {system: {} for system in systems}
    names = list(next(iter(systems.values())).per_user)
    # One matrix of resample counts and one product serve all metrics of all systems of
    # a view: resampled means are shared, so their differences are paired.
    for view in dict.fromkeys(name.split("/")[0] for name in names):
        own = [name for name in names if name.split("/")[0] == view]
        means = _resampled(systems, own, seed)
        for system, means_SM in means.items():
            intervals[system] |= dict(zip(own, percentile_intervals(means_SM), strict=True))
            if reference not in (None, system):
                leads[system] |= dict(zip(own, percentile_intervals(means[reference] - means_SM), strict=True))
    return {system: replace(each, intervals=intervals[system], leads=leads[system]) for system, each in systems.items()}


def _resampled(systems: Mapping[str, Evaluation], names: Sequence[str], seed: int) -> dict[str, np.ndarray]:
    """Resampled means of some metrics of one view, by system: [S, M] each.

    Args:
        systems: evaluations of the same users, by name.
        names: metrics.
        seed: random seed of the resamples.
    """
    columns = [each.per_user[name] for each in systems.values() for name in names]
    if len(sizes := {len(column) for column in columns}) > 1:
        raise ValueError(f"got {names[0]} of {sorted(sizes)} users; wanted the same users for all systems")
    parts = np.split(resampled_means(np.stack(columns, axis=1), seed=seed), len(systems), axis=1)
    return dict(zip(systems, parts, strict=True))
