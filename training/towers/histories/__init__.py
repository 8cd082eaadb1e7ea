"""History readers: from item vectors, ages and counts to one vector."""

from __future__ import annotations

from training.recipes.towers import GRUHistory, History, MeanPooling, MultiHeadPooling, SelfAttention, WeightedPooling
from training.towers.histories.attention import MultiHeadReader, SelfAttentionReader
from training.towers.histories.pooling import MeanReader, WeightedReader
from training.towers.histories.reader import Reader
from training.towers.histories.recurrent import GRUReader

__all__ = ["Reader", "build_history"]


def build_history(config: History, dim: int) -> Reader:
    """The reader that the recipe declares, for item vectors of dimension `dim`."""
    match config:
        case WeightedPooling():
            return WeightedReader(config)
        case MeanPooling():
            return MeanReader(config)
        case MultiHeadPooling():
            return MultiHeadReader(config, dim)
        case GRUHistory():
            return GRUReader(config, dim)
        case SelfAttention():
            return SelfAttentionReader(config, dim)
