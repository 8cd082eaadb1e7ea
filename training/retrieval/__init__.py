"""Exact retrieval: search over all scores, with and without a rescorer."""

from training.retrieval.exact import MakeSearch, Mask, Scores, Search, exact_search, score_search
from training.retrieval.ranking import top_k
from training.retrieval.rescored import Rescore, reranked_search, rescored_search

__all__ = [
    "MakeSearch",
    "Mask",
    "Rescore",
    "Scores",
    "Search",
    "exact_search",
    "reranked_search",
    "rescored_search",
    "score_search",
    "top_k",
]
