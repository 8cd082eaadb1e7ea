"""logQ: clicks are popularity times taste.

In-batch softmax alone learns taste; with logQ it learns the next click. Slopes are
those of the learned score minus the true log p(i|u), on log q: 0 for a score that is
log p(i|u), -1 for one without popularity.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tests.benchmarks.recovery.experiment import Experiment, Measure
from tests.benchmarks.recovery.planted import Log, clicks, fit, logits, recall, recipe, softmax
from training.recipes import Dot, Loss, TrainConfig

ITEMS, TASTES, FRESH = 160, 8, 500
TASTE, POPULARITY = 0.5, 2.4
"""Standard deviations of both parts of a click's logit."""
CONFIG = recipe(score=Dot(), id_dropout=0.0, width=32, batch_size=8, learning_rate=5e-3, averaged_share=0.1)
"""A batch is this small because columns are distinct: a large one holds every item, and popularity has no way in."""


def measure(seed: int, users: int = 16_000, epochs: int = 1) -> dict[str, float]:
    """Measures of one seed.

    Args:
        seed: random seed.
        users: users of the log.
        epochs: epochs of the training.
    """
    rng = np.random.default_rng(seed)
    item_NF = rng.normal(size=(ITEMS, TASTES))
    popularity_N = np.linspace(-1, 1, ITEMS) * POPULARITY * 3**0.5
    user_UF, user_QF = rng.normal(size=(users, TASTES)), rng.normal(size=(FRESH, TASTES))

    def taste(user_BF: np.ndarray) -> np.ndarray:
        return TASTE / TASTES**0.5 * user_BF @ item_NF.T

    share_UN = softmax(taste(user_UF) + popularity_N)
    log = Log(
        user_UF=user_UF,
        item_NF=np.c_[item_NF, popularity_N / POPULARITY],
        clicked_U=clicks(share_UN, rng),
        own_id_N=np.zeros(ITEMS, bool),
    )
    settled = replace(CONFIG, optimisation=replace(CONFIG.optimisation, schedule="cosine"))

    def learned(loss: str, config: TrainConfig = CONFIG) -> np.ndarray:
        return logits(fit(log, replace(config, loss=Loss(loss)), seed=seed, epochs=epochs), log, user_QF)

    score = {loss: learned(loss) for loss in ("softmax", "info_nce", "refined_softmax")}
    next_QN, taste_QN = softmax(taste(user_QF) + popularity_N), softmax(taste(user_QF))
    log_q_N = np.log(share_UN.mean(axis=0))
    return {
        "slope with logQ": slope(score["softmax"] - np.log(next_QN), log_q_N),
        "slope without": slope(score["info_nce"] - np.log(next_QN), log_q_N),
        "next click: Recall@20 gain": recall(score["softmax"], next_QN) - recall(score["info_nce"], next_QN),
        "refined KL / standard KL": divergence(next_QN, score["refined_softmax"])
        / divergence(next_QN, score["softmax"]),
        "the same, rates decayed to 0": divergence(next_QN, learned("refined_softmax", settled))
        / divergence(next_QN, learned("softmax", settled)),
        "taste: Recall@20 gain": recall(score["softmax"], taste_QN) - recall(score["info_nce"], taste_QN),
    }


def slope(y_QN: np.ndarray, x_N: np.ndarray) -> float:
    """Least-squares slope over the items, mean over the users."""
    x_N = x_N - x_N.mean()
    return float((y_QN @ x_N).mean() / (x_N @ x_N))


def divergence(true_QN: np.ndarray, score_QN: np.ndarray) -> float:
    """Mean Kullback-Leibler divergence of the learned from the true distribution."""
    return float((true_QN * np.log(true_QN / softmax(score_QN))).sum(axis=1).mean())


LOGQ = Experiment(
    name="logQ",
    measure=measure,
    measures=(
        Measure(name="slope with logQ", low=-0.15, high=0.15),
        Measure(name="slope without", low=-1.15, high=-0.85),
        Measure(name="next click: Recall@20 gain", low=0.30),
        Measure(
            name="refined KL / standard KL",
            high=0.9,
            remark="with distinct columns the standard correction is consistent already (the posterior of a column to "
            "be the positive is p(i|u) / P(i is a column)), while the refined one takes the logarithm of a noisy sum: "
            "without the noise of the last steps the standard one is the nearer",
        ),
        Measure(name="the same, rates decayed to 0"),
        Measure(name="taste: Recall@20 gain", high=0.0, negative=True),
    ),
)
