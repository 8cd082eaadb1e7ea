"""Worlds of users and items, and logs of what was shown there and clicked.

Legend: U users, N items, F features, S answers, L items of an answer.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tests.benchmarks.bias.clicks import ClickModel, sigmoid
from tests.benchmarks.bias.loggers import Logger, Scene
from training.data.slates import NO_ITEM, Slates
from training.recipes.bias_models import POSITION

CELLS = 100_000_000
"""Most numbers that are drawn at once."""


@dataclass(frozen=True, kw_only=True, eq=False)
class World:
    """Users and items as vectors; relevance is σ of their product."""

    user_UF: np.ndarray
    """Features of the users; the last one is 1 for all."""
    item_NF: np.ndarray
    """Features of the items; the last one has nothing to do with relevance."""
    base: float
    """Logit of the relevance where the product is 0."""
    scale: float
    """Standard deviation of the logit, about."""

    def logit(self, user_S: np.ndarray, item_SL: np.ndarray) -> np.ndarray:
        """Logit of the true relevance of some items to users: [S, L]."""
        user_SF, item_SLF = self.user_UF[user_S, :-1], self.item_NF[item_SL, :-1]
        return self.base + self.scale * np.einsum("sf,slf->sl", user_SF, item_SLF) / np.sqrt(user_SF.shape[1])

    @cached_property
    def logit_UN(self) -> np.ndarray:
        """Logit of the true relevance of every item to every user."""
        product_UN = self.user_UF[:, :-1] @ self.item_NF[:, :-1].T
        return self.base + self.scale * product_UN / np.sqrt(self.user_UF.shape[1] - 1)

    @property
    def relevance_UN(self) -> np.ndarray:
        """Probability that each item is relevant to each user."""
        return sigmoid(self.logit_UN)


@dataclass(frozen=True, kw_only=True, eq=False)
class Log:
    """Answers of a world; `Slates.query_S` is the row of the user."""

    world: World
    slates: Slates
    relevance_SL: np.ndarray
    """True probability of relevance of each shown item; 0 behind the last."""

    @property
    def product_SLF(self) -> np.ndarray:
        """Features of user and item as products, of which the relevance's logit is a sum."""
        item_SLF = self.world.item_NF[np.maximum(self.slates.item_SL, 0)]
        return self.world.user_UF[self.slates.query_S][:, None, :] * item_SLF


def planted(*, users: int, items: int, seed: int, features: int = 8, base: float = -1.0, scale: float = 1.5) -> World:
    """Draw a world.

    Args:
        users: number of users.
        items: number of items.
        seed: random seed.
        features: features of an item, the irrelevant one included.
        base: logit of the mean relevance.
        scale: spread of the logits.
    """
    rng = np.random.default_rng(seed)
    user_UF = rng.standard_normal((users, features))
    user_UF[:, -1] = 1
    return World(user_UF=user_UF, item_NF=rng.standard_normal((items, features)), base=base, scale=scale)


def simulate(
    world: World,
    logger: Logger,
    click_model: ClickModel,
    *,
    answers: int,
    length: int,
    seed: int,
    fixed: bool = False,
    spread: float = 1.0,
    shortest: int | None = None,
) -> Log:
    """Draw a log.

    Args:
        world: users and items.
        logger: order of an answer's items.
        click_model: clicks of an ordered answer.
        answers: number of answers; users are drawn with equal probability.
        length: items of an answer.
        seed: random seed.
        fixed: whether a user has the same items in each answer; else each answer draws its own.
        spread: share of the user's items, sorted by relevance, from whose random section an
            answer draws. Below 1, neighbours have similar relevance.
        shortest: items of the shortest answer; None where all have `length`.
    """
    rng = np.random.default_rng(seed)
    user_S = rng.integers(len(world.user_UF), size=answers)
    item_SL = _candidates(world, user_S, length, fixed, spread, rng)
    scene = Scene(
        item_SL=item_SL, logit_SL=world.logit(user_S, item_SL), irrelevant_SL=world.item_NF[item_SL, -1]
    )  # fmt: skip
    rank_SL = logger.ranks(scene, rng)
    order_SL = np.argsort(rank_SL, axis=1)
    propensity_SL = logger.probability(scene, rank_SL)
    item_SL, logit_SL = (np.take_along_axis(each, order_SL, axis=1) for each in (item_SL, scene.logit_SL))
    length_S1 = np.full((answers, 1), length) if shortest is None else rng.integers(shortest, length + 1, (answers, 1))
    shown_SL = np.arange(length) < length_S1
    click_SL = click_model.clicks(logit_SL, rng)
    slates = Slates(
        query_S=user_S,
        item_SL=np.where(shown_SL, item_SL, NO_ITEM),
        context_SLC=np.where(shown_SL, 1 + np.arange(length), 0)[:, :, None],
        names=(POSITION,),
        sizes=(length + 1,),
        click_SL=(click_SL & shown_SL).astype(np.float32),
        propensity_SL=None if propensity_SL is None else _kept(propensity_SL, order_SL, shown_SL),
    )
    return Log(world=world, slates=slates, relevance_SL=sigmoid(logit_SL) * shown_SL)


def _kept(propensity_SL: np.ndarray, order_SL: np.ndarray, shown_SL: np.ndarray) -> np.ndarray:
    """Propensities in the order shown, 1 behind the last item."""
    return np.where(shown_SL, np.take_along_axis(propensity_SL, order_SL, axis=1), 1).astype(np.float32)


def _candidates(
    world: World, user_S: np.ndarray, length: int, fixed: bool, spread: float, rng: np.random.Generator
) -> np.ndarray:
    """Items of each answer, in no order: int64 [S, L]."""
    users, items = len(world.user_UF), len(world.item_NF)
    owner_X = np.arange(users) if fixed else user_S
    width = max(length, round(spread * items))
    # In blocks: a million answers' draws from ten thousand items would take 40 GB.
    blocks = np.array_split(owner_X, math.ceil(len(owner_X) * width / CELLS))
    draws = (rng.random((len(each), width), dtype=np.float32) for each in blocks)
    place_XL = np.concatenate([np.argpartition(draw_XW, length - 1, axis=1)[:, :length].copy() for draw_XW in draws])
    if width == items:
        item_XL = place_XL
    else:
        start_X1 = rng.integers(items - width + 1, size=(len(owner_X), 1))
        order_UN = np.argsort(world.logit_UN, axis=1)
        item_XL = np.take_along_axis(order_UN[owner_X], start_X1 + place_XL, axis=1)
    return item_XL[user_S] if fixed else item_XL
