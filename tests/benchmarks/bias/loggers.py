"""Loggers: who decides the order of an answer's items.

Legend: S answers, L items of an answer.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Protocol

import numpy as np


@dataclass(frozen=True, kw_only=True, eq=False)
class Scene:
    """Answers before they are ordered: their items in no order."""

    item_SL: np.ndarray
    logit_SL: np.ndarray
    """Logit of the true relevance."""
    irrelevant_SL: np.ndarray
    """Feature of the item that has nothing to do with its relevance."""


class Logger(Protocol):
    """Order of the items of answers."""

    def ranks(self, scene: Scene, rng: np.random.Generator) -> np.ndarray:
        """Position of each item, from 0: int64 [S, L]."""

    def probability(self, scene: Scene, rank_SL: np.ndarray) -> np.ndarray | None:
        """Probability that each item of an answer gets this position; None if unknown."""


@dataclass(frozen=True, kw_only=True)
class Random:
    """Any order, all equally likely."""

    def ranks(self, scene: Scene, rng: np.random.Generator) -> np.ndarray:
        return ranked(rng.random(scene.item_SL.shape))

    def probability(self, scene: Scene, rank_SL: np.ndarray) -> np.ndarray | None:
        inside_SL = (rank_SL >= 0) & (rank_SL < rank_SL.shape[1])
        return inside_SL / rank_SL.shape[1]


@dataclass(frozen=True, kw_only=True)
class Sorted(ABC):
    """By a score, with normal noise; without noise the same items have one order."""

    noise: float = 0.0
    """Standard deviation of the noise, beside scores of standard deviation about 1."""

    @abstractmethod
    def scores(self, scene: Scene) -> np.ndarray:
        """Scores, of which the highest comes first: [S, L]."""

    def ranks(self, scene: Scene, rng: np.random.Generator) -> np.ndarray:
        scores_SL = self.scores(scene)
        return ranked(scores_SL + self.noise * rng.standard_normal(scores_SL.shape))

    def probability(self, scene: Scene, rank_SL: np.ndarray) -> np.ndarray | None:
        return (ranked(self.scores(scene)) == rank_SL).astype(float) if self.noise == 0 else None


@dataclass(frozen=True, kw_only=True)
class ByIrrelevant(Sorted):
    """By the irrelevant feature of the items."""

    def scores(self, scene: Scene) -> np.ndarray:
        return scene.irrelevant_SL


@dataclass(frozen=True, kw_only=True)
class ByRelevance(Sorted):
    """By the logit of the true relevance; exactly without noise."""

    def scores(self, scene: Scene) -> np.ndarray:
        return scene.logit_SL


@dataclass(frozen=True, kw_only=True)
class ByItem(Sorted):
    """By the number of the item: each item keeps its place whoever looks."""

    def scores(self, scene: Scene) -> np.ndarray:
        return -scene.item_SL.astype(float)


@dataclass(frozen=True, kw_only=True)
class Companions:
    """Items with much of the irrelevant feature stand beside relevant items.

    Half of the items, drawn at random, are sorted by the feature and fill the even
    positions, the others are sorted by relevance and fill the odd ones; a coin says in
    which direction. So neighbours' relevance goes with a feature of the item, though its
    own does not.
    """

    def ranks(self, scene: Scene, rng: np.random.Generator) -> np.ndarray:
        half_SL = ranked(rng.random(scene.item_SL.shape)) % 2
        among_SL = np.where(half_SL == 0, scene.irrelevant_SL, scene.logit_SL)
        # An order of each half by itself: the offset keeps the halves apart.
        offset = 2 * (np.abs(among_SL).max() + 1)
        within_SL = ranked(among_SL - offset * half_SL)
        first = (scene.item_SL.shape[1] + 1) // 2
        rank_SL = np.where(half_SL == 0, 2 * within_SL, 2 * (within_SL - first) + 1)
        turned_S1 = rng.random((len(rank_SL), 1)) < 0.5
        return np.where(turned_S1, rank_SL.shape[1] - 1 - rank_SL, rank_SL)

    def probability(self, scene: Scene, rank_SL: np.ndarray) -> np.ndarray | None:
        return None


@dataclass(frozen=True, kw_only=True)
class NeighbourSwap:
    """Order of another logger, with one pair of neighbours swapped in some answers."""

    base: Logger
    share: float
    """Share of the answers with a swap; each pair of neighbours is equally likely."""

    def ranks(self, scene: Scene, rng: np.random.Generator) -> np.ndarray:
        rank_SL = self.base.ranks(scene, rng)
        upper_S1 = rng.integers(rank_SL.shape[1] - 1, size=(len(rank_SL), 1))
        swapped_S1 = rng.random((len(rank_SL), 1)) < self.share
        down_SL, up_SL = swapped_S1 & (rank_SL == upper_S1), swapped_S1 & (rank_SL == upper_S1 + 1)
        return rank_SL + down_SL.astype(int) - up_SL.astype(int)

    def probability(self, scene: Scene, rank_SL: np.ndarray) -> np.ndarray | None:
        moved = self.share / (rank_SL.shape[1] - 1)
        kept_SL = 1 - moved * ((rank_SL > 0).astype(int) + (rank_SL < rank_SL.shape[1] - 1))
        by_base = [self.base.probability(scene, rank_SL + step) for step in (0, -1, 1)]
        if by_base[0] is None or by_base[1] is None or by_base[2] is None:
            return None
        return kept_SL * by_base[0] + moved * (by_base[1] + by_base[2])


@dataclass(frozen=True, kw_only=True)
class Mixture:
    """One of several loggers, drawn for each answer."""

    loggers: tuple[Logger, ...]
    shares: tuple[float, ...]

    def ranks(self, scene: Scene, rng: np.random.Generator) -> np.ndarray:
        which_S = rng.choice(len(self.loggers), size=len(scene.item_SL), p=self.shares)
        rank_XSL = np.stack([each.ranks(scene, rng) for each in self.loggers])
        return rank_XSL[which_S, np.arange(len(which_S))]

    def probability(self, scene: Scene, rank_SL: np.ndarray) -> np.ndarray | None:
        parts = [each.probability(scene, rank_SL) for each in self.loggers]
        known = [share * part for share, part in zip(self.shares, parts, strict=True) if part is not None]
        return sum(known, np.zeros(rank_SL.shape)) if len(known) == len(parts) else None


def ranked(score_SL: np.ndarray) -> np.ndarray:
    """Position of each score in its row, the highest first: int64 [S, L]."""
    order_SL = np.argsort(-score_SL, axis=1, kind="stable")
    rank_SL = np.empty_like(order_SL)
    np.put_along_axis(rank_SL, order_SL, np.arange(score_SL.shape[1])[None, :], axis=1)
    return rank_SL
