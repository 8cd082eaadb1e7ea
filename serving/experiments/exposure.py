"""Exposures: what a user was shown in an experiment, and with which probability."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime

from serving.experiments.definition import Experiment


@dataclass(frozen=True, kw_only=True)
class Exposure:
    """One answer of an experiment. Each field is a column of the exposures."""

    experiment: str
    variant: str
    """Assigned variant; `interleaved` for an interleaved answer."""
    propensity: float
    """Probability of the variant when the user was assigned."""
    user_id: str
    request_id: str
    timestamp: datetime
    """Time of the answer, UTC without a zone."""
    items: tuple[str, ...]
    """Shown items, best first."""
    teams: tuple[str | None, ...] = ()
    """Variant that picked each item of an interleaved answer; else empty."""
    answer_propensity: float | None = None
    """Probability that the experiment shows this very answer to this user, over all
    variants that agree on it; None where the other variants were not computed."""
    agreeing: tuple[str, ...] = ()
    """Shadows that would have shown this very answer."""

    def __post_init__(self) -> None:
        for name in ("propensity", "answer_propensity"):
            value = getattr(self, name)
            if value is not None and not 0 < value <= 1:
                raise ValueError(f"{name} of request {self.request_id} is {value!r}; wanted above 0, at most 1")
        if self.timestamp.tzinfo is not None:
            raise ValueError(f"request {self.request_id} is at {self.timestamp}; wanted UTC without a zone")
        if self.teams and len(self.teams) != len(self.items):
            raise ValueError(
                f"request {self.request_id} has {len(self.items)} items and {len(self.teams)} teams; wanted one each"
            )

    def to_json(self) -> str:
        """One line of JSON."""
        return json.dumps(asdict(self) | {"timestamp": self.timestamp.isoformat()})

    @classmethod
    def from_json(cls, text: str) -> Exposure:
        """Read what `to_json` wrote.

        Raises:
            ValueError: not JSON, a missing or unknown key, or a wrong value.
        """
        raw = json.loads(text)
        known = {field.name for field in fields(cls)}
        if set(raw) != known:
            raise ValueError(f"exposure with keys {', '.join(sorted(raw))}; wanted {', '.join(sorted(known))}")
        lists = {name: tuple(raw[name]) for name in ("items", "teams", "agreeing")}
        return cls(**raw | lists | {"timestamp": datetime.fromisoformat(raw["timestamp"])})


def compare_answers(
    experiment: Experiment, shown: Sequence[str], answers: Mapping[str, Sequence[str]]
) -> tuple[float, tuple[str, ...]]:
    """Probability of an answer over all variants, and the shadows that agree on it.

    Two variants may give one answer. Its probability is then the sum of theirs: with
    that of one of them alone, every off-policy estimate would be too high.

    Args:
        experiment: the experiment.
        shown: items that the user was shown.
        answers: items of each variant and shadow for the same request.

    Returns:
        `answer_propensity` and `agreeing` of an exposure.

    Raises:
        ValueError: a variant or shadow has no answer, or none gave what was shown.
    """
    names = [variant.name for variant in (*experiment.variants, *experiment.shadows)]
    if missing := [name for name in names if name not in answers]:
        raise ValueError(f"no answer of {', '.join(missing)}; wanted one of {', '.join(names)} each")
    same = [name for name in names if list(answers[name]) == list(shown)]
    # At most 1: a sum of shares may be a little more.
    propensity = min(1.0, sum(experiment.propensities.get(name, 0.0) for name in same))
    if propensity == 0:
        raise ValueError(f"no variant of {experiment.name} gave the answer that was shown")
    return propensity, tuple(shadow.name for shadow in experiment.shadows if shadow.name in same)
