"""Measurement of a challenger: the input of the gate's decision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from serving.gate.bias import Bias
from serving.gate.comparison import Comparison
from serving.gate.drift import Drifted
from serving.gate.latency import Latency
from serving.gate.parity import Parity
from serving.gate.policy import CHAMPION

Comparisons = Mapping[str, Comparison]
"""By `{view}/{metric}@{k}` or `{view}/{slice}/{metric}@{k}`."""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """Measurement of a challenger on its hold-out."""

    metrics: Mapping[str, float]
    """By `{view}/{metric}@{k}`, with exact search."""
    users: Mapping[str, int]
    """Users of each `{view}` and `{view}/{slice}`; a slice by field is `{field}={value}`."""
    baselines: Mapping[str, Comparisons]
    """The challenger beside each baseline, by its name."""
    champion: Comparisons | None
    """The challenger beside the champion: empty if that could not be measured, None if there is no champion yet."""
    index_recall: float
    """Share of the exact top items that the built index returns."""
    cut: datetime
    """Start of the challenger's hold-out."""
    champion_cut: datetime | None = None
    """End of the champion's training data; None without a champion, or if it cannot be loaded."""
    champion_note: str | None = None
    """Reason why the champion could not be compared, and what to do; None if it was, or without one."""
    latency: Latency | None = None
    """Time of searches by the searcher that serves; None if it was not measured."""
    parity: Parity | None = None
    """Features and answers online beside those of the evaluation; None if they were not compared."""
    slice_values: Mapping[str, int] = field(default_factory=dict)
    """Values of each field that is sliced by, measured or not."""
    drift: Mapping[str, Drifted] | None = None
    """Drift by feature; None if it was not measured."""
    drift_against: str = ""
    """Words for the reference of the drift."""
    left_out: Sequence[str] = ()
    """Reasons of the baselines that are too large to be measured, each with its name first."""
    bias: Bias | None = None
    """Bias of the impressions that it learned from; None for data without impressions."""
    sanity: Mapping[str, float | None] | None = None
    """Measures of lists and embeddings by name, None where one is not defined; None if none was measured."""

    def beside(self, system: str) -> Comparisons:
        """Comparisons with the champion or a baseline; empty if it was not measured."""
        return (self.champion or {}) if system == CHAMPION else self.baselines.get(system, {})
