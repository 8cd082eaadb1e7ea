"""The named recipes: functions that return a frozen configuration."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from feature_repo.errors import unknown_name
from feature_repo.standard_views import item_statistics_view
from training.recipes.config import TrainConfig
from training.recipes.objective import RepeatTerm
from training.recipes.optimisation import Optimisation
from training.recipes.sampling import InBatch, Mixed, Negatives
from training.recipes.towers import BehaviouralVectors
from training.recipes.weighting import Reward, Weighting

SALES = tuple(feature.name for feature in item_statistics_view(value=True).features)


def base() -> TrainConfig:
    """The default recipe.

    Negatives are the items of the batch and some of the corpus, for most of which nobody asks. Items that a user had
    before get a term of their own, beside the index: without it the user's one vector has to point at all of them. The
    item statistics are left out: they are known of an item at the times at which it sells, and nothing else is drawn
    as it was then.
    """
    return TrainConfig(leave_out=SALES, negatives=Negatives(sampler=Mixed()), repeat=RepeatTerm())


def with_statistics() -> TrainConfig:
    """Two towers with the item statistics, and negatives of the batch alone, which show an item only in the weeks in
    which it sells."""
    return replace(base(), leave_out=(), negatives=Negatives(sampler=InBatch()), repeat=None)


def behavioural() -> TrainConfig:
    """The default recipe with behavioural vectors as features of both towers."""
    return replace(base(), behavioural=BehaviouralVectors())


def without_repeats() -> TrainConfig:
    """The default recipe without the term for items that a user had before: two towers and nothing else."""
    return replace(base(), repeat=None)


def by_value() -> TrainConfig:
    """The default recipe with interactions weighted by the value of their events: money spent, time watched."""
    return replace(base(), weighting=Weighting(reward=Reward()))


RECIPES: dict[str, Callable[[], TrainConfig]] = {
    "base": base,
    "behavioural": behavioural,
    "by_value": by_value,
    "with_statistics": with_statistics,
    "without_repeats": without_repeats,
}


LARGE = 500_000
"""Interactions from which on batches are large: a pass then has hundreds of steps all the same."""


def recipe(name: str, *, seen_items_may_return: bool = True, interactions: int = 0) -> TrainConfig:
    """Build the named recipe as it is for a dataset.

    Args:
        name: one of RECIPES.
        seen_items_may_return: where they never do, nothing is to be learned of repetitions,
            and the repeat term is left out.
        interactions: rough size of the log. A large one is trained in larger batches, which
            share distinct items and uniform negatives, at larger rates; and the first epoch
            without a better score ends the trial, since an epoch has hundreds of steps.

    Raises:
        ValueError: an unknown name.
    """
    if name not in RECIPES:
        raise ValueError(unknown_name("recipe", name, RECIPES))
    config = RECIPES[name]()
    if interactions >= LARGE and config.optimisation == Optimisation():
        large = Optimisation(batch_size=2048, learning_rate=2.5e-3, embedding_rate=2.6e-3, patience=1)
        config = replace(config, optimisation=large)
    return config if seen_items_may_return else replace(config, repeat=None)
