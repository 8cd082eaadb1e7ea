"""Ranking by one version: the one merge of index hits, history items and candidates."""

from serving.ranking.merge import NOTHING, Ranked, best, reordered, with_own, without
from serving.ranking.ranker import Find, Ranker, restricted

__all__ = ["NOTHING", "Find", "Ranked", "Ranker", "best", "reordered", "restricted", "with_own", "without"]
