"""Impressions without a click, in a world where they help and one of harm.

Promoted: an old recommender shows each of two segments its promoted items, and users
click the ones that they like. Clicks are then promotion times liking, and random
negatives learn both. Impressions without a click were promoted too, so that against
them only liking is left: the clicks of a world that shows everything.

Near misses, the known negative case: a good recommender shows the items that users like
best, and they click once, there or elsewhere. The other impressions are liked too, and
as negatives they rank below items that are liked less.

Both worlds give an impression much weight against a random item: few random negatives,
without correction. With a correction each random one stands for many items, and each
impression only for itself.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tests.benchmarks.recovery.experiment import Experiment, Measure
from tests.benchmarks.recovery.planted import Log, clicks, fit, logits, recall, recipe, softmax
from training.recipes import Cosine, Impressions, Loss, Negatives, Uniform
from training.retrieval.ranking import top_k

ITEMS, TASTES, QUERIES, SHOWN = 1_000, 6, 400, 20
LIKING, PROMOTION = 2.5, 3.0
"""Standard deviations of both parts of a click's logit."""
RANDOM = replace(
    recipe(score=Cosine(temperature=0.2), id_dropout=0.0, width=64, batch_size=256, learning_rate=3e-3),
    loss=Loss("info_nce"),
    negatives=Negatives(sampler=Uniform(number=100)),
)


def measure(seed: int, users: int = 4_000, epochs: int = 8) -> dict[str, float]:
    """Measures of one seed.

    Args:
        seed: random seed.
        users: users of the log.
        epochs: epochs of the training.
    """
    rng = np.random.default_rng(seed)
    item_NF, user_UF, user_QF = (rng.normal(size=(size, TASTES)) for size in (ITEMS, users, QUERIES))
    liking_UN, liking_QN = (LIKING / TASTES**0.5 * user_BF @ item_NF.T for user_BF in (user_UF, user_QF))
    segment_U = (user_UF[:, 0] > 0).astype(int)
    promotion_UN = PROMOTION * rng.normal(size=(2, ITEMS))[segment_U]
    chance_UN = rng.gumbel(size=liking_UN.shape)  # the largest sums with log-probabilities are draws without return
    passed_over_UN = promotion_UN - np.logaddexp(0, liking_UN) + chance_UN

    def reached(clicked_U: np.ndarray, shown_UN: np.ndarray | None = None, number: int = 4) -> float:
        """Recall@20 of what fresh users click once everything is shown. shown_UN: what lies highest here is shown."""
        log = Log(user_UF=user_UF, item_NF=item_NF, clicked_U=clicked_U, own_id_N=np.ones(ITEMS, bool))
        config = RANDOM
        if shown_UN is not None:
            impression_UM = top_k(shown_UN, SHOWN).astype(np.int64)
            log = replace(log, impression_UM=np.where(impression_UM == clicked_U[:, None], -1, impression_UM))
            config = replace(RANDOM, negatives=replace(RANDOM.negatives, hard=Impressions(number=number)))
        return recall(logits(fit(log, config, seed=seed, epochs=epochs), log, user_QF), softmax(liking_QN))

    promoted_U, liked_U = (clicks(softmax(logit_UN), rng) for logit_UN in (liking_UN + promotion_UN, liking_UN))
    random, random_of_liked = reached(promoted_U), reached(liked_U)
    return {
        "promoted: Recall@20 with random negatives": random,
        "promoted: Recall@20 gain": reached(promoted_U, passed_over_UN) - random,
        "promoted: Recall@20 gain, 16 a row": reached(promoted_U, passed_over_UN, 16) - random,
        "promoted, shown at random: Recall@20 gain": reached(promoted_U, chance_UN, 16) - random,
        "near misses: Recall@20 with random negatives": random_of_liked,
        "near misses: Recall@20 gain": reached(liked_U, liking_UN) - random_of_liked,
        "near misses: Recall@20 gain, 16 a row": reached(liked_U, liking_UN, 16) - random_of_liked,
    }


SHOWN_IN_VAIN = Experiment(
    name="impressions",
    measure=measure,
    measures=(
        Measure(name="promoted: Recall@20 with random negatives"),
        Measure(name="promoted: Recall@20 gain", low=0.01),
        Measure(name="promoted: Recall@20 gain, 16 a row", low=0.03),
        Measure(
            name="promoted, shown at random: Recall@20 gain",
            high=0.01,
            remark="further negatives without a message move a seed either way; their mean is what to look at",
        ),
        Measure(name="near misses: Recall@20 with random negatives"),
        Measure(name="near misses: Recall@20 gain", high=0.0, negative=True),
        Measure(name="near misses: Recall@20 gain, 16 a row", high=-0.03, negative=True),
    ),
)
