"""The training set as arrays: queries, item snapshots, interactions.

Legend: Q user snapshots, S item snapshots, I interactions.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True, kw_only=True)
class Batch:
    """R user snapshots, C distinct items, and which pairs are positives. size: interactions in the batch."""

    users: dict[str, Tensor]
    items: dict[str, Tensor]
    item_C: Tensor
    positives_RC: Tensor
    weights_RC: Tensor
    size: int


@dataclass(frozen=True, kw_only=True)
class TrainingSet:
    """The interactions between encoded snapshots.

    queries: user snapshots [Q, ...]; items: item snapshots [S, ...]; item_of_S: their items, from 0. query_I, item_I:
    rows of each interaction's user and item snapshot, sorted by query; weight_I its weight.
    """

    queries: Arrays
    items: Arrays
    item_of_S: np.ndarray
    query_I: np.ndarray
    item_I: np.ndarray
    weight_I: np.ndarray

    def __post_init__(self) -> None:
        if not len(self.query_I):
            raise ValueError("no interaction to train on")
        if (np.diff(self.query_I) < 0).any():
            raise ValueError("interactions must be sorted by query")

    def frequency(self) -> np.ndarray:
        """float32 [items]: each item's share of the interactions, the q of the logQ correction."""
        return (np.bincount(self.item_of_S[self.item_I]) / len(self.item_I)).astype(np.float32)

    def batches(self, batch_size: int, rng: np.random.Generator) -> list[np.ndarray]:
        """One epoch in random order: rows of the interactions, whole user snapshots, about batch_size to a batch."""
        starts = np.flatnonzero(np.r_[True, np.diff(self.query_I) > 0])
        counts = np.diff(np.r_[starts, len(self.query_I)])
        order = rng.permutation(len(starts))
        starts, counts = starts[order], counts[order]
        before = np.cumsum(counts) - counts
        rows = np.repeat(starts - before, counts) + np.arange(len(self.query_I))
        first_of_batch = np.flatnonzero(np.diff((before + counts - 1) // batch_size)) + 1
        return np.split(rows, before[first_of_batch])

    def batch(self, chosen: np.ndarray) -> Batch:
        """The tensors of one batch; `chosen` are rows of the interactions.

        An item is one column, with the features of one of its snapshots in the batch.
        """
        query_R, row = np.unique(self.query_I[chosen], return_inverse=True)
        snapshots = self.item_I[chosen]
        item_C, first, column = np.unique(self.item_of_S[snapshots], return_index=True, return_inverse=True)
        weights_RC = np.zeros((len(query_R), len(item_C)), np.float32)
        weights_RC[row, column] = self.weight_I[chosen]
        weights = torch.from_numpy(weights_RC)
        return Batch(
            users={name: torch.from_numpy(array[query_R]) for name, array in self.queries.items()},
            items={name: torch.from_numpy(array[snapshots[first]]) for name, array in self.items.items()},
            item_C=torch.from_numpy(item_C),
            positives_RC=weights > 0,
            weights_RC=weights,
            size=len(chosen),
        )
