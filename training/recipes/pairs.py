"""Recipes for interactions without times. They look at the size of the data and at a validation part."""

from __future__ import annotations

from collections.abc import Callable

from training.recipes.config import TrainConfig
from training.recipes.loss import Loss
from training.recipes.optimisation import Optimisation
from training.recipes.sampling import Corpus, Uniform
from training.recipes.score import Cosine
from training.recipes.towers import TowerConfig

Score = Callable[[TrainConfig], float]
"""How good a recipe is on the validation part."""
WHOLE = 100_000
"""Up to so many items all of them are negatives; of a larger corpus a uniform sample."""
STEPS = 30
"""Steps in an epoch: whole users come together, and each row is one product with every item."""


def ids_only(*, items: int, interactions: int, dim: int) -> TrainConfig:
    """A vector for every user and item, cosines, and the bilateral softmax over the whole corpus: matrix factorisation
    as a plain two-tower. All items pass in every step, so the gradient is exact and needs no logQ.
    """
    return TrainConfig(
        dim=dim,
        tower=TowerConfig(user=None, item=None, user_id=True, id_dropout=0.0),
        score=Cosine(temperature=0.12, learned=False),
        loss=Loss("bilateral_softmax", {"exponent": 1.22}),
        sampler=Corpus() if items <= WHOLE else Uniform(number=8192),
        strata=False,
        optimisation=Optimisation(
            batch_size=max(1024, interactions // STEPS),
            epochs=30,
            patience=30,
            embedding_rate=0.02,
            tables="adam",
            schedule="cosine",
            precision="bfloat16",
            averaged_share=None,
        ),
    )


def pairs(*, items: int, interactions: int, dim: int, score: Score) -> TrainConfig:
    """`ids_only` with temperature and exponent from the validation part."""
    return ids_only(items=items, interactions=interactions, dim=dim)


PAIR_RECIPES: dict[str, Callable[..., TrainConfig]] = {"pairs": pairs}
