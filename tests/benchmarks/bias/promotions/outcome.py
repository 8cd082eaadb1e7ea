"""Outcome of a training on a log of promotions."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from training.artifacts.bias import BiasReport


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """Ranking by the truth, what the log told, and what the gate said."""

    ndcg: float
    """NDCG@5 of random answers by the true relevance."""
    recall: float
    """True relevance of the 20 best of the corpus, as a share of the most."""
    seconds: float
    """CPU of the training, or of the run."""
    looks: tuple[float, ...] = ()
    """Planted probability of a look at each slot."""
    examination: tuple[float, ...] = ()
    """Learned odds of a click at each slot beside the first; empty without a bias model."""
    diagnosis: str = ""
    """Outcome of the diagnosis."""
    reason: str = ""
    """The deciding reason."""
    numbers: dict[str, float] = field(default_factory=dict)
    """Numbers of the diagnosis."""
    rule: str = ""
    """Outcome of the gate's rule on bias."""
    verdict: str = ""
    """Outcome of the gate, and whether the version serves."""

    @property
    def error(self) -> float | None:
        """Largest error of the examination of a slot; None where it was not learned."""
        if not self.looks or len(self.examination) != len(self.looks):
            return None
        return float(np.abs(np.array(self.examination) - self.looks).max())


def outcome_of(bias: BiasReport | None, **measured: Any) -> Outcome:
    """Outcome with what the report on bias has.

    Args:
        bias: report of the training; None without impressions.
        measured: further fields.
    """
    if bias is None:
        return Outcome(**measured)
    return Outcome(
        examination=tuple(np.exp(list(bias.values.values())).tolist()),
        diagnosis=bias.outcome or "",
        reason=bias.reasons[0] if bias.reasons else "",
        numbers=dict(bias.numbers),
        **measured,
    )
