"""Report on the bias of a release's impressions, stored beside its recipe."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

FILE = "bias.json"


@dataclass(frozen=True, kw_only=True)
class BiasReport:
    """Bias of the impressions of a training part: diagnosis, and the model that was trained."""

    model: str | None
    """Declaration of the bias model that was trained; None without one."""
    outcome: str | None
    """`advised`, `not identifiable` or `not needed`; None where no position is known."""
    reasons: tuple[str, ...]
    """Sentences for a person, the deciding one first."""
    numbers: Mapping[str, float] = field(default_factory=dict)
    """Numbers behind the outcome."""
    examination: Mapping[str, Mapping[str, tuple[float, float, float]]] = field(default_factory=dict)
    """Looks at each place beside the first one, and the ends of a 95 % interval, by feature
    (such as the position) and place. Only what is known."""
    weighting: tuple[str, ...] = ()
    """What the recipe's weights make of the log, in sentences; empty without weights."""
    impressions: tuple[str, ...] = ()
    """What became of the impressions, a sentence for each part."""
    converged: bool | None = None
    """Whether the bias tower converged; None without one."""
    convergence: str = ""
    """Numbers behind that."""
    values: Mapping[str, float] = field(default_factory=dict)
    """Learned value of each position beside that of the first: log-odds of a click, or of a
    look for `Product`; empty where the model has no single value for each."""

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> BiasReport:
        """Read the fields that JSON kept."""
        sentences = {name: tuple(raw.get(name, ())) for name in ("reasons", "weighting", "impressions")}
        examination = {
            feature: {place: tuple(looks) for place, looks in places.items()}
            for feature, places in raw.get("examination", {}).items()
        }
        return cls(**{**raw, **sentences, "examination": examination})

    @property
    def lines(self) -> list[str]:
        """Lines for a report."""
        learned = [f"bias model {self.model}: {self.convergence}"] if self.model else []
        odds = ", ".join(f"{name} {value:+.2f}" for name, value in self.values.items())
        curve = [f"learned log-odds beside the first: {odds}"] if odds else []
        said = [*self.reasons, *learned, *curve, *self.weighting, *self.impressions]
        return [f"bias model: {self.outcome or 'nothing to tell'}", *said]


def write_bias(folder: Path, report: BiasReport) -> None:
    """Write the report into the folder of a release."""
    (folder / FILE).write_text(json.dumps(asdict(report), indent=1), encoding="utf-8")


def read_bias(folder: Path) -> BiasReport | None:
    """Report of a release; None where its data had no impressions."""
    path = folder / FILE
    if not path.is_file():
        return None
    return BiasReport.from_dict(json.loads(path.read_text(encoding="utf-8")))
