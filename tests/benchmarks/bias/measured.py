"""What is measured on logs of planted worlds: models alone, beside each other, and beside retrieval."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.benchmarks.bias.clicks import ClickModel, TwoTypes
from tests.benchmarks.bias.fitted import Trained, fit, log_loss, ndcg, recall
from tests.benchmarks.bias.loggers import ByIrrelevant, Logger
from tests.benchmarks.bias.simulators import Log, planted, simulate
from training.recipes import (
    Additive,
    CrossPositional,
    DotProduct,
    DoublyRobustExamination,
    ImpressionTask,
    InverseExamination,
    Mixture,
    PositionFeature,
    Product,
)

LENGTH, ANSWERS, USERS, ITEMS = 10, 6_000, 1_500, 300
MODELS = {
    "naive": ImpressionTask(weight=1),
    "position feature": ImpressionTask(weight=1, bias=PositionFeature()),
    "additive": ImpressionTask(weight=1, bias=Additive()),
    "product": ImpressionTask(weight=1, bias=Product()),
    "dot product": ImpressionTask(weight=1, bias=DotProduct()),
    "MixEM": ImpressionTask(weight=1, bias=Mixture()),
    "XPA": ImpressionTask(weight=1, bias=CrossPositional()),
    "c/p labels": ImpressionTask(weight=1, examination=InverseExamination()),
    "doubly robust": ImpressionTask(weight=1, examination=DoublyRobustExamination()),
}
NEAR = ByIrrelevant(noise=0.2)


def logged(logger: Logger, clicks: ClickModel, *, seed: int, draw: int = 1_000, **given: Any) -> Log:
    """Log of a world.

    Args:
        logger: order of the answers.
        clicks: click model.
        seed: random seed of the world.
        draw: with the seed, that of its answers.
        given: further arguments of `simulate`.
    """
    world = planted(users=USERS, items=ITEMS, seed=seed)
    return simulate(world, logger, clicks, answers=ANSWERS, length=LENGTH, seed=seed + draw, **given)


def measure(seed: int, *, world: Callable[..., Log], names: tuple[str, ...]) -> dict[str, float]:
    """Measures of one seed: each model alone, and later ones beside the first two.

    Args:
        seed: random seed.
        world: makes the log of a seed.
        names: models, trained on clicks of impressions alone.
    """
    log, other = world(seed=seed), world(seed=seed, draw=2_000)
    found = {name: fit(log, MODELS[name], seed=seed) for name in names}
    values = {
        f"{what} {name}": value
        for name, trained in found.items()
        for what, value in _values(trained, log, other, seed).items()
    }
    pairs = [(first, second) for n, first in enumerate(names) for second in names[:n]]
    gains = {
        f"{what}: {first} - {second}": values[f"{what} {first}"] - values[f"{what} {second}"]
        for first, second in pairs
        for what in ("NDCG@5", "corpus", "log-loss")
    }
    return values | gains


def _values(trained: Trained, log: Log, other: Log, seed: int) -> dict[str, float]:
    """NDCG@5 of random answers, relevance in the 20 best of the corpus, log-loss of the clicks."""
    return {
        "NDCG@5": ndcg(trained, log.world, seed=seed),
        "corpus": recall(trained, log.world),
        "log-loss": log_loss(trained, other.slates),
    }


def tasks(seed: int) -> dict[str, float]:
    """Retrieval alone, impressions alone, and both, where answers show a section of the corpus."""
    log = logged(NEAR, TwoTypes(patient=0.15, depth=2), seed=seed, spread=0.3)
    found = {
        "retrieval alone": fit(log, None, seed=seed),
        "weight 0.5": fit(log, ImpressionTask(weight=0.5, bias=Additive()), seed=seed),
        "weight 0.9": fit(log, ImpressionTask(weight=0.9, bias=Additive()), seed=seed),
        "weight 0.95": fit(log, ImpressionTask(weight=0.95, bias=Additive()), seed=seed),
        "impressions alone": fit(log, ImpressionTask(weight=1, bias=Additive()), seed=seed),
    }
    values = {f"corpus {name}": recall(trained, log.world) for name, trained in found.items()}
    gain = values["corpus weight 0.9"] - values["corpus retrieval alone"]
    return values | {"corpus: weight 0.9 - retrieval alone": gain}
