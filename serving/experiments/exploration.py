"""Randomised order of a small share of the answers, with the probability of each position.

What is shown where is otherwise the ranker's choice alone, and clicks cannot tell the
position from the item. The items of an answer stay the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from serving.experiments.assignment import uniform
from serving.experiments.interleaving import coins

DEPTH = 10
"""Positions that are randomised unless a definition names others."""


class Kind(StrEnum):
    """Way in which an answer is randomised."""

    SWAP = "swap"
    """A coin pairs the positions as (1, 2) (3, 4) … or as (2, 3) (4, 5) …, and another one
    for each pair swaps it [FairPairs: Radlinski and Joachims, AAAI 2006]."""
    SLICE = "slice"
    """The first positions are in an order of which each is as likely as any other."""


@dataclass(frozen=True, kw_only=True)
class Exploration:
    """Share of the answers that is randomised. Ranks and positions count from 0."""

    share: float
    """Probability that an answer is randomised: above 0, at most 1."""
    kind: Kind
    depth: int = DEPTH
    """First positions that are randomised; the others stay as they are."""
    salt: str = "exploration"
    """Text in the hash of a request. Another salt randomises other answers."""
    dataset: str | None = None
    """Dataset whose answers are randomised; None for each of the home."""

    def order(self, request_id: str, user_id: str, length: int) -> list[int] | None:
        """Draw the ranks of the first positions; the same request has the same ones.

        Args:
            request_id: id of the request.
            user_id: the user. Users of one request are independent.
            length: number of items of the answer.

        Returns:
            Rank by position, or None for an answer that is left as it is.
        """
        depth = min(self.depth, length)
        if depth < 2 or uniform(self.salt, request_id, user_id) >= self.share:
            return None
        if self.kind is Kind.SLICE:
            return sorted(range(depth), key=lambda rank: uniform(self.salt, request_id, user_id, str(rank)))
        tosses = coins(self.salt, request_id, user_id)
        ranks = list(range(depth))
        for first in _pairs(tosses, depth):
            if next(tosses):
                ranks[first : first + 2] = first + 1, first
        return ranks

    def groups(self, request_id: str, user_id: str, length: int) -> list[str | None]:
        """Group of each of the first positions of a randomised answer.

        Every order of the items of a group was as likely as any other. A position that
        none could come to has no group, None.

        Args:
            request_id: id of the request.
            user_id: the user.
            length: number of items of the answer.
        """
        depth = min(self.depth, length)
        if self.kind is Kind.SLICE:
            return [Kind.SLICE.value] * depth
        found: list[str | None] = [None] * depth
        for first in _pairs(coins(self.salt, request_id, user_id), depth):
            found[first : first + 2] = [f"{Kind.SWAP.value} {first + 1}"] * 2
        return found

    def propensity(self, rank: int, position: int, length: int) -> float:
        """Probability that an item is shown at a position, over all answers to the request.

        Args:
            rank: rank of the item.
            position: the position.
            length: number of items of the answer.
        """
        depth = min(self.depth, length)
        if depth < 2 or max(rank, position) >= depth:
            return float(rank == position)
        if self.kind is Kind.SLICE:
            return self.share / depth + (1 - self.share) * (rank == position)
        if rank == position:
            # The first and the last position have a neighbour in one of the two pairings.
            return 1 - self.share * (0.25 if rank in (0, depth - 1) else 0.5)
        return self.share / 4 if abs(rank - position) == 1 else 0.0

    def propensities(self, ranks: Sequence[int] | None, length: int) -> tuple[float, ...]:
        """Probability of each item of an answer at its position.

        Args:
            ranks: what `order` has drawn.
            length: number of items of the answer.
        """
        if ranks is None:
            return _propensities_as_ranked(self, length)
        found = [self.propensity(rank, position, length) for position, rank in enumerate(ranks)]
        return (*found, *([1.0] * (length - len(found))))

    def is_of(self, dataset: str) -> bool:
        """Whether it randomises the answers of a dataset."""
        return self.dataset in (None, dataset)


def _pairs(tosses: Iterator[bool], depth: int) -> range:
    """First position of each pair; a toss decides between both pairings."""
    return range(0 if next(tosses) else 1, depth - 1, 2)


@lru_cache(maxsize=128)
def _propensities_as_ranked(exploration: Exploration, length: int) -> tuple[float, ...]:
    """Propensities of an answer that is left as it is: most are, so they are kept."""
    return exploration.propensities(range(min(exploration.depth, length)), length)
