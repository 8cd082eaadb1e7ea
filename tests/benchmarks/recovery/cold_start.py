"""Cold start: users and items without training data.

A user is known by features, and a new item by its content. Its id is the default, which
only id dropout trains.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tests.benchmarks.recovery.experiment import Experiment, Measure
from tests.benchmarks.recovery.planted import Log, clicks, fit, logits, recall, recipe, softmax
from training.recipes import Dot

KNOWN, COLD, TASTES, QUERIES = 400, 100, 6, 400
TASTE, POPULARITY, BLUR = 2.0, 0.5, 0.7
"""BLUR: what content does not say of an item, and only its id can learn."""
WITH = recipe(score=Dot(), id_dropout=0.5, width=64, batch_size=256, learning_rate=3e-3)
WITHOUT = replace(WITH, tower=replace(WITH.tower, id_dropout=0.0))


def measure(seed: int, users: int = 12_000, epochs: int = 20) -> dict[str, float]:
    """Measures of one seed.

    Args:
        seed: random seed.
        users: users of the log.
        epochs: epochs of the training.
    """
    rng = np.random.default_rng(seed)
    items = KNOWN + COLD
    cold_N = np.arange(items) >= KNOWN
    item_NF, popularity_N = rng.normal(size=(items, TASTES)), POPULARITY * rng.normal(size=items)

    def click(user_BF: np.ndarray, never_N: np.ndarray) -> np.ndarray:
        return softmax(np.where(never_N, -np.inf, TASTE / TASTES**0.5 * user_BF @ item_NF.T + popularity_N))

    user_UF, user_QF = rng.normal(size=(users, TASTES)), rng.normal(size=(QUERIES, TASTES))
    seen_NF = item_NF + BLUR * rng.normal(size=item_NF.shape)
    log = Log(user_UF=user_UF, item_NF=seen_NF, clicked_U=clicks(click(user_UF, cold_N), rng), own_id_N=~cold_N)
    with_dropout, without = (
        logits(fit(log, config, seed=seed, epochs=epochs), log, user_QF) for config in (WITH, WITHOUT)
    )
    next_QN, next_cold_QN = click(user_QF, np.zeros(items, bool)), click(user_QF, ~cold_N)
    popular = recall(np.tile(log.clicks_N.astype(np.float32), (QUERIES, 1)), next_QN)
    return {
        "cold users: Recall@20 / popularity's": recall(with_dropout, next_QN) / popular,
        "cold items: Recall@20 gain of id dropout": recall(with_dropout, next_cold_QN) - recall(without, next_cold_QN),
    }


COLD_START = Experiment(
    name="cold start",
    measure=measure,
    measures=(
        Measure(name="cold users: Recall@20 / popularity's", low=2.0),
        Measure(name="cold items: Recall@20 gain of id dropout", low=0.02),
    ),
)
