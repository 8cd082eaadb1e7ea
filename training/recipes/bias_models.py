"""Models of what an impression's surroundings add to its clicks, as choices of a recipe."""

from __future__ import annotations

from dataclasses import dataclass

from training.recipes.validation import at_least_one, positive, shares

POSITION = "position"
"""Name of the position among the features of a bias tower."""


@dataclass(frozen=True, kw_only=True)
class PositionFeature:
    """Position as a feature of the user tower, fixed at serving.

    The user's vector moves by a vector of the position. Dropout keeps the towers from
    leaning on it. [Haldar et al., KDD 2020, section 5]
    """

    dropout: float = 0.15
    """Share of the impressions whose position is hidden in training."""
    learning_rate: float = 0.01
    """Learning rate of the positions' vectors."""

    def __post_init__(self) -> None:
        shares(self, dropout=self.dropout)
        positive(self, learning_rate=self.learning_rate)


@dataclass(frozen=True, kw_only=True)
class BiasTower:
    """Tower of what an impression's surroundings add; the towers keep the relevance."""

    features: tuple[str, ...] = (POSITION,)
    """Features of the surroundings: `position`, `row`, `column`, and further columns of
    the impressions."""
    widths: tuple[int, ...] = ()
    """Widths of hidden layers. Without any, each value of each feature has a weight."""
    dropout: float = 0.1
    """Share of the values that are hidden in training, so that the unknown value has a
    learned weight too."""
    learning_rate: float = 0.05
    """Learning rate of the bias tower. At the towers' rate it lags behind, and they take
    over what it should explain."""

    def __post_init__(self) -> None:
        if not self.features:
            raise ValueError(f"{type(self).__name__}.features is empty; wanted at least {POSITION!r}")
        if len(set(self.features)) < len(self.features):
            raise ValueError(f"{type(self).__name__}.features names one twice: {', '.join(self.features)}")
        at_least_one(self, **{f"widths[{place}]": width for place, width in enumerate(self.widths)})
        shares(self, dropout=self.dropout)
        positive(self, learning_rate=self.learning_rate)


@dataclass(frozen=True, kw_only=True)
class Additive(BiasTower):
    """Click probability σ(f + θ_k) [Zhao et al., RecSys 2019, section 4.3]."""


@dataclass(frozen=True, kw_only=True)
class Product(BiasTower):
    """Click probability σ(f)·σ(θ_k): relevant, and looked at [PAL: Guo et al., RecSys 2019]."""


@dataclass(frozen=True, kw_only=True)
class DotProduct(BiasTower):
    """Click probability σ(<u∘v, e_k>), whose mean over positions is <u, v>.

    [Yan et al., SIGIR 2022, section 3.2]
    """

    def __post_init__(self) -> None:
        BiasTower.__post_init__(self)
        if self.widths:
            raise ValueError(
                "DotProduct serves the mean of its bias over all positions, which hidden layers do not have: leave "
                "widths out"
            )


@dataclass(frozen=True, kw_only=True)
class Mixture(BiasTower):
    """Mixture of additive models, one of which generates a whole answer's clicks.

    Users differ in how they look: one opens the first item, another reads to the end.
    Fitted by expectation and maximisation. [MixEM: Yan et al., SIGIR 2022, section 3.3]
    """

    components: int = 2
    """Number of additive models, which share the relevance."""
    restarts: int = 10
    """Random starts of the positions' weights, of which the most likely one is taken."""

    def __post_init__(self) -> None:
        BiasTower.__post_init__(self)
        if self.widths:
            raise ValueError(
                "Mixture starts from the clicks by position, which hidden layers cannot be given: leave widths out"
            )
        if self.components < 2:
            raise ValueError(f"Mixture.components is {self.components}; wanted at least 2, or Additive()")
        at_least_one(self, restarts=self.restarts)


@dataclass(frozen=True, kw_only=True)
class CrossPositional(BiasTower):
    """Own relevance and bias, and those of the neighbours by attention over positions.

    [XPA: Zhuang et al., WWW 2021]
    """

    dim: int = 8
    """Dimension of the positions' queries and keys."""

    def __post_init__(self) -> None:
        BiasTower.__post_init__(self)
        at_least_one(self, dim=self.dim)


BiasModel = PositionFeature | Additive | Product | DotProduct | Mixture | CrossPositional
"""Declaration of a bias model."""
