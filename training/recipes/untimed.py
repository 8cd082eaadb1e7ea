"""Recipes for interactions without times, adapted to the size of the data.

A validation part chooses between their settings.
"""

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
"""Quality of a recipe on the validation part."""
WHOLE = 100_000
"""Most items of a corpus whose items are all negatives; a larger one is sampled."""
TEMPERATURES, EXPONENTS = (0.08, 0.1, 0.14, 0.2), (1.06, 1.14, 1.22)
BALANCE = 0.45
"""Balance of users that is tried against 0. Heavy users may drown the others, or tell
most."""
ROUNDS = (0.1, 0.3)
"""Length of each round of the choice, as a share of the whole training."""
EPOCHS, STEPS, FEWEST_STEPS = 80, 9500, 1600
"""Epochs and steps of the whole training, which set the batch size. Small data, whose
batches would be smaller than 256 interactions, get more epochs, for the fewest steps."""


def ids_only(*, items: int, interactions: int, dim: int) -> TrainConfig:
    """Matrix factorisation as a plain two-tower: a vector for every user and item.

    Cosines, and the bilateral softmax over the whole corpus. All items pass in every
    step, so that the gradient is exact and needs no logQ.

    Args:
        items: size of the corpus; above WHOLE, uniform negatives stand for it.
        interactions: size of the log, which sets the batch size and the epochs.
        dim: dimension of the embeddings.
    """
    # Each user is one row and a product with every item, so a step costs by users, not
    # by interactions: batches are as large as EPOCHS and STEPS allow.
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
    """Recipe with the temperature, exponent and balance that validate best.

    All pairs of both grids are trained for a few epochs, the best third of them for
    longer: successive halving [Jamieson and Talwalkar, AISTATS 2016], in thirds because
    so few are compared. Then both balances are compared.
    """
    left = [with_settings(base, *each) for each in product(TEMPERATURES, EXPONENTS)]
    for share in ROUNDS:
        left = sorted(left, key=lambda config: score(_shortened(config, share)), reverse=True)
        left = left[: max(1, len(left) // 3)]
    best = left[0]
    balances = (replace(best, weighting=replace(best.weighting, user_balance=each)) for each in (0.0, BALANCE))
    return max(balances, key=lambda config: score(_shortened(config, ROUNDS[-1])))


def best_inputs(base: TrainConfig, score: Score, *, features: bool) -> TrainConfig:
    """Recipe with the INPUTS that validate best.

    Args:
        base: recipe that the inputs are added to.
        score: quality of a recipe on the validation part.
        features: whether there are side features.
    """
    names = [name for name, additions in INPUTS.items() if features or with_features not in additions]
    return max((with_inputs(base, name) for name in names), key=lambda config: score(_shortened(config, ROUNDS[-1])))


def with_inputs(base: TrainConfig, name: str) -> TrainConfig:
    """Recipe with the named addition of INPUTS."""
    return reduce(lambda config, addition: addition(config), INPUTS[name], base)


def with_settings(config: TrainConfig, temperature: float, exponent: float, balance: float = 0.0) -> TrainConfig:
    """Recipe with other settings of the bilateral softmax.

    Args:
        config: the recipe.
        temperature: temperature of the cosine.
        exponent: exponent of the bilateral softmax.
        balance: balance of users.
    """
    return replace(
        config,
        score=Cosine(temperature=temperature, learned=False),
        loss=Loss(config.loss.name, {"exponent": exponent}),
        weighting=replace(config.weighting, user_balance=balance),
    )


def with_features(config: TrainConfig) -> TrainConfig:
    """Recipe with a body in both towers, which read the side features."""
    return replace(config, tower=replace(config.tower, user=MLP(), item=MLP(), id_dropout=0.1))


def with_history(config: TrainConfig) -> TrainConfig:
    """Recipe with the mean of the user's items beside the user's own vector."""
    # Items of the history stay positives: were an item only in one of both, history and
    # id would tell which, and the towers would learn that.
    return replace(config, leave_out=(), tower=replace(config.tower, history=MeanPooling(dropout=0.5), id_dropout=0.1))


INPUTS: dict[str, tuple[Callable[[TrainConfig], TrainConfig], ...]] = {
    "ids_only": (),
    "features": (with_features,),
    "history": (with_history,),
    "all": (with_features, with_history),
}
"""Additions to `ids_only` by name."""


def _shortened(config: TrainConfig, share: float) -> TrainConfig:
    epochs = max(1, round(share * config.optimisation.epochs))
    return replace(config, optimisation=replace(config.optimisation, epochs=epochs, patience=epochs))
