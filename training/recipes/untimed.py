"""Recipes for interactions without times. They look at the size of the data and at a validation part."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import reduce
from itertools import product

from training.recipes.config import TrainConfig
from training.recipes.objective import Cosine, Loss
from training.recipes.optimisation import Optimisation
from training.recipes.sampling import Corpus, Negatives, Uniform
from training.recipes.towers import MLP, MeanPooling, TowerConfig

Score = Callable[[TrainConfig], float]
"""How good a recipe is on the validation part."""
WHOLE = 100_000
"""Up to so many items all of them are negatives; of a larger corpus a uniform sample."""
TEMPERATURES, EXPONENTS = (0.08, 0.1, 0.14, 0.2), (1.06, 1.14, 1.22)
BALANCE = 0.45
"""What is tried against 0: heavy users may drown what the others take, or be those that tell most."""
ROUNDS = (0.1, 0.3)
"""How long each round of the choice trains, as a share of the whole training."""
EPOCHS, STEPS, FEWEST_STEPS = 80, 9500, 1600
"""Epochs and steps of the whole training: batches are as large as they may be for so many of both. Small data, whose
batches would be smaller than 256 interactions, get more epochs, for the fewest steps. Whole users come together, and
each row is one product with every item."""


def ids_only(*, items: int, interactions: int, dim: int) -> TrainConfig:
    """A vector for every user and item, cosines, and the bilateral softmax over the whole corpus: matrix factorisation
    as a plain two-tower. All items pass in every step, so the gradient is exact and needs no logQ.
    """
    batch_size = max(256, interactions * EPOCHS // STEPS)
    epochs = max(EPOCHS, FEWEST_STEPS * batch_size // interactions)
    return TrainConfig(
        dim=dim,
        tower=TowerConfig(user=None, item=None, user_id=True, id_dropout=0.0),
        score=Cosine(temperature=0.12, learned=False),
        loss=Loss("bilateral_softmax", {"exponent": 1.22}),
        negatives=Negatives(sampler=Corpus() if items <= WHOLE else Uniform(number=8192), all_negative=True),
        strata=False,
        leave_out=("history",),
        optimisation=Optimisation(
            batch_size=batch_size,
            epochs=epochs,
            patience=epochs,
            embedding_rate=0.005,
            tables="adam",
            schedule="cosine",
            averaged_share=None,
        ),
    )


def best_settings(base: TrainConfig, score: Score) -> TrainConfig:
    """The recipe with the temperature, the exponent and the balance of users that are best on the validation part.

    All pairs of both grids are trained for a few epochs, the best third of them for longer: successive halving
    [Jamieson and Talwalkar, AISTATS 2016], of thirds because so few are compared. Then users are balanced, or not.
    """
    left = [with_settings(base, *each) for each in product(TEMPERATURES, EXPONENTS)]
    for share in ROUNDS:
        left = sorted(left, key=lambda config: score(_shortened(config, share)), reverse=True)
        left = left[: max(1, len(left) // 3)]
    best = left[0]
    balances = (replace(best, weighting=replace(best.weighting, user_balance=each)) for each in (0.0, BALANCE))
    return max(balances, key=lambda config: score(_shortened(config, ROUNDS[-1])))


def best_inputs(base: TrainConfig, score: Score, *, features: bool) -> TrainConfig:
    """The recipe with those inputs that are best on the validation part. features: whether there are side features."""
    names = [name for name, additions in INPUTS.items() if features or with_features not in additions]
    return max((with_inputs(base, name) for name in names), key=lambda config: score(_shortened(config, ROUNDS[-1])))


def with_inputs(base: TrainConfig, name: str) -> TrainConfig:
    """`ids_only` with the inputs of that name: see INPUTS."""
    return reduce(lambda config, addition: addition(config), INPUTS[name], base)


def with_settings(config: TrainConfig, temperature: float, exponent: float, balance: float = 0.0) -> TrainConfig:
    """The recipe with another temperature and exponent of the bilateral softmax, and another balance of users."""
    return replace(
        config,
        score=Cosine(temperature=temperature, learned=False),
        loss=Loss(config.loss.name, {"exponent": exponent}),
        weighting=replace(config.weighting, user_balance=balance),
    )


def with_features(config: TrainConfig) -> TrainConfig:
    """The recipe with a body in both towers, which read the side features."""
    return replace(config, tower=replace(config.tower, user=MLP(), item=MLP(), id_dropout=0.1))


def with_history(config: TrainConfig) -> TrainConfig:
    """The recipe with the mean of what the user took beside the user's own vector. What is read is ranked all the same:
    with items only in one of both places, history and id would tell apart which place they are in."""
    return replace(config, leave_out=(), tower=replace(config.tower, history=MeanPooling(dropout=0.5), id_dropout=0.1))


INPUTS: dict[str, tuple[Callable[[TrainConfig], TrainConfig], ...]] = {
    "ids_only": (),
    "features": (with_features,),
    "history": (with_history,),
    "all": (with_features, with_history),
}


def _shortened(config: TrainConfig, share: float) -> TrainConfig:
    epochs = max(1, round(share * config.optimisation.epochs))
    return replace(config, optimisation=replace(config.optimisation, epochs=epochs, patience=epochs))
