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

    width: of the hidden layer. embedding: of the item vectors that are the term's own. dropout: share of the places of
    a history at which, in training, an item speaks through its categories alone, so that these are learned for items
    that are rare.
    """

    width: int = 32
    embedding: int = 8
    dropout: float = 0.1

    def __post_init__(self) -> None:
        at_least_one(self, width=self.width, embedding=self.embedding)
        shares(self, dropout=self.dropout)
