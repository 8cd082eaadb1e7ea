"""Mixed negatives: most of the corpus is junk that nobody ever clicks.

A tower trained on clicked items alone gives all others arbitrary scores. Fresh items
are like clicked ones, but came after the log; like junk they have no id of their own.
If junk differs by a feature in which clicked items differ too (a quality), the tower
extrapolates, and uniform negatives only push fresh items down.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from unittest.mock import patch

import numpy as np
import torch
from torch import Tensor

from tests.benchmarks.recovery.experiment import Experiment, Measure
from tests.benchmarks.recovery.planted import Log, clicks, fit, logits, recall, recipe, softmax
from training.recipes import Cosine, Mixed, Negatives, TrainConfig
from training.recipes.sampling import Sampler
from training.retrieval.ranking import top_k
from training.sampling import Counted, Drawn, Frequency, draw
from training.trainer import candidates

CLICKED, FRESH, JUNK = 300, 60, 2_500
TASTES, OTHERS, TASTE, FAR = 4, 4, 1.5, 3.0
QUERIES = 400
IN_BATCH = recipe(score=Cosine(temperature=0.2), id_dropout=0.5, width=64, batch_size=256, learning_rate=3e-3)
MIXED = replace(IN_BATCH, negatives=Negatives(sampler=Mixed(number=256)))


@dataclass(frozen=True, kw_only=True, eq=False)
class World:
    """Log, and fresh users with fresh items."""

    log: Log
    """Log of the training."""
    user_QF: np.ndarray
    """Fresh users."""
    next_QN: np.ndarray
    """Distribution of their clicks, once fresh items are shown too."""
    fresh_N: np.ndarray
    """Mask of the fresh items."""


def world(seed: int, users: int, *, visible: bool) -> World:
    """World of a seed.

    Args:
        seed: random seed.
        users: users of the log.
        visible: whether junk lies low in a quality that makes clicks; else it lies far
            off in features that are 0 in clicked items.
    """
    rng = np.random.default_rng(seed)
    items = CLICKED + FRESH + JUNK
    fresh_N, junk_N = np.zeros(items, bool), np.zeros(items, bool)
    fresh_N[CLICKED : CLICKED + FRESH], junk_N[CLICKED + FRESH :] = True, True
    item_NF, other_NF, quality_N = rng.normal(size=(items, TASTES)), np.zeros((items, OTHERS)), np.zeros(items)
    if visible:
        quality_N = np.where(junk_N, -4 + 0.5 * rng.normal(size=items), rng.normal(size=items))
        other_NF[:, 0] = quality_N
    else:
        other_NF[junk_N] = FAR * rng.normal(size=(JUNK, OTHERS))

    def click(user_BF: np.ndarray, never_N: np.ndarray) -> np.ndarray:
        return softmax(np.where(never_N, -np.inf, TASTE / TASTES**0.5 * user_BF @ item_NF.T + quality_N))

    user_UF, user_QF = rng.normal(size=(users, TASTES)), rng.normal(size=(QUERIES, TASTES))
    clicked_U = clicks(click(user_UF, junk_N | fresh_N), rng)
    log = Log(
        user_UF=user_UF,
        item_NF=np.c_[item_NF, other_NF],
        clicked_U=clicked_U,
        own_id_N=np.bincount(clicked_U, minlength=items) > 0,
    )
    return World(log=log, user_QF=user_QF, next_QN=click(user_QF, junk_N), fresh_N=fresh_N)


def measure(seed: int, users: int = 12_000, epochs: int = 10) -> dict[str, float]:
    """Measures of one seed.

    Args:
        seed: random seed.
        users: users of the log.
        epochs: epochs of the training.
    """

    def learned(planted: World, config: TrainConfig) -> np.ndarray:
        return logits(fit(planted.log, config, seed=seed, epochs=epochs), planted.log, planted.user_QF)

    hidden, visible = (world(seed, users, visible=visible) for visible in (False, True))
    in_batch, mixed = learned(hidden, IN_BATCH), learned(hidden, MIXED)
    with unigram_alone(users):
        unigram = learned(hidden, MIXED)
    in_batch_visible, mixed_visible = learned(visible, IN_BATCH), learned(visible, MIXED)

    def fresh(planted: World, score_QN: np.ndarray) -> float:
        return float(planted.fresh_N[top_k(score_QN, 20)].mean())

    return {
        "Recall@20 gain over in-batch": recall(mixed, hidden.next_QN) - recall(in_batch, hidden.next_QN),
        "fresh share, mixture - unigram Q": fresh(hidden, mixed) - fresh(hidden, unigram),
        "junk visible: Recall@20 gain": recall(mixed_visible, visible.next_QN)
        - recall(in_batch_visible, visible.next_QN),
        "junk visible: fresh share gain": fresh(visible, mixed_visible) - fresh(visible, in_batch_visible),
    }


@contextmanager
def unigram_alone(interactions: int) -> Iterator[None]:
    """Mistake that mixed negatives invite: uniform draws corrected as in-batch ones.

    An item without clicks counts as half a click, or its correction would be infinite.
    """

    def drawn(
        sampler: Sampler, item_C: Tensor, size: int, share_N: Tensor, frequency: Frequency, rng: torch.Generator
    ) -> Drawn:
        right = draw(sampler, item_C, size, share_N, frequency, rng)
        smooth = Counted(share_N.clamp_min(0.5 / interactions))
        return replace(right, log_q=smooth.log_inclusion(torch.cat([item_C, right.extra_E]), size))

    with patch.object(candidates, "draw", drawn):
        yield


MIXED_NEGATIVES = Experiment(
    name="mixed negatives",
    measure=measure,
    measures=(
        Measure(name="Recall@20 gain over in-batch", low=0.20),
        Measure(name="fresh share, mixture - unigram Q", low=0.0),
        Measure(name="junk visible: Recall@20 gain", high=0.0, negative=True),
        Measure(name="junk visible: fresh share gain", high=0.0, negative=True),
    ),
)
