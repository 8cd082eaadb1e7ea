"""Named recipes: functions that return a frozen configuration."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from feature_repo.errors import unknown_name
from feature_repo.standard_views import item_statistics_view
from training.recipes.bias_models import (
    Additive,
    BiasModel,
    CrossPositional,
    DotProduct,
    Mixture,
    PositionFeature,
    Product,
)
from training.recipes.config import TrainConfig
from training.recipes.impressions import DoublyRobustExamination, ImpressionTask, InverseExamination
from training.recipes.objective import RepeatTerm
from training.recipes.optimisation import Optimisation
from training.recipes.sampling import InBatch, Mixed, Negatives
from training.recipes.towers import BehaviouralVectors
from training.recipes.weighting import Reward, Weighting

SALES = tuple(feature.name for feature in item_statistics_view(value=True).features)
"""Names of the item statistics."""


def base() -> TrainConfig:
    """Default recipe: two towers with a repeat head, without item statistics."""
    # Uniform negatives show the towers items that hardly sell and that batches hardly
    # hold. Without the repeat head, one user vector has to point at the whole history.
    # Statistics are left out: positives have those of their own time, drawn items those
    # of one time.
    return TrainConfig(leave_out=SALES, negatives=Negatives(sampler=Mixed()), repeat=RepeatTerm())


def with_statistics() -> TrainConfig:
    """Two towers with item statistics and in-batch negatives."""
    # In-batch negatives are the only ones with the statistics of a time at which they
    # sell.
    return replace(base(), leave_out=(), negatives=Negatives(sampler=InBatch()), repeat=None)


def behavioural() -> TrainConfig:
    """Default recipe with behavioural vectors as features of both towers."""
    return replace(base(), behavioural=BehaviouralVectors())


def without_repeats() -> TrainConfig:
    """Default recipe without the repeat head: two towers alone."""
    return replace(base(), repeat=None)


def by_value() -> TrainConfig:
    """Default recipe with interactions weighted by value: money spent, time watched."""
    return replace(base(), weighting=Weighting(reward=Reward()))


def clicks(bias: BiasModel | None = None) -> TrainConfig:
    """Default recipe that learns clicks of impressions too, with a model of their bias."""
    return replace(base(), impressions=ImpressionTask(bias=bias))


def clicks_by_examination(examination: InverseExamination | None = None) -> TrainConfig:
    """Default recipe that learns clicks too, each weighted by how rarely its position is looked at."""
    return replace(base(), impressions=ImpressionTask(examination=examination or InverseExamination()))


RECIPES: dict[str, Callable[[], TrainConfig]] = {
    "base": base,
    "behavioural": behavioural,
    "by_value": by_value,
    "clicks": clicks,
    "clicks_additive": partial(clicks, Additive()),
    "clicks_by_examination": clicks_by_examination,
    "clicks_cross_positional": partial(clicks, CrossPositional()),
    "clicks_dot_product": partial(clicks, DotProduct()),
    "clicks_doubly_robust": partial(clicks_by_examination, DoublyRobustExamination()),
    "clicks_mixture": partial(clicks, Mixture()),
    "clicks_position_feature": partial(clicks, PositionFeature()),
    "clicks_product": partial(clicks, Product()),
    "with_statistics": with_statistics,
    "without_repeats": without_repeats,
}


DEFAULT = "base"
"""Recipe of a run that names none; `recipes.choice` tries its switches."""
LARGE = 500_000
"""Interactions from which batches are large; a pass still has hundreds of steps."""


def recipe(name: str, *, seen_items_may_return: bool = True, interactions: int = 0) -> TrainConfig:
    """Named recipe, adapted to a dataset.

    Args:
        name: one of RECIPES.
        seen_items_may_return: whether seen items can be relevant; without them there is
            no repeat head.
        interactions: rough size of the log; from LARGE on, batches and rates are larger,
            and two epochs are trained without a trial, unless the recipe may leave most
            interactions to impressions.

    Returns:
        The configuration.

    Raises:
        ValueError: an unknown name.
    """
    if name not in RECIPES:
        raise ValueError(unknown_name("recipe", name, RECIPES))
    config = RECIPES[name]()
    # Larger batches share distinct items and uniform negatives. An epoch has hundreds of
    # steps, so two are enough; a trial would double the time to find their number.
    few = config.impressions is not None and config.impressions.clicks_once
    if interactions >= LARGE and not few and config.optimisation == Optimisation():
        large = Optimisation(batch_size=2048, learning_rate=2.5e-3, embedding_rate=2.6e-3, epochs=2, patience=None)
        config = replace(config, optimisation=large)
    return config if seen_items_may_return else replace(config, repeat=None)
