"""Simulated users who leave: the most clicked items are not those that bring people back.

Each day a user sees a list, takes one item of it or none, and comes back the next day or
never again. Bait attracts; other items satisfy those whose taste they meet.

Legend: U users, N items, F tastes, K items of a list.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import polars as pl

START = datetime(2024, 1, 1)
DAYS = 20
"""Most days of a user."""
ITEMS, TASTES, SHOWN = 24, 3, 3
Show = Callable[[np.ndarray], np.ndarray]
"""Lists of users of given tastes: [U, F] to [U, K]."""


@dataclass(frozen=True, kw_only=True, eq=False)
class World:
    """Items, and how users answer to them."""

    topic_NF: np.ndarray
    """Tastes that an item meets."""
    bait_N: np.ndarray
    """Mask of the bait."""
    attraction: float = 1.2
    """What bait adds to the log-odds of being taken."""
    leaves_bait: float = 0.6
    """Share of the users who leave after bait."""
    leaves_all: float | None = None
    """Share who leave after any item; None if that depends on the item."""

    def attract(self, user_UF: np.ndarray) -> np.ndarray:
        """Log-odds of each item to be taken, against none: [U, N]."""
        return user_UF @ self.topic_NF.T + self.attraction * self.bait_N

    def leave(self, user_UF: np.ndarray) -> np.ndarray:
        """Probability to leave after each item: [U, N]."""
        met_UN = user_UF @ self.topic_NF.T
        if self.leaves_all is not None:
            return np.full(met_UN.shape, self.leaves_all)
        return np.where(self.bait_N, self.leaves_bait, 0.05 + 0.3 / (1 + np.exp(2 * met_UN)))


def world(seed: int, *, equal: bool = False) -> World:
    """World of a seed; `equal` makes users leave alike after all items."""
    topic_NF = np.random.default_rng(seed).normal(size=(ITEMS, TASTES))
    topic_NF /= np.linalg.norm(topic_NF, axis=1, keepdims=True)
    return World(topic_NF=topic_NF, bait_N=np.arange(ITEMS) < ITEMS // 2, leaves_all=0.3 if equal else None)


@dataclass(frozen=True, kw_only=True, eq=False)
class Sessions:
    """Interactions of simulated users, one row each."""

    user_I: np.ndarray
    item_I: np.ndarray
    day_I: np.ndarray
    return_U: np.ndarray
    """Items that each user took in all."""

    def positives(self) -> pl.DataFrame:
        """Interactions as a training reads them, the user as a number."""
        time = pl.Series([START], dtype=pl.Datetime("us")) + pl.Series(self.day_I) * timedelta(days=1)
        return pl.DataFrame({"user_id": self.user_I, "timestamp": time})


def simulate(planted: World, user_UF: np.ndarray, show: Show, rng: np.random.Generator) -> Sessions:
    """Sessions of users who are shown lists.

    Args:
        planted: the world.
        user_UF: tastes of the users.
        show: policy that shows lists.
        rng: source of the users' choices.
    """
    attract_UN, leave_UN = planted.attract(user_UF), planted.leave(user_UF)
    here_U, return_U = np.arange(len(user_UF)), np.zeros(len(user_UF))
    found: list[tuple[np.ndarray, np.ndarray, int]] = []
    for day in range(DAYS):
        if not len(here_U):
            break
        shown_UK = show(user_UF[here_U])
        power_UK = np.exp(attract_UN[here_U[:, None], shown_UK])
        below_UK = power_UK.cumsum(axis=1) / (1 + power_UK.sum(axis=1, keepdims=True))
        place_U = (rng.random((len(here_U), 1)) > below_UK).sum(axis=1)
        # The place behind the list is that of none.
        taken_U = place_U < shown_UK.shape[1]
        item_U = shown_UK[np.arange(len(here_U)), np.minimum(place_U, shown_UK.shape[1] - 1)]
        return_U[here_U] += taken_U
        found.append((here_U[taken_U], item_U[taken_U], day))
        leaves_U = np.where(taken_U, leave_UN[here_U, item_U], 0.3)
        here_U = here_U[rng.random(len(here_U)) > leaves_U]
    return Sessions(
        user_I=np.concatenate([user for user, _, _ in found]),
        item_I=np.concatenate([item for _, item, _ in found]),
        day_I=np.concatenate([np.full(len(user), day) for user, _, day in found]),
        return_U=return_U,
    )


def drawn_by(score_UN: Callable[[np.ndarray], np.ndarray], rng: np.random.Generator) -> Show:
    """Policy that draws lists without replacement from a softmax of scores [Plackett-Luce]."""

    def show(user_UF: np.ndarray) -> np.ndarray:
        scores_UN = score_UN(user_UF)
        # The highest of scores with Gumbel noise are a draw without replacement.
        return np.argsort(-(scores_UN + rng.gumbel(size=scores_UN.shape)), axis=1)[:, :SHOWN]

    return show


def best_of(score_UN: Callable[[np.ndarray], np.ndarray]) -> Show:
    """Policy that shows the items of the highest scores."""
    return lambda user_UF: np.argsort(-score_UN(user_UF), axis=1)[:, :SHOWN]
