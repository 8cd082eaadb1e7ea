"""Drawing of generated shops: tastes, items on sale, and who takes what on which day.

A shop has groups of items. Each user likes few groups, and each item sells by a weight
that may change from day to day. All of it follows from a seed.

Legend: U users, N items, G groups, E events.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import polars as pl

START = datetime(2024, 1, 1)
GROUPS = np.array(["tea", "bread", "garden", "music", "sport", "toys", "books", "shoes", "films", "bags"])
TOLD = 0.6
"""Share of the users whose favourite group stands in the table of users."""
_COLOURS = np.array(["red", "green", "blue", "white", "black", "yellow"])


@dataclass(frozen=True, kw_only=True)
class Shop:
    """Tables as a person would bring them."""

    events: pl.DataFrame
    """user_id, item_id, timestamp."""
    users: pl.DataFrame
    """user_id, favourite, age."""
    items: pl.DataFrame
    """item_id, category, title, price, released."""


@dataclass(frozen=True, kw_only=True, eq=False)
class World:
    """Users and items before anything happens."""

    rng: np.random.Generator
    """Source of everything random that follows."""
    taste_UG: np.ndarray
    """Share of each group in what a user takes."""
    group_N: np.ndarray
    """Group of each item."""
    quality_N: np.ndarray
    """Lasting attraction of each item, skewed as sales are."""
    released_N: np.ndarray
    """Day of each item's release, counted from START."""

    @classmethod
    def of(
        cls, seed: int, *, users: int, released: Callable[[np.random.Generator], np.ndarray], skew: float = 1.0
    ) -> World:
        """World of a seed.

        Args:
            seed: random seed.
            users: number of users.
            released: draws the day of release of each item, and so their number.
            skew: standard deviation of the logarithm of the items' quality.
        """
        rng = np.random.default_rng(seed)
        released_N = released(rng)
        return cls(
            rng=rng,
            taste_UG=rng.dirichlet(np.full(len(GROUPS), 0.25), size=users),
            group_N=rng.integers(len(GROUPS), size=len(released_N)),
            quality_N=np.exp(rng.normal(0, skew, size=len(released_N))),
            released_N=released_N,
        )

    def takes(self, user_E: np.ndarray, day_E: np.ndarray, weights: Callable[[int], np.ndarray]) -> np.ndarray:
        """Item of each event: int64 [E]; -1 where the group has nothing on sale.

        Args:
            user_E: user of each event.
            day_E: day of each event.
            weights: attraction of each item on a day, 0 for what is not on sale.
        """
        # The group of an event is drawn from its user's taste, the item by its weight.
        draws_E = self.rng.random(len(user_E))
        group_E = (np.cumsum(self.taste_UG, axis=1)[user_E] < draws_E[:, None]).sum(axis=1).clip(max=len(GROUPS) - 1)
        by_group = np.argsort(self.group_N, kind="stable")
        first_G = np.searchsorted(self.group_N[by_group], np.arange(len(GROUPS) + 1))
        item_E = np.full(len(user_E), -1)
        for day in np.unique(day_E):
            rows = np.flatnonzero(day_E == day)
            sums = np.concatenate([[0.0], np.cumsum(weights(int(day))[by_group])])
            low, high = sums[first_G[group_E[rows]]], sums[first_G[group_E[rows] + 1]]
            found = np.searchsorted(sums, low + self.rng.random(len(rows)) * (high - low), side="right") - 1
            item_E[rows] = np.where(high > low, by_group[found.clip(max=len(by_group) - 1)], -1)
        return item_E

    def shop(self, user_E: np.ndarray, item_E: np.ndarray, second_E: np.ndarray) -> Shop:
        """Shop of these events; those without an item are left out.

        Args:
            user_E: user of each event.
            item_E: item of each event; -1 for none.
            second_E: time of each event, in seconds from START.
        """
        kept = item_E >= 0
        events = pl.DataFrame(
            {
                "user_id": names("u", user_E[kept]),
                "item_id": names("i", item_E[kept]),
                "timestamp": np.datetime64(START, "us") + second_E[kept].astype(np.int64).astype("timedelta64[s]"),
            }
        )
        return Shop(
            events=events.unique(["user_id", "item_id", "timestamp"]).sort("timestamp", "user_id", "item_id"),
            users=self._users(),
            items=self._items(),
        )

    def _users(self) -> pl.DataFrame:
        size = len(self.taste_UG)
        told = pl.Series(self.rng.random(size) < TOLD)
        favourite = pl.Series(GROUPS[self.taste_UG.argmax(axis=1)])
        table = {"user_id": names("u", np.arange(size)), "favourite": favourite, "age": self.rng.integers(18, 80, size)}
        return pl.DataFrame(table).with_columns(pl.when(told).then("favourite").alias("favourite"))

    def _items(self) -> pl.DataFrame:
        size = len(self.group_N)
        colour = pl.Series(_COLOURS[self.rng.integers(len(_COLOURS), size=size)])
        category = pl.Series(GROUPS[self.group_N])
        released = np.datetime64(START, "us") + (self.released_N * 86_400).astype(np.int64).astype("timedelta64[s]")
        return pl.DataFrame(
            {
                "item_id": names("i", np.arange(size)),
                "category": category,
                "title": colour + " " + category + " no. " + pl.Series(np.arange(size).astype(str)),
                "price": self.rng.gamma(3.0, 4.0, size=size).round(2) + 0.5,
                "released": released,
            }
        )


def names(prefix: str, numbers: np.ndarray) -> pl.Series:
    """Ids of a prefix and a number."""
    return pl.Series(numbers).to_frame("n").select(pl.format(prefix + "{}", "n")).to_series()


def first_of_each_pair(user_E: np.ndarray, item_E: np.ndarray) -> np.ndarray:
    """bool [E]: whether an event is the first of its user and item, by position."""
    pairs = pl.DataFrame({"user": user_E, "item": item_E})
    return pairs.select(pl.struct("user", "item").is_first_distinct()).to_series().to_numpy()
