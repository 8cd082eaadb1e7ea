"""Evaluation on a hold-out: views, metrics and their intervals."""

from training.evaluation.evaluate import evaluate
from training.evaluation.holdout import EvaluationView, Holdout, item_sets, temporal_holdout
from training.evaluation.result import Evaluation

__all__ = ["Evaluation", "EvaluationView", "Holdout", "evaluate", "item_sets", "temporal_holdout"]
