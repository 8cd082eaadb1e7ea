"""Ways to read a history as one vector, declared.

`dropout` means the same in all of them: the mean share of each history that is left out in training, because a whole
history names its user and would be learned by heart.
"""

from __future__ import annotations

from dataclasses import dataclass

from training.recipes.checks import at_least_one, divides, shares


@dataclass(frozen=True, kw_only=True)
class WeightedPooling:
    """A mean of the items, weighted by a learned function of age and count: what was taken lately and often."""

    dropout: float = 0.5

    def __post_init__(self) -> None:
        shares(self, dropout=self.dropout)


@dataclass(frozen=True, kw_only=True)
class MeanPooling:
    """The plain mean of the items."""

    dropout: float = 0.5

    def __post_init__(self) -> None:
        shares(self, dropout=self.dropout)


@dataclass(frozen=True, kw_only=True)
class MultiHeadPooling:
    """Several means, each weighted by what the items are as well as by age and count: one per interest."""

    heads: int = 4
    dropout: float = 0.5

    def __post_init__(self) -> None:
        at_least_one(self, heads=self.heads)
        shares(self, dropout=self.dropout)


@dataclass(frozen=True, kw_only=True)
class GRUHistory:
    """A recurrent network over the items from the oldest to the newest [GRU4Rec: Hidasi et al., ICLR 2016]."""

    width: int = 64
    dropout: float = 0.2

    def __post_init__(self) -> None:
        at_least_one(self, width=self.width)
        shares(self, dropout=self.dropout)


@dataclass(frozen=True, kw_only=True)
class SelfAttention:
    """Causal self-attention over the items, read at the newest [SASRec: Kang and McAuley, ICDM 2018].

    positions: so many newest items have a place of their own, all older ones share one. block_dropout: dropout inside
    the blocks.
    """

    width: int = 64
    heads: int = 2
    blocks: int = 2
    positions: int = 50
    dropout: float = 0.2
    block_dropout: float = 0.1

    def __post_init__(self) -> None:
        at_least_one(self, width=self.width, heads=self.heads, blocks=self.blocks, positions=self.positions)
        divides(self, self.heads, self.width)
        shares(self, dropout=self.dropout, block_dropout=self.block_dropout)


History = WeightedPooling | MeanPooling | MultiHeadPooling | GRUHistory | SelfAttention
