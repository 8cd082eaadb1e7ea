"""Recipes: frozen configurations of a training run. A recipe is a function, so variants are `replace(base(), ...)`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from feature_repo.schema import item_statistics
from training.recipes.behavioural import BehaviouralVectors
from training.recipes.bodies import MLP, Cross, Gated, Residual
from training.recipes.config import TrainConfig
from training.recipes.histories import GRUHistory, MeanPooling, MultiHeadPooling, SelfAttention, WeightedPooling
from training.recipes.loss import Loss
from training.recipes.optimisation import Optimisation
from training.recipes.sampling import Corpus, HardNegatives, InBatch, Mixed, Popularity, Streaming, Uniform
from training.recipes.score import Cosine, Dot
from training.recipes.self_supervised import SelfSupervised
from training.recipes.towers import TowerConfig

__all__ = [
    "MLP",
    "RECIPES",
    "SALES",
    "BehaviouralVectors",
    "Corpus",
    "Cosine",
    "Cross",
    "Dot",
    "GRUHistory",
    "Gated",
    "HardNegatives",
    "InBatch",
    "Loss",
    "MeanPooling",
    "Mixed",
    "MultiHeadPooling",
    "Optimisation",
    "Popularity",
    "Residual",
    "SelfAttention",
    "SelfSupervised",
    "Streaming",
    "TowerConfig",
    "TrainConfig",
    "Uniform",
    "WeightedPooling",
    "base",
    "behavioural",
    "recipe",
    "with_statistics",
]

SALES = tuple(feature.name for feature in item_statistics(value=True).features)


def base() -> TrainConfig:
    """The default recipe.

    It leaves the item statistics out: in-batch negatives only show an item in the weeks in which it sells, so what the
    towers would learn of its statistics is wrong for the items that do not sell. They need negatives from the whole
    corpus.
    """
    return TrainConfig(leave_out=SALES)


def with_statistics() -> TrainConfig:
    """The default recipe with the item statistics: shows what they cost without negatives from the whole corpus."""
    return replace(base(), leave_out=())


def behavioural() -> TrainConfig:
    """The default recipe with behavioural vectors as features of both towers."""
    return replace(base(), behavioural=BehaviouralVectors())


RECIPES: dict[str, Callable[[], TrainConfig]] = {
    "base": base,
    "behavioural": behavioural,
    "with_statistics": with_statistics,
}


def recipe(name: str) -> TrainConfig:
    """The named recipe; ValueError lists those there are."""
    if name not in RECIPES:
        raise ValueError(f"no recipe {name!r}; there are {', '.join(sorted(RECIPES))}")
    return RECIPES[name]()
