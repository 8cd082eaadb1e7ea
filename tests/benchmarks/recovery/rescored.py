"""Reranker of candidates: users want items near to their taste, not the nearest.

The log-odds of a click rise and fall again with the product of two tastes. As a product
of vectors that needs all products of two tastes' coordinates, more than the towers have
dimensions; a function of both embeddings needs only the position of the middle. If the
log-odds are a product, the reranker has nothing to add, and if the towers are wide
enough for the products, little.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tests.benchmarks.recovery.experiment import Experiment, Measure
from tests.benchmarks.recovery.planted import Log, clicks, fit, recipe, softmax
from training.recipes import Cosine, MLPReranker, TrainConfig
from training.retrieval.exact import exact_search
from training.retrieval.model_search import served_search
from training.towers import embed

ITEMS, TASTES, WIDE, QUERIES = 600, 3, 16, 400
MIDDLE, SHARPNESS, SLOPE = 0.6, 12.0, 6.0
"""Log-odds −SHARPNESS·(product − MIDDLE)² of unit tastes, or SLOPE·product."""
TOWERS = replace(
    recipe(score=Cosine(temperature=0.2), id_dropout=0.1, width=64, batch_size=256, learning_rate=3e-3),
    reranker=MLPReranker(),
)


def measure(seed: int, users: int = 12_000, epochs: int = 15) -> dict[str, float]:
    """Measures of one seed.

    Args:
        seed: random seed.
        users: users of the log.
        epochs: epochs of the training.
    """
    narrow, product, wide = (
        recalls(seed, users, epochs, replace(TOWERS, dim=dim), bent=bent)
        for dim, bent in ((TASTES, True), (TASTES, False), (WIDE, True))
    )
    return {
        "Recall@20 of the towers": narrow[0],
        "Recall@20 gain": narrow[1] - narrow[0],
        "towers wide enough: Recall@20": wide[0],
        "towers wide enough: Recall@20 gain": wide[1] - wide[0],
        "a product to find: Recall@20 gain": product[1] - product[0],
    }


def recalls(seed: int, users: int, epochs: int, config: TrainConfig, *, bent: bool) -> tuple[float, float]:
    """Expected Recall@20 of fresh users, without and with the reranker.

    Args:
        seed: random seed.
        users: users of the log.
        epochs: epochs of the training.
        config: the recipe.
        bent: whether log-odds rise and fall with the product; else they are linear in
            it.
    """
    rng = np.random.default_rng(seed)
    item_NF, user_UF, user_QF = (unit(rng.normal(size=(size, TASTES))) for size in (ITEMS, users, QUERIES))

    def click(user_BF: np.ndarray) -> np.ndarray:
        product_BN = user_BF @ item_NF.T
        return softmax(-SHARPNESS * (product_BN - MIDDLE) ** 2 if bent else SLOPE * product_BN)

    log = Log(
        user_UF=user_UF, item_NF=item_NF, clicked_U=clicks(click(user_UF), rng), own_id_N=np.ones(ITEMS, dtype=bool)
    )
    model, next_QN, fresh = fit(log, config, seed=seed, epochs=epochs), click(user_QF), {"taste": np.float32(user_QF)}
    plain = exact_search(embed(model.user, fresh), embed(model.item, log.corpus))
    lists = [search()(np.arange(QUERIES), 20) for search in (plain, served_search(model, fresh, log.corpus))]
    plain_recall, anew = (float(np.take_along_axis(next_QN, ids, axis=1).sum(axis=1).mean()) for ids in lists)
    return plain_recall, anew


def unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


SCORER = Experiment(
    name="reranker of candidates",
    measure=measure,
    measures=(
        Measure(name="Recall@20 of the towers"),
        Measure(name="Recall@20 gain", low=0.03),
        Measure(name="towers wide enough: Recall@20"),
        Measure(name="towers wide enough: Recall@20 gain"),
        Measure(name="a product to find: Recall@20 gain", low=-0.01, high=0.01, negative=True),
    ),
)
