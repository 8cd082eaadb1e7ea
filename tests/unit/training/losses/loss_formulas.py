"""The formula of every loss, written out pair by pair."""

from __future__ import annotations

import math
from collections.abc import Callable

from tests.unit.training.trainer.candidates_world import hard, logit, negatives
from training.losses import Candidates

Formula = Callable[[Candidates, int, int], float]


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def corrected_sum(c: Candidates, row: int, *, log_q: bool) -> float:
    """Σ_n e^{s_n − log q_n}; hard negatives have no correction."""
    drawn = (math.exp(logit(c, row, n) - (float(c.log_q_C[n]) if log_q else 0.0)) for n in negatives(c, row))
    return sum(drawn) + sum(math.exp(logit(c, row, n)) for n in hard(c, row))


def softmax(c: Candidates, row: int, column: int) -> float:
    positive = math.exp(logit(c, row, column) - float(c.log_q_C[column]))
    return -math.log(positive / (positive + corrected_sum(c, row, log_q=True)))


def info_nce(c: Candidates, row: int, column: int) -> float:
    positive = math.exp(logit(c, row, column))
    return -math.log(positive / (positive + corrected_sum(c, row, log_q=False)))


def refined(c: Candidates, row: int, column: int) -> float:
    total, positive = corrected_sum(c, row, log_q=True), math.exp(logit(c, row, column))
    return (1 - positive / (positive + total)) * (math.log(total) - math.log(positive))


def bilateral(c: Candidates, row: int, column: int) -> float:
    columns = (len(c.item_CD) if c.last_negative is None else c.last_negative) - c.first_negative
    return 1.3 * math.log(corrected_sum(c, row, log_q=False) / columns) - logit(c, row, column)


def mean_of(values: list[float]) -> float:
    return sum(values) / len(values)


def all_negatives(c: Candidates, row: int) -> list[float]:
    return [logit(c, row, n) for n in [*negatives(c, row), *hard(c, row)]]


def contrastive(c: Candidates, row: int, column: int) -> float:
    return 1 - logit(c, row, column) + 5 * mean_of([max(0.0, s - 0.1) for s in all_negatives(c, row)])


def targets(c: Candidates, row: int, column: int) -> float:
    return (1 - logit(c, row, column)) ** 2 + 2 * mean_of([(1 + s) ** 2 for s in all_negatives(c, row)])


def pointwise(c: Candidates, row: int, column: int) -> float:
    negative = mean_of([-math.log(1 - sigmoid(s)) for s in all_negatives(c, row)])
    return -math.log(sigmoid(logit(c, row, column))) + 3 * negative


def bpr(c: Candidates, row: int, column: int) -> float:
    return mean_of([-math.log(sigmoid(logit(c, row, column) - s)) for s in all_negatives(c, row)])


def hinge(c: Candidates, row: int, column: int) -> float:
    return mean_of([max(0.0, s + 0.4 - logit(c, row, column)) for s in all_negatives(c, row)])


def logistic(c: Candidates, row: int, column: int) -> float:
    return mean_of([math.log(1 + math.exp(2 * (s - logit(c, row, column)))) for s in all_negatives(c, row)])


FORMULAS: dict[str, tuple[Formula, dict[str, float]]] = {
    "softmax": (softmax, {}),
    "info_nce": (info_nce, {}),
    "refined_softmax": (refined, {}),
    "bilateral_softmax": (bilateral, {"exponent": 1.3}),
    "cosine_contrastive": (contrastive, {"margin": 0.1, "weight": 5}),
    "cosine_targets": (targets, {"negatives": 2}),
    "pointwise": (pointwise, {"negatives": 3}),
    "bpr": (bpr, {}),
    "hinge_triplet": (hinge, {"margin": 0.4}),
    "logistic_triplet": (logistic, {"sharpness": 2}),
}
