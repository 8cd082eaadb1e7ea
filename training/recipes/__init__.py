"""Recipes: frozen configurations of a training run.

A recipe is a function, so that a variant is `replace(base(), ...)`.
"""

from __future__ import annotations

from training.recipes.bias_models import (
    Additive,
    CrossPositional,
    DotProduct,
    Mixture,
    PositionFeature,
    Product,
)
from training.recipes.config import TrainConfig
from training.recipes.impressions import (
    DoublyRobustExamination,
    ImpressionTask,
    InverseExamination,
    InversePropensity,
)
from training.recipes.named import (
    RECIPES,
    SALES,
    base,
    behavioural,
    by_value,
    clicks,
    recipe,
    with_statistics,
    without_repeats,
)
from training.recipes.objective import Cosine, Dot, Loss, MLPReranker, RepeatTerm, SelfSupervised
from training.recipes.optimisation import Optimisation
from training.recipes.policy import EstimatedBehaviour, PolicyGradient
from training.recipes.sampling import (
    Corpus,
    HardNegatives,
    Impressions,
    InBatch,
    Mixed,
    Negatives,
    Popularity,
    Streaming,
    Uniform,
)
from training.recipes.towers import (
    MLP,
    BehaviouralVectors,
    Cross,
    Gated,
    GRUHistory,
    MeanPooling,
    MultiHeadPooling,
    Residual,
    SelfAttention,
    TowerConfig,
    WeightedPooling,
)
from training.recipes.weighting import Reward, Weighting

__all__ = [
    "MLP",
    "RECIPES",
    "SALES",
    "Additive",
    "BehaviouralVectors",
    "Corpus",
    "Cosine",
    "Cross",
    "CrossPositional",
    "Dot",
    "DotProduct",
    "DoublyRobustExamination",
    "EstimatedBehaviour",
    "GRUHistory",
    "Gated",
    "HardNegatives",
    "ImpressionTask",
    "Impressions",
    "InBatch",
    "InverseExamination",
    "InversePropensity",
    "Loss",
    "MLPReranker",
    "MeanPooling",
    "Mixed",
    "Mixture",
    "MultiHeadPooling",
    "Negatives",
    "Optimisation",
    "PolicyGradient",
    "Popularity",
    "PositionFeature",
    "Product",
    "RepeatTerm",
    "Residual",
    "Reward",
    "SelfAttention",
    "SelfSupervised",
    "Streaming",
    "TowerConfig",
    "TrainConfig",
    "Uniform",
    "WeightedPooling",
    "Weighting",
    "base",
    "behavioural",
    "by_value",
    "clicks",
    "recipe",
    "with_statistics",
    "without_repeats",
]
