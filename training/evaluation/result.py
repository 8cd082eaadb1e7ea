"""Result of an evaluation, and its intervals beside other systems.

Legend: V queries of one view, G queries of a slice, M means, S resamples.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace

import numpy as np

from training.evaluation.bootstrap import Interval, UserGroup, percentile_intervals, resampled_group_means
from training.evaluation.comparison import Comparison, compare

LEAST_USERS = 10
"""Users of a slice that is compared; of fewer, many a resample would hold none."""


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
    comparisons: dict[str, Comparison] = field(default_factory=dict)
    """The reference beside this system by "{view}/{metric}@{k}" and
    "{view}/{slice}/{metric}@{k}"; empty for the reference itself."""
    per_user: dict[str, np.ndarray] = field(default_factory=dict)
    """Main metrics, one value for each of `query_rows[view]`; not in the JSON."""
    query_rows: dict[str, np.ndarray] = field(default_factory=dict)
    """Rows of the hold-out by view; not in the JSON."""
    slice_rows: dict[str, np.ndarray] = field(default_factory=dict)
    """Rows of `query_rows[view]` by "{view}/{slice}"; not in the JSON."""
    per_slice: dict[str, np.ndarray] = field(default_factory=dict)
    """Main metrics over the items of a slice, one value for each of its `slice_rows`;
    not in the JSON."""
    lists: np.ndarray | None = None
    """Items of the lists of `all`, cut at 20, one row for each of its `query_rows`; not
    in the JSON."""

    def to_json(self) -> str:
        """JSON of all fields but the per-user arrays."""
        return json.dumps(
            asdict(replace(self, per_user={}, query_rows={}, slice_rows={}, per_slice={}, lists=None)), sort_keys=True
        )

    @classmethod
    def from_json(cls, text: str) -> Evaluation:
        """Read the JSON of `to_json`."""
        raw = json.loads(text)
        pairs = {
            each: {name: (low, high) for name, (low, high) in raw[each].items()} for each in ("intervals", "leads")
        }
        compared = {name: Comparison(**each) for name, each in raw.get("comparisons", {}).items()}
        return cls(**{**raw, **pairs, "comparisons": compared, "flags": tuple(raw["flags"])})

    def of_slice(self, name: str, metric: str) -> np.ndarray:
        """Values of a main metric for each of `slice_rows[name]`, or of a whole view.

        Args:
            name: "{view}" or "{view}/{slice}".
            metric: "{metric}@{k}".
        """
        if f"{name}/{metric}" in self.per_slice:
            return self.per_slice[f"{name}/{metric}"]
        values_V = self.per_user[f"{name.split('/')[0]}/{metric}"]
        return values_V[self.slice_rows[name]] if name in self.slice_rows else values_V


def with_intervals(
    systems: Mapping[str, Evaluation], *, seed: int, reference: str | None = None
) -> dict[str, Evaluation]:
    """Add intervals to all systems, and leads and comparisons to all but the reference.

    Args:
        systems: evaluations of the same users, by name.
        seed: random seed of the resamples.
        reference: system that is compared with all others; None for no comparison.

    Returns:
        Evaluations with intervals, leads and comparisons, by name.

    Raises:
        ValueError: the systems were measured on different users.
    """
    found = {name: replace(each, intervals={}, leads={}, comparisons={}) for name, each in systems.items()}
    names = list(next(iter(systems.values())).per_user)
    # One matrix of resample counts serves all metrics of all systems and slices of a
    # view: resampled means are shared, so their differences are paired.
    for view in dict.fromkeys(name.split("/")[0] for name in names):
        metrics = [name.split("/")[1] for name in names if name.split("/")[0] == view]
        for group in _resampled(found, view, metrics, seed=seed, has_slices=reference is not None):
            for system, each in found.items():
                found[system] = _with_group(each, group, system, reference)
    return found


@dataclass(frozen=True, kw_only=True, eq=False)
class _Group:
    """Values and resampled means of a view or slice, by system."""

    names: list[str]
    """Metrics with their view and slice."""
    is_view: bool
    values: dict[str, np.ndarray]
    """[G, M] by system."""
    means: dict[str, np.ndarray]
    """[S, M] by system."""

    def compared(self, reference: str, system: str) -> dict[str, Comparison]:
        """Comparisons of the reference with another system, by metric."""
        sides = [part[name] for part in (self.values, self.means) for name in (reference, system)]
        return dict(zip(self.names, compare(*sides), strict=True))


def _with_group(evaluation: Evaluation, group: _Group, system: str, reference: str | None) -> Evaluation:
    """Add the intervals and comparisons of one group.

    Args:
        evaluation: that of the system.
        group: values and means of all systems.
        system: name of the system.
        reference: name of the system that it is compared with.
    """
    means_SM, intervals, leads = group.means[system], evaluation.intervals, evaluation.leads
    is_compared = reference is not None and reference != system
    # A slice has comparisons only: the tables of a report are of whole views.
    if group.is_view:
        intervals = intervals | dict(zip(group.names, percentile_intervals(means_SM), strict=True))
    if group.is_view and is_compared:
        lead_SM = group.means[reference or ""] - means_SM
        leads = leads | dict(zip(group.names, percentile_intervals(lead_SM), strict=True))
    comparisons = evaluation.comparisons | (group.compared(reference or "", system) if is_compared else {})
    return replace(evaluation, intervals=intervals, leads=leads, comparisons=comparisons)


def _resampled(
    systems: Mapping[str, Evaluation], view: str, metrics: Sequence[str], *, seed: int, has_slices: bool
) -> list[_Group]:
    """Resample one view and its slices.

    Args:
        systems: evaluations of the same users, by name.
        view: name of the view.
        metrics: its metrics.
        seed: random seed of the resamples.
        has_slices: whether slices are resampled beside the view.
    """
    columns = [each.per_user[f"{view}/{metrics[0]}"] for each in systems.values()]
    if len(sizes := {len(column) for column in columns}) > 1:
        raise ValueError(f"got {view}/{metrics[0]} of {sorted(sizes)} users; wanted the same users for all systems")
    rows = next(iter(systems.values())).slice_rows if has_slices else {}
    slices = [name for name, rows_G in rows.items() if name.split("/")[0] == view and len(rows_G) >= LEAST_USERS]
    values = {
        name: {system: np.stack([each.of_slice(name, m) for m in metrics], axis=1) for system, each in systems.items()}
        for name in (view, *slices)
    }
    groups = [
        UserGroup(values_GM=np.hstack(list(each.values())), rows_G=rows.get(name)) for name, each in values.items()
    ]
    means = resampled_group_means(groups, len(columns[0]), seed=seed)
    return [
        _Group(
            names=[f"{name}/{metric}" for metric in metrics],
            is_view=name == view,
            values=each,
            means=dict(zip(systems, np.split(means_SM, len(systems), axis=1), strict=True)),
        )
        for (name, each), means_SM in zip(values.items(), means, strict=True)
    ]
