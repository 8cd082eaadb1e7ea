"""Objective of a recipe: loss, score, and the heads beside the towers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from training.recipes.sampling import InBatch, Mixed, Negatives, Popularity
from training.recipes.validation import at_least_one, positive, shares

MARGINS = ("cosine_contrastive", "cosine_targets", "hinge_triplet")
"""Losses that compare a cosine with a margin or a target."""
UNIFORM = ("bilateral_softmax", "cosine_contrastive")
"""Losses that need negatives drawn uniformly."""


@dataclass(frozen=True)
class Loss:
    """Loss of `training.losses.LOSSES`: `Loss("bilateral_softmax", {"exponent": 1})`.

    Raises:
        ValueError: an unknown name, or a parameter that the loss does not have.
    """

    name: str = "softmax"
    """Name of the loss."""
    parameters: Mapping[str, float] = field(default_factory=dict, hash=False)
    """Keyword parameters of the loss."""

    def __post_init__(self) -> None:
        import inspect

        # The first parameter is the candidates; the others are the loss's own.
        known = list(inspect.signature(self.function).parameters)[1:]
        unknown = sorted(set(self.parameters) - set(known))
        if unknown:
            raise ValueError(f"loss {self.name!r} has no parameter {', '.join(unknown)}; it has {known or 'none'}")

    @property
    def function(self) -> Callable[..., Any]:
        """Function of that name."""
        from training.losses import LOSSES

        if self.name not in LOSSES:
            raise ValueError(f"no loss {self.name!r}; there are {', '.join(LOSSES)}")
        return LOSSES[self.name]

    def refuse(self, score: ScoreConfig, negatives: Negatives) -> None:
        """Raise ValueError for a score or negatives that the loss is not defined for."""
        # A temperature would scale the cosine, and with it the meaning of the margin.
        if self.name in MARGINS and not score.bare:
            raise ValueError(
                f"{self.name} compares cosines with a margin or a target, but the score is {score}: "
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
                f"{self.name} averages over uniform negatives without a correction, but "
                f"{negatives.sampler} draws popular items more often: use Uniform(number=...) or Corpus()"
            )
        if negatives.all_negative and (negatives.hide_known or self.name not in UNIFORM):
            raise ValueError(
                f"all_negative leaves positives among their own negatives, and {self.name} with "
                f"hide_known={negatives.hide_known} needs them out of these: use one of {', '.join(UNIFORM)}, "
                "and hide_known=False"
            )


@dataclass(frozen=True, kw_only=True)
class Cosine:
    """Score <u, v> / τ of unit vectors."""

    temperature: float = 0.05
    """τ; its starting value if it is learned."""
    learned: bool = True
    """Whether log τ is learned."""
    bounds: tuple[float, float] = (0.005, 1.0)
    """Least and largest learned τ."""
    shift: bool = False
    """Whether a constant is learned and added, which pointwise losses need."""

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
"""Most candidates of a reranker. An index returns at most 16,384 items for a query,
seen items included."""


@dataclass(frozen=True, kw_only=True)
class MLPReranker:
    """MLP f over (u, v, u∘v) that reorders the best of the index by <u, v> / τ + f.

    A product of two vectors cannot express every taste. A model that reads both can,
    but needs a pass for every pair; so the index retrieves, and f orders only its
    candidates. The rescorer holds f: towers and index stay unchanged. [Covington et
    al., RecSys 2016, for the two stages; NeuMF: He et al., WWW 2017, for products
    beside an MLP]
    """

    widths: tuple[int, ...] = (64,)
    """Widths of the hidden layers."""
    candidates: int = 200
    """Items of the index that are reordered; later items keep the order of the index."""
    positives: int = 512
    """Positives of each batch that train f."""
    negatives: int = 32
    """Negatives of each of them, drawn from the items that the towers rank high."""
    learning_rate: float = 0.01
    """Learning rate of f; larger than that of the towers, whose scores f corrects."""

    def __post_init__(self) -> None:
        if not self.widths:
            raise ValueError("MLPReranker.widths names no layer; wanted at least one width, or no reranker")
        for width in self.widths:
            at_least_one(self, widths=width)
        at_least_one(self, candidates=self.candidates, positives=self.positives, negatives=self.negatives)
        positive(self, learning_rate=self.learning_rate)
        if self.candidates > MOST:
            raise ValueError(
                f"MLPReranker.candidates is {self.candidates:,}, more than the {MOST:,} that fit into an answer of the "
                "index beside seen items: lower candidates"
            )


@dataclass(frozen=True, kw_only=True)
class SelfSupervised:
    """Contrastive loss of items alone, beside that of interactions.

    Two views of an item, each without the features that the other has, must find each
    other among the views of other items. So items with few interactions learn
    from their features. [Yao et al., arXiv 2007.12865]
    """

    weight: float = 0.1
    """Weight of the loss."""
    masking: Literal["correlated", "random"] = "correlated"
    """Features that a view lacks. `correlated`: one drawn at random and those that say
    most about it, so that no twin fills them in. `random`: any half."""
    temperature: float = 0.1
    """Temperature of the views' cosines."""
    items: int = 512
    """Items of each step, drawn uniformly from the corpus."""
    id_share: float = 0.5
    """Share of the steps in which one of the views has the item id. Never both: the id
    alone identifies its item, and nothing else would be learned."""

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
    """Repeat head r(u, i): a learned term for history items, added to <u, v_i> / τ.

    One user vector cannot point at two hundred items of its own, but their ages and
    counts tell which of them are due. The rescorer holds the head: the index stays
    unchanged. It is trained after the towers, on their embeddings as constants, so that
    its gradients never reach them. [RepeatNet: Ren et al., AAAI 2019; SLRC: Wang et
    al., WWW 2019; Bhagat et al., Buy It Again, KDD 2018]
    """

    days: int = 28
    """Window of the repeat labels: days within which a repetition counts."""
    outside: float = 0.15
    """Weight of a positive outside the history, against 1 for one inside; it sets the
    level of r. Below 1, because the maximum of many noisy scores is biased upwards."""
    rate: float = 1e-2
    """Learning rate of the dense weights. They are few and start far from their
    optimum."""
    width: int = 32
    """Width of the hidden layer."""
    embedding: int = 8
    """Dimension of the head's own item vectors."""
    dropout: float = 0.0
    """Dropout of the hidden layer; 0, because the weights are a mean over many steps."""
    batch_size: int = 128
    """User snapshots of a step."""
    steps: int = 450
    """Most steps."""
    passes: int = 10
    """Most passes over the snapshots."""
    sample: int = 4096
    """Items of the corpus that stand for all items outside the history."""

    def __post_init__(self) -> None:
        at_least_one(self, days=self.days, width=self.width, embedding=self.embedding)
        at_least_one(self, batch_size=self.batch_size, steps=self.steps, passes=self.passes, sample=self.sample)
        positive(self, outside=self.outside, rate=self.rate)
        shares(self, dropout=self.dropout)
