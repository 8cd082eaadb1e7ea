"""Exact retrieval and its evaluation: search under masks, the hold-out with its views, the measured result."""

from training.evaluate.evaluation import Evaluation, evaluate
from training.evaluate.holdout import Holdout, View, item_sets
from training.evaluate.search import (
    MakeSearch,
    Scores,
    Search,
    exact_search,
    index_recall,
    rescored_search,
    score_search,
    top_k,
)

__all__ = [
    "Evaluation",
    "Holdout",
    "MakeSearch",
    "Scores",
    "Search",
    "View",
    "evaluate",
    "exact_search",
    "index_recall",
    "item_sets",
    "rescored_search",
    "score_search",
    "top_k",
]
