"""Exact retrieval and its evaluation: search under masks, the hold-out with its views, the measured result."""

from training.evaluate.evaluation import Evaluation, evaluate
from training.evaluate.holdout import Holdout, View, item_sets
from training.evaluate.reranked import Rescore, reranked_search
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
    "Rescore",
    "Scores",
    "Search",
    "View",
    "evaluate",
    "exact_search",
    "index_recall",
    "item_sets",
    "reranked_search",
    "rescored_search",
    "score_search",
    "top_k",
]
