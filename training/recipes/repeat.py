"""Repeat consumption, declared: no third-party import."""

from __future__ import annotations

from dataclasses import dataclass

from training.recipes.checks import at_least_one, shares


@dataclass(frozen=True, kw_only=True)
class RepeatTerm:
    """A learned term r(u, i) for the items of the user's history, besides <u, v_i> / τ.

    One user vector cannot point at two hundred items of its own; how often and how long ago each was taken can say
    which of them are due. It lives in the re-scorer, and the index stays what it is. [RepeatNet: Ren et al., AAAI 2019;
    SLRC: Wang et al., WWW 2019; Bhagat et al., Buy It Again, KDD 2018]

    days: an item counts as taken again if it is within so many. outside: how much a positive outside the history weighs
    in the term's loss against one inside, which sets the level of r: below 1, because the best scores of all that is
    outside promise more than they hold. rate: at which the dense weights move; they are few, and start far from where
    they belong. width: of the hidden layer. embedding: of the item vectors that are the term's own. dropout: share of
    the hidden layer that is left out in training.
    """

    days: int = 28
    outside: float = 0.15
    rate: float = 1e-2
    width: int = 32
    embedding: int = 8
    dropout: float = 0.1

    def __post_init__(self) -> None:
        at_least_one(self, days=self.days, width=self.width, embedding=self.embedding)
        for name in ("outside", "rate"):
            if getattr(self, name) <= 0:
                raise ValueError(f"RepeatTerm.{name} must be positive, got {getattr(self, name)}")
        shares(self, dropout=self.dropout)
