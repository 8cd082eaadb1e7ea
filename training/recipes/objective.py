"""The loss of a recipe, by name and with its parameters."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from training.recipes.sampling import InBatch, Mixed, Negatives, Popularity
from training.recipes.validation import at_least_one, positive, shares

MARGINS = ("cosine_contrastive", "cosine_targets", "hinge_triplet")
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

    def refuse(self, score: ScoreConfig, negatives: Negatives) -> None:
        """ValueError for a score or negatives with which the loss does not compute what it is meant to."""
        if self.name in MARGINS and not score.bare:
            raise ValueError(
                f"{self.name} holds cosines against a margin or a target, but the score is {score}: "
                "use Cosine(temperature=1.0, learned=False)"
            )
        if self.name == "pointwise" and not (score.shift and score.scalable):
            raise ValueError(
                "pointwise reads the score as log-odds, which need a learned scale and shift (a bare cosine ends at a "
                f"probability of 0.73), but the score is {score}: use Cosine(shift=True) or Dot(shift=True)"
            )
        if self.name != "pointwise" and score.shift:
            raise ValueError(f"{self.name} is the same for every shift of the score: leave shift out of {score}")
        if self.name in UNIFORM and isinstance(negatives.sampler, InBatch | Popularity | Mixed):
            raise ValueError(
                f"{self.name} averages over negatives that are drawn alike and corrects nothing, but "
                f"{negatives.sampler} draws popular items more often: use Uniform(number=...) or Corpus()"
            )
        if negatives.all_negative and (negatives.hide_known or self.name not in UNIFORM):
            raise ValueError(
                f"all_negative leaves positives among their own negatives, and {self.name} with "
                f"hide_known={negatives.hide_known} takes them for something else: use one of {', '.join(UNIFORM)}, "
                "alone"
            )


@dataclass(frozen=True, kw_only=True)
class Cosine:
    """<u, v> / τ of unit vectors."""

    temperature: float = 0.05
    """τ; its starting value where it is learned."""
    learned: bool = True
    """Whether log τ is learned."""
    bounds: tuple[float, float] = (0.005, 1.0)
    """Lowest and highest τ."""
    shift: bool = False
    """Whether a constant is learned and added, as pointwise losses need."""

    def __post_init__(self) -> None:
        low, high = self.bounds
        if not 0 < low <= self.temperature <= high:
            raise ValueError(f"temperature {self.temperature} must lie in {self.bounds}, above 0")

    @property
    def bare(self) -> bool:
        """Whether the logit is the cosine itself."""
        return self.temperature == 1 and not self.learned

    @property
    def scalable(self) -> bool:
        """Whether training can change the scale of the logit."""
        return self.learned


@dataclass(frozen=True, kw_only=True)
class Dot:
    """<u, v> of vectors of any length."""

    shift: bool = False
    """Whether a constant is learned and added, as pointwise losses need."""
    bare: ClassVar[bool] = False
    """Whether the logit is a cosine."""
    scalable: ClassVar[bool] = True
    """Whether training can change the scale of the logit: it can by the vectors' lengths."""


ScoreConfig = Cosine | Dot
"""Declaration of a score; `training.towers.score` computes it."""
MOST = 8_192
"""An index gives at most 16,384 items for a query, and where seen items never return, these are fetched besides."""


@dataclass(frozen=True, kw_only=True)
class MLPReranker:
    """An MLP f over (u, v, u∘v) that ranks the best of the index anew, by <u, v> / τ + f.

    Products of two vectors cannot express every taste; what may look at both can, but needs a pass for every pair. So
    the index retrieves, and f only orders what it found. It lives in the re-scorer: towers and index stay what they
    are. [Covington et al., RecSys 2016, for the two stages; NeuMF: He et al., WWW 2017, for products beside an MLP]

    widths: of the hidden layers. candidates: so many items of the index are ranked anew; what comes behind them
    keeps the order of the index. positives, negatives: of each batch so many positives train it, each against so many
    draws from what the towers rank high. learning_rate: larger than that of the towers, on which it waits.
    """

    widths: tuple[int, ...] = (64,)
    candidates: int = 200
    positives: int = 512
    negatives: int = 32
    learning_rate: float = 0.01

    def __post_init__(self) -> None:
        if not self.widths:
            raise ValueError(
                "MLPReranker.widths names no layer, and without one it is no MLP; leave reranker out for none"
            )
        for width in self.widths:
            at_least_one(self, widths=width)
        at_least_one(self, candidates=self.candidates, positives=self.positives, negatives=self.negatives)
        positive(self, learning_rate=self.learning_rate)
        if self.candidates > MOST:
            raise ValueError(
                f"MLPReranker.candidates is {self.candidates:,}, more than the {MOST:,} that fit into an answer of the "
                "index beside what the user has seen"
            )


@dataclass(frozen=True, kw_only=True)
class SelfSupervised:
    """Besides the loss of interactions, `weight` times one of items alone: two views of an item, each of which lacks
    the features that the other one shows, must find each other among the views of other items. So items with few
    interactions learn from what they are. [Yao et al., arXiv 2007.12865]

    masking: which features a view lacks. `correlated`: one drawn at random and those that say most about it, so that
    none can be filled in from its twin; `random`: any half. temperature: of the views' cosines. items: so many of the
    corpus in each step, each item as likely. id_share: share of the steps in which one of the views, never both, shows
    the item id: an id says everything about its item, so with it in both there would be nothing to learn.
    """

    weight: float = 0.1
    masking: Literal["correlated", "random"] = "correlated"
    temperature: float = 0.1
    items: int = 512
    id_share: float = 0.5

    def __post_init__(self) -> None:
        positive(self, weight=self.weight, temperature=self.temperature)
        if self.masking not in ("correlated", "random"):
            raise ValueError(f"SelfSupervised.masking must be 'correlated' or 'random', got {self.masking!r}")
        if not isinstance(self.items, int) or self.items < 2:
            raise ValueError(
                f"SelfSupervised.items must be a whole number from 2, as a view is told from those of other items; got "
                f"{self.items!r}"
            )
        if not 0 <= self.id_share <= 1:
            raise ValueError(f"SelfSupervised.id_share is a share in [0, 1], got {self.id_share}")


@dataclass(frozen=True, kw_only=True)
class RepeatTerm:
    """A learned term r(u, i) for the items of the user's history, besides <u, v_i> / τ.

    One user vector cannot point at two hundred items of its own; how often and how long ago each was taken can say
    which of them are due. It lives in the re-scorer, and the index stays what it is. [RepeatNet: Ren et al., AAAI 2019;
    SLRC: Wang et al., WWW 2019; Bhagat et al., Buy It Again, KDD 2018]

    It is trained after the towers, on their embeddings as constants: its gradients never
    reach them.
    """

    days: int = 28
    """An item counts as taken again if it is within so many."""
    outside: float = 0.15
    """Weight of a positive outside the history against one inside, which sets the level of r. Below 1: the maximum of
    many noisy scores is biased upwards."""
    rate: float = 1e-2
    """Learning rate of the dense weights; they are few, and start far from where they belong."""
    width: int = 32
    """Width of the hidden layer."""
    embedding: int = 8
    """Dimension of the item vectors that are the head's own."""
    dropout: float = 0.0
    """Share of the hidden layer that is left out in training. The mean of many steps needs none."""
    batch_size: int = 128
    """User snapshots of a step."""
    steps: int = 900
    """Steps at most."""
    passes: int = 10
    """Passes over the snapshots at most."""
    sample: int = 4096
    """Items of the corpus that stand for everything outside the history."""

    def __post_init__(self) -> None:
        at_least_one(self, days=self.days, width=self.width, embedding=self.embedding)
        at_least_one(self, batch_size=self.batch_size, steps=self.steps, passes=self.passes, sample=self.sample)
        positive(self, outside=self.outside, rate=self.rate)
        shares(self, dropout=self.dropout)
