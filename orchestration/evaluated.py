"""Everything measured on the hold-out of one version, as the verdict and the reports read it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from orchestration.difference import Difference
from orchestration.drift import Drift
from orchestration.seed_noise import SeedNoise
from serving.gate.latency import Latency
from serving.gate.parity import Parity
from training.artifacts.bias import BiasReport
from training.evaluation.result import Evaluation
from training.evaluation.sanity import Measures

TWO_TOWER, CHAMPION = "two_tower", "champion"
"""Names of the version and of the champion among the systems."""


@dataclass(frozen=True, kw_only=True)
class Evaluated:
    """Everything measured on the hold-out of one version."""

    systems: dict[str, Evaluation]
    """Exact retrieval over the whole corpus, by system."""
    core: dict[str, Evaluation]
    """The same over the core corpus."""
    core_items: int
    """Items of the core corpus."""
    items: int
    """Items of the whole corpus."""
    index_recall: float
    """Share of the exact top INDEX_K that the searcher returns, under serving's filters and without seen items."""
    index_users: int
    """Users that index recall was measured on."""
    latency: Latency | None = None
    """Time of searches by the searcher that serves; None in evaluations from before it was measured."""
    parity: Parity | None = None
    """Features and answers online beside these; None in evaluations from before it was measured."""
    slice_values: dict[str, int] = field(default_factory=dict)
    """Values of each field that is sliced by; at most `MAX_VALUES` of them are measured."""
    drift: Drift | None = None
    """Drift of the features; None in evaluations from before it was measured."""
    sanity: dict[str, Measures] = field(default_factory=dict)
    """Measures of lists and embeddings by system; empty in evaluations from before they were measured."""
    difference: Difference | None = None
    """Lists beside those of the champion; None without one, and in evaluations from before."""
    bias: BiasReport | None = None
    """Bias of the impressions that the version learned from; None without impressions."""
    seeds: SeedNoise | None = None
    """Noise of the seed; None where no training has had two."""
    notes: tuple[str, ...] = ()
    """What was left out of this evaluation, and why."""
    left_out: tuple[str, ...] = ()
    """Reasons of the baselines that were asked for and are too large, each with its name first."""
    champion: int | None
    champion_cut: datetime | None
    champion_note: str | None
    """Reason why the champion could not be compared, and what to do, if so."""

    def to_json(self) -> str:
        """Everything but the per-user arrays."""
        raw = {**vars(self), "champion_cut": self.champion_cut and self.champion_cut.isoformat()}
        raw |= {name: asdict(each) for name in _READ if (each := getattr(self, name)) is not None}
        for part in ("systems", "core"):
            raw[part] = {name: json.loads(each.to_json()) for name, each in getattr(self, part).items()}
        return json.dumps(raw, indent=1)

    @classmethod
    def from_json(cls, text: str) -> Evaluated:
        """Read what `to_json` wrote."""
        raw = json.loads(text)
        for part in ("systems", "core"):
            raw[part] = {name: Evaluation.from_json(json.dumps(each)) for name, each in raw[part].items()}
        cut = raw["champion_cut"]
        raw |= {name: read(raw[name]) for name, read in _READ.items() if raw.get(name) is not None}
        raw |= {name: tuple(raw.get(name, ())) for name in ("notes", "left_out")}
        return cls(**{**raw, "champion_cut": cut and datetime.fromisoformat(cut)})


_READ: dict[str, Callable[[Any], Any]] = {
    "latency": lambda raw: Latency(**raw),
    "parity": lambda raw: Parity(**raw),
    "difference": Difference.from_dict,
    "drift": Drift.from_dict,
    "seeds": SeedNoise.from_dict,
    "bias": BiasReport.from_dict,
}
"""Readers of the parts that have types of their own."""
