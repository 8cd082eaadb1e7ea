"""The training set as arrays: queries, item snapshots, interactions.

Legend: Q user snapshots, S item snapshots, I interactions, N items of the corpus; of a batch: R user snapshots,
C distinct items, P interactions.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

if TYPE_CHECKING:
    from scipy.sparse import csr_array

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True, kw_only=True)
class Batch:
    """R user snapshots, C distinct items, and the pairs of them that are positives. user_R, item_C: who they are."""

    users: dict[str, Tensor]
    items: dict[str, Tensor]
    user_R: np.ndarray
    item_C: Tensor
    row_P: Tensor
    column_P: Tensor
    weight_P: Tensor

    @property
    def size(self) -> int:
        """Interactions in the batch."""
        return len(self.row_P)


@dataclass(frozen=True, kw_only=True)
class TrainingSet:
    """The interactions between encoded snapshots.

    queries: user snapshots [Q, ...]; user_Q: their users, from 0. items: item snapshots [S, ...]; item_S: their items,
    rows of the corpus. corpus: every item [N, ...] as it is at the end of the training part. query_I, item_I: rows of
    each interaction's user and item snapshot, sorted by query; weight_I its weight.
    """

    queries: Arrays
    user_Q: np.ndarray
    items: Arrays
    item_S: np.ndarray
    corpus: Arrays
    query_I: np.ndarray
    item_I: np.ndarray
    weight_I: np.ndarray

    def __post_init__(self) -> None:
        if not len(self.query_I):
            raise ValueError("no interaction to train on")
        if (np.diff(self.query_I) < 0).any():
            raise ValueError("interactions must be sorted by query")

    @property
    def size(self) -> int:
        """Items of the corpus."""
        return len(next(iter(self.corpus.values())))

    def share(self) -> Tensor:
        """float32 [N]: each item's share of the interactions, the q of the logQ correction."""
        counts_N = np.bincount(self.item_S[self.item_I], minlength=self.size)
        return torch.from_numpy((counts_N / len(self.item_I)).astype(np.float32))

    @cached_property
    def known(self) -> csr_array:
        """[users, N]: an entry for every item that the user took at any time of the training part."""
        from scipy.sparse import csr_array

        rows = (self.user_Q[self.query_I], self.item_S[self.item_I])
        found = csr_array((np.ones(len(self.query_I), np.int8), rows), shape=(int(self.user_Q.max()) + 1, self.size))
        found.sum_duplicates()
        return found

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

    def batch(self, chosen: np.ndarray, *, whole_corpus: bool = False) -> Batch:
        """The tensors of one batch; `chosen` are rows of the interactions.

        An item is one column, with the features of one of its snapshots in the batch; with `whole_corpus` every item is
        one, with the features of the corpus.
        """
        query_R, row = np.unique(self.query_I[chosen], return_inverse=True)
        snapshots = self.item_I[chosen]
        item_C, items = np.arange(self.size), self.corpus
        column = self.item_S[snapshots]
        if not whole_corpus:
            item_C, first, column = np.unique(column, return_index=True, return_inverse=True)
            items = {name: array[snapshots[first]] for name, array in self.items.items()}
        return Batch(
            users={name: torch.from_numpy(array[query_R]) for name, array in self.queries.items()},
            items={name: torch.from_numpy(array) for name, array in items.items()},
            user_R=self.user_Q[query_R],
            item_C=torch.from_numpy(item_C),
            row_P=torch.from_numpy(row),
            column_P=torch.from_numpy(column),
            weight_P=torch.from_numpy(self.weight_I[chosen]),
        )
