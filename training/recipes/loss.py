"""The loss of a recipe, by name and with its parameters."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from training.recipes.sampling import InBatch, Mixed, Popularity, Sampler
from training.recipes.score import Cosine, Score

MARGINS = ("cosine_contrastive", "cosine_targets", "hinge_triplet")
CORRECTED = ("softmax", "refined_softmax")
UNIFORM = ("bilateral_softmax", "cosine_contrastive")


@dataclass(frozen=True)
class Loss:
    """One of `training.losses.LOSSES` with keyword parameters: `Loss("bilateral_softmax", {"exponent": 1.2})`.

    ValueError for a name or a parameter that does not exist.
    """

    name: str = "softmax"
    parameters: Mapping[str, float] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        import inspect

        known = list(inspect.signature(self.function).parameters)[1:]
        unknown = sorted(set(self.parameters) - set(known))
        if unknown:
            raise ValueError(f"loss {self.name!r} has no parameter {', '.join(unknown)}; it has {known or 'none'}")

    @property
    def function(self) -> Callable[..., Any]:
        from training.losses import LOSSES

        if self.name not in LOSSES:
            raise ValueError(f"no loss {self.name!r}; there are {', '.join(LOSSES)}")
        return LOSSES[self.name]

    def refuse(self, score: Score, sampler: Sampler) -> None:
        """ValueError for a score or a sampler with which the loss does not compute what it is meant to."""
        raw = isinstance(score, Cosine) and score.temperature == 1 and not score.learned
        if self.name in MARGINS and not raw:
            raise ValueError(
                f"{self.name} holds cosines against a margin or a target, but the score is {score}: "
                "use Cosine(temperature=1.0, learned=False)"
            )
        scaled = not isinstance(score, Cosine) or score.learned
        if self.name == "pointwise" and not (score.shift and scaled):
            raise ValueError(
                "pointwise reads the score as log-odds, which need a learned scale and shift (a bare cosine ends at a "
                f"probability of 0.73), but the score is {score}: use Cosine(shift=True) or Dot(shift=True)"
            )
        if self.name != "pointwise" and score.shift:
            raise ValueError(f"{self.name} is the same for every shift of the score: leave shift out of {score}")
        if self.name in UNIFORM and isinstance(sampler, InBatch | Popularity | Mixed):
            raise ValueError(
                f"{self.name} averages over negatives that are drawn alike and corrects nothing, but {sampler} draws "
                "popular items more often: use Uniform(number=...) or Corpus()"
            )
