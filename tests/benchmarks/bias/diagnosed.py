"""Outcomes of the diagnosis in worlds whose bias is known: `python -m tests.benchmarks.bias.diagnosed`.

The second table counts how often it is wrong.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from tests.benchmarks.bias.clicks import AdditiveLogits, Cascade, ClickModel, PositionBased, TwoTypes
from tests.benchmarks.bias.loggers import ByIrrelevant, ByRelevance, Logger, Mixture, NeighbourSwap, Random
from tests.benchmarks.bias.simulators import planted, simulate
from training.diagnostics import Diagnosis, Outcome, diagnose

LENGTH, ANSWERS, LOGS = 6, 8_000, 200
NO_BIAS = PositionBased(examination=(1.0,) * LENGTH)
BIASED = PositionBased(examination=tuple(1 / k for k in range(1, LENGTH + 1)))
ADDITIVE = AdditiveLogits(bias=tuple(-float(np.log(k)) for k in range(1, LENGTH + 1)))


@dataclass(frozen=True, kw_only=True)
class Case:
    """A kind of log."""

    order: str
    logger: Logger
    looks: str
    clicks: ClickModel
    fixed: bool = False
    """Whether a user has the same items in each answer."""
    features: bool = False
    """Whether the diagnosis sees features."""
    items: bool = False
    """Whether items alone are compared, the naive way."""


SHARED = NeighbourSwap(base=ByRelevance(), share=0.1)
RANDOM_SHARE = Mixture(loggers=(Random(), ByRelevance()), shares=(0.1, 0.9))
CASES = [
    Case(order="random", logger=Random(), looks="less below", clicks=BIASED),
    Case(order="random", logger=Random(), looks="everywhere", clicks=NO_BIAS),
    Case(order="random", logger=Random(), looks="first, or all", clicks=TwoTypes(patient=0.5)),
    Case(order="by relevance, items change", logger=ByRelevance(), looks="less below", clicks=BIASED),
    Case(order="by relevance, items change", logger=ByRelevance(), looks="everywhere", clicks=NO_BIAS),
    Case(order="the same, items compared", logger=ByRelevance(), looks="everywhere", clicks=NO_BIAS, items=True),
    Case(order="by relevance, items change", logger=ByRelevance(), looks="to a click", clicks=Cascade()),
    Case(order="by relevance, fixed", logger=ByRelevance(), looks="less below", clicks=BIASED, fixed=True),
    Case(
        order="the same, with features", logger=ByRelevance(), looks="less below", clicks=BIASED, fixed=True,
        features=True,
    ),
    Case(order="the same, 10 % random", logger=RANDOM_SHARE, looks="less below", clicks=BIASED, fixed=True),
    Case(order="the same, 10 % with a swap", logger=SHARED, looks="less below", clicks=BIASED, fixed=True),
    Case(order="by another feature, fixed", logger=ByIrrelevant(), looks="less below", clicks=ADDITIVE, fixed=True),
    Case(
        order="the same, with features", logger=ByIrrelevant(), looks="less below", clicks=ADDITIVE, fixed=True,
        features=True,
    ),
]  # fmt: skip


def main() -> None:
    print(f"{'order':30}{'looks':15}{'last/first':>10} {'outcome':18}{'p':>8}{'effect':>8}{'±':>6}{'order~rel.':>11}")
    world = planted(users=200, items=24, seed=0)
    for case in CASES:
        log = simulate(
            world, case.logger, case.clicks, answers=ANSWERS, length=LENGTH, seed=1, fixed=case.fixed
        )  # fmt: skip
        found = diagnose(
            log.slates,
            seed=0,
            unit_SL=log.slates.item_SL if case.items else None,
            feature_SLF=log.product_SLF if case.features else None,
        )
        rate_L = log.slates.click_SL.mean(axis=0)
        print(f"{case.order:30}{case.looks:15}{rate_L[-1] / rate_L[0]:>10.2f} {found.outcome:18}{row(found)}")
    print()
    for name, logger, clicks, answers in RATES:
        shares = rates(logger, clicks, answers)
        print(f"{name:60}" + "  ".join(f"{outcome}: {share:.1%}" for outcome, share in shares))


FLAT, FALLING = AdditiveLogits(bias=(0.0,) * 5), PositionBased(examination=(1.0, 0.7, 0.5, 0.4, 0.3))
RATES = [
    ("random order, no bias, 1,000 answers", Random(), FLAT, 1_000),
    ("random order, no bias, moods, 1,000 answers", Random(), AdditiveLogits(bias=(0.0,) * 5, mood=2.0), 1_000),
    ("by relevance, no bias, 8,000 answers", ByRelevance(), FLAT, 8_000),
    ("by relevance, looks fall to 30 %, 1,000 answers", ByRelevance(), FALLING, 1_000),
    ("by relevance, looks fall to 30 %, 4,000 answers", ByRelevance(), FALLING, 4_000),
]
"""Kinds of logs of 100 users, 12 items and 5 positions."""


def rates(logger: Logger, clicks: ClickModel, answers: int) -> Iterator[tuple[Outcome, float]]:
    """Share of each outcome over logs of one kind."""
    outcomes = []
    for seed in range(LOGS):
        world = planted(users=100, items=12, seed=seed)
        log = simulate(world, logger, clicks, answers=answers, length=5, seed=seed)
        outcomes.append(diagnose(log.slates, seed=seed).outcome)
    for outcome in Outcome:
        yield outcome, outcomes.count(outcome) / LOGS


def row(found: Diagnosis) -> str:
    """Numbers of a diagnosis, a dash for each unknown one."""
    numbers = found.evidence.numbers
    widths = {"p_value": (8, ".1g"), "effect": (8, ".2f"), "half_width": (6, ".2f"), "correlation": (11, "+.2f")}
    return "".join(
        f"{format(numbers[name], form) if name in numbers else '-':>{width}}" for name, (width, form) in widths.items()
    )


if __name__ == "__main__":
    main()
