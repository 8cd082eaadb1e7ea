"""Logs of known bias: where a bias model wins, where it changes nothing, where it loses."""

from __future__ import annotations

from functools import partial

import numpy as np

from tests.benchmarks.bias.clicks import (
    AdditiveLogits,
    Cascade,
    ClickModel,
    Neighbours,
    PositionBased,
    ProductOfProbabilities,
    TwoTypes,
)
from tests.benchmarks.bias.loggers import ByRelevance, Companions, Logger, Random
from tests.benchmarks.bias.measured import LENGTH, NEAR, logged, measure, tasks
from tests.benchmarks.recovery.experiment import Experiment, Measure

BESIDE = Companions()
EXAMINATION = tuple(1 / k for k in range(1, LENGTH + 1))
FALLING = tuple(float(-2.5 * np.log(k)) for k in range(1, LENGTH + 1))
SEEN = tuple(float(2.0 - 2.0 * np.log(k)) for k in range(1, LENGTH + 1))


def experiment(name: str, logger: Logger, clicks: ClickModel, names: tuple[str, ...], *measures: Measure) -> Experiment:
    """Experiment with NDCG@5 of each model and further measures.

    Args:
        name: its name in the table.
        logger: order of the answers.
        clicks: click model.
        names: models.
        measures: measures with bounds.
    """
    shown = tuple(Measure(name=f"NDCG@5 {each}") for each in names)
    world = partial(logged, logger, clicks)
    return Experiment(name=name, measure=partial(measure, world=world, names=names), measures=(*shown, *measures))


EXPERIMENTS = (
    experiment(
        "two types of users",
        NEAR,
        TwoTypes(patient=0.15, depth=2),
        ("naive", "position feature", "additive", "product", "dot product", "MixEM", "XPA"),
        Measure(name="NDCG@5: additive - naive", low=0.07),
        Measure(
            name="NDCG@5: MixEM - additive",
            low=0,
            remark="where nearly all look at two positions alone, five ranks are right without telling the "
            "users apart; over the whole corpus the mixture ranks better",
        ),
        Measure(name="corpus: MixEM - additive", low=0),
    ),
    experiment(
        "two types, more patient",
        NEAR,
        TwoTypes(patient=0.4, depth=1),
        ("naive", "additive", "MixEM"),
        Measure(name="NDCG@5: additive - naive", low=0),
        Measure(name="NDCG@5: MixEM - additive", low=0),
    ),
    experiment(
        "ranked by relevance",
        ByRelevance(noise=0.3),
        PositionBased(examination=EXAMINATION),
        ("naive", "additive", "c/p labels", "doubly robust"),
        Measure(name="NDCG@5: additive - naive", high=0, negative=True),
        Measure(name="NDCG@5: c/p labels - naive", high=0, negative=True),
        Measure(name="NDCG@5: doubly robust - naive", high=0, negative=True),
    ),
    experiment(
        "random order",
        Random(),
        PositionBased(examination=EXAMINATION),
        ("naive", "additive"),
        Measure(name="NDCG@5: additive - naive", low=-0.01, high=0.03),
    ),
    experiment(
        "looked at, then judged (PAL)",
        NEAR,
        ProductOfProbabilities(bias=SEEN),
        ("naive", "additive", "product"),
        Measure(name="log-loss: product - additive", high=0),
        Measure(name="corpus: product - additive"),
        Measure(
            name="NDCG@5: product - additive",
            low=0,
            remark="sums of log-odds describe products well enough for five ranks of ten",
        ),
    ),
    experiment(
        "added log-odds",
        NEAR,
        AdditiveLogits(bias=FALLING),
        ("naive", "additive", "product"),
        Measure(name="NDCG@5: product - additive", high=0, negative=True),
    ),
    experiment(
        "looks fall with the position",
        NEAR,
        PositionBased(examination=EXAMINATION),
        ("naive", "additive", "product", "c/p labels", "doubly robust"),
        Measure(name="NDCG@5: c/p labels - naive", low=0.03),
        Measure(name="NDCG@5: doubly robust - naive", low=0.03),
        Measure(name="corpus: doubly robust - c/p labels"),
    ),
    experiment(
        "stops at the first click",
        NEAR,
        Cascade(),
        ("naive", "additive", "XPA", "c/p labels"),
        Measure(name="NDCG@5: additive - naive", low=0),
    ),
    *(
        experiment(
            f"relevant neighbours take {taken} clicks",
            BESIDE,
            Neighbours(strength=strength),
            ("naive", "additive", "XPA"),
            Measure(name="NDCG@5: XPA - additive", low=low),
            Measure(name="log-loss: XPA - additive", high=0),
        )
        for taken, strength, low in (("some", -6, 0.0), ("many", -12, 0.0), ("most", -18, 0.10))
    ),
    experiment(
        "neighbours without an effect",
        BESIDE,
        Neighbours(strength=0),
        ("additive", "XPA"),
        Measure(name="NDCG@5: XPA - additive", low=-0.005, high=0.005),
    ),
    experiment(
        "neighbours by chance",
        Random(),
        Neighbours(strength=-6),
        ("additive", "XPA"),
        Measure(name="NDCG@5: XPA - additive", high=0.01, negative=True),
        Measure(name="log-loss: XPA - additive", high=0),
    ),
    Experiment(
        name="with retrieval",
        measure=tasks,
        measures=(
            Measure(name="corpus retrieval alone"),
            Measure(name="corpus weight 0.5"),
            Measure(name="corpus weight 0.9"),
            Measure(name="corpus weight 0.95"),
            Measure(name="corpus impressions alone"),
            Measure(name="corpus: weight 0.9 - retrieval alone", low=0),
        ),
    ),
)
