"""Generated shops, each of another shape; a seed determines each.

Legend: U users, N items, E events.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tests.benchmarks.shapes.shop import Shop, World, first_of_each_pair

DAY = 86_400
"""Seconds."""


def news(seed: int) -> Shop:
    """News: 40 articles a day, each read for three days, mostly on the first."""
    days, fresh = 60, np.array([1.0, 0.45, 0.15])
    world = World.of(seed, users=2_500, released=lambda rng: np.sort(rng.uniform(0, days, size=40 * days)))
    user_E, second_E = _visits(world, 50_000, days, activity=1.0)

    def weights(day: int) -> np.ndarray:
        age_N = day - np.floor(world.released_N).astype(int)
        return world.quality_N * np.where((age_N >= 0) & (age_N < 3), fresh[age_N.clip(0, 2)], 0.0)

    return _once(world, user_E, second_E, weights)


def one_sitting(seed: int) -> Shop:
    """One-sitting users: each takes about 14 items within two hours, and never returns."""
    days, users, shelf = 150, 4_500, 900
    world = World.of(seed, users=users, released=lambda rng: -rng.uniform(1, 400, size=shelf))
    sizes_U = 4 + world.rng.geometric(0.1, size=users)
    user_E = np.repeat(np.arange(users), sizes_U)
    # Minutes of the day leave two hours before midnight: a sitting lies in one day.
    begins_U = world.rng.integers(days, size=users) * DAY + world.rng.integers(22 * 3_600, size=users)
    second_E = begins_U[user_E] + world.rng.integers(2 * 3_600, size=len(user_E))
    phase_N = world.rng.uniform(0, 2 * np.pi, size=shelf)

    def weights(day: int) -> np.ndarray:
        # Fashion moves slowly: each item has better and worse months.
        return world.quality_N * np.exp(1.0 * np.sin(2 * np.pi * day / 120 + phase_N))

    return _once(world, user_E, second_E, weights)


def seasons(seed: int) -> Shop:
    """Fashion: a collection every quarter, at full price at first, gone after 120 days."""
    days, collection = 540, 350
    starts = np.arange(-90, days, 90)
    world = World.of(
        seed,
        users=3_000,
        released=lambda rng: np.repeat(starts, collection) + rng.uniform(0, 15, size=len(starts) * collection),
    )
    user_E, second_E = _visits(world, 50_000, days, activity=0.8)

    def weights(day: int) -> np.ndarray:
        age_N = day - world.released_N
        return world.quality_N * np.where((age_N >= 0) & (age_N < 120), np.exp(-age_N / 45), 0.0)

    return _once(world, user_E, second_E, weights)


def few_items(seed: int) -> Shop:
    """Few items and many users: 300 drinks, 6,000 guests who mostly return to their own."""
    days, own = 120, 3
    world = World.of(seed, users=6_000, released=lambda rng: -rng.uniform(1, 400, size=300))
    user_E, second_E = _visits(world, 60_000, days, activity=0.8)
    item_E = world.takes(user_E, np.zeros_like(user_E), lambda day: world.quality_N)
    # A guest's own drinks are the first ones that taste would have drawn.
    owner_E, none = np.repeat(np.arange(6_000), own), np.zeros(6_000 * own, dtype=np.int64)
    own_UK = world.takes(owner_E, none, lambda day: world.quality_N).reshape(-1, own)
    again_E = world.rng.random(len(user_E)) < 0.55
    mine_E = own_UK[user_E, world.rng.integers(own, size=len(user_E))]
    return world.shop(user_E, np.where(again_E, mine_E, item_E), second_E)


def many_items(seed: int) -> Shop:
    """Many items and few events: 20,000 items of a market place, one or two sales each."""
    world = World.of(seed, users=2_500, released=lambda rng: rng.uniform(-300, 150, size=20_000), skew=1.2)
    user_E, second_E = _visits(world, 30_000, 180, activity=0.7)
    return _once(world, user_E, second_E, lambda day: world.quality_N * (world.released_N <= day))


def cold_start(seed: int) -> Shop:
    """Heavy cold start: users stay for about a week, and new items replace the old ones."""
    days, users = 120, 9_000
    world = World.of(seed, users=users, released=lambda rng: rng.uniform(-30, days, size=1_500))
    user_E = np.repeat(np.arange(users), world.rng.geometric(1 / 5, size=users))
    stays_E = world.rng.integers(-7, days, size=users)[user_E] + world.rng.exponential(5, size=len(user_E))
    inside = (stays_E >= 0) & (stays_E < days)
    user_E, second_E = user_E[inside], (stays_E[inside] * DAY).astype(np.int64)
    return _once(world, user_E, second_E, lambda day: world.quality_N * _shelf(world, day, 45.0))


SHOPS: dict[str, Callable[[int], Shop]] = {
    "news": news,
    "one_sitting": one_sitting,
    "seasons": seasons,
    "few_items": few_items,
    "many_items": many_items,
    "cold_start": cold_start,
}
"""Generators by name; each takes a seed."""


def _visits(world: World, events: int, days: int, *, activity: float) -> tuple[np.ndarray, np.ndarray]:
    """User and second of each event, in the order of time.

    Args:
        world: users and items.
        events: number of events.
        days: days of the log.
        activity: standard deviation of the logarithm of how often a user comes.
    """
    rng, users = world.rng, len(world.taste_UG)
    often_U = np.exp(rng.normal(0, activity, size=users))
    user_E = rng.choice(users, size=events, p=often_U / often_U.sum())
    return user_E, np.sort(rng.integers(days * DAY, size=events))


def _shelf(world: World, day: int, half_life: float) -> np.ndarray:
    """Attraction by age, 0 before the release: float64 [N].

    Args:
        world: users and items.
        day: the day.
        half_life: days after which an item attracts half.
    """
    age_N = day - world.released_N
    return np.where(age_N >= 0, 0.5 ** (age_N.clip(0) / half_life), 0.0)


def _once(world: World, user_E: np.ndarray, second_E: np.ndarray, weights: Callable[[int], np.ndarray]) -> Shop:
    """Shop in which nobody takes an item twice.

    Args:
        world: users and items.
        user_E: user of each event.
        second_E: time of each event, in seconds.
        weights: attraction of each item on a day.
    """
    order = np.argsort(second_E, kind="stable")
    user_E, second_E = user_E[order], second_E[order]
    item_E = world.takes(user_E, second_E // DAY, weights)
    return world.shop(user_E, np.where(first_of_each_pair(user_E, item_E), item_E, -1), second_E)
