"""The training set as arrays: queries, item snapshots, interactions.

Legend: Q user snapshots, S item snapshots, I interactions, N items of the corpus, U users, M items
shown to each; of a batch: R user snapshots,
C distinct items, P interactions, L places of a history.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from feature_repo.encode import RESERVED
from feature_repo.schema import ITEM_ID
from training.data.repeat import taken_again

if TYPE_CHECKING:
    from scipy.sparse import csr_array

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True, kw_only=True)
class Batch:
    """R user snapshots, C distinct items, and the pairs of them that are positives. user_R, item_C: who they are.
    again_RL: which places of the history the user takes again, where that is known for more than the positives."""

    users: dict[str, Tensor]
    items: dict[str, Tensor]
    user_R: np.ndarray
    item_C: Tensor
    row_P: Tensor
    column_P: Tensor
    weight_P: Tensor
    again_RL: Tensor | None = None

    @property
    def size(self) -> int:
        """Interactions in the batch."""
        return len(self.row_P)

    def to(self, device: torch.device) -> Batch:
        """The batch on a device."""
        return Batch(
            users={name: each.to(device) for name, each in self.users.items()},
            items={name: each.to(device) for name, each in self.items.items()},
            user_R=self.user_R,
            item_C=self.item_C.to(device),
            row_P=self.row_P.to(device),
            column_P=self.column_P.to(device),
            weight_P=self.weight_P.to(device),
            again_RL=None if self.again_RL is None else self.again_RL.to(device),
        )


@dataclass(frozen=True, kw_only=True)
class TrainingSet:
    """The interactions between encoded snapshots.

    queries: user snapshots [Q, ...]; user_Q: their users, from 0. items: item snapshots [S, ...]; item_S: their items,
    rows of the corpus. corpus: every item [N, ...] as it is at the end of the training part. query_I, item_I: rows of
    each interaction's user and item snapshot, sorted by query; weight_I its weight. again_QL: see `taken_again`; None
    where only the interactions themselves tell. shown_UM: see `shown_not_taken`; None where nobody asks.
    """

    queries: Arrays
    user_Q: np.ndarray
    items: Arrays
    item_S: np.ndarray
    corpus: Arrays
    query_I: np.ndarray
    item_I: np.ndarray
    weight_I: np.ndarray
    again_QL: np.ndarray | None = None
    shown_UM: np.ndarray | None = None

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

    def with_again(self, day_Q: np.ndarray, days: int) -> TrainingSet:
        """With what is taken again within so many days. day_Q: of the snapshots. ValueError unless there is one
        history."""
        histories = [name for name in self.queries if name.endswith("_items")]
        if len(histories) != 1:
            raise ValueError(f"what is taken again is asked of one history, got {histories or 'none'}")
        taken = (self.user_Q[self.query_I], self.items[ITEM_ID][self.item_I], day_Q[self.query_I])
        item_QL = np.where(self.queries[histories[0]] >= RESERVED, self.queries[histories[0]], -1)
        return replace(self, again_QL=taken_again(item_QL, self.user_Q, day_Q, taken, days))

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
        query_R, row = _distinct(self.query_I[chosen])
        snapshots = self.item_I[chosen]
        column = self.item_S[snapshots]
        if whole_corpus:
            item_C, items = np.arange(self.size), self.corpus
        else:
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
            again_RL=None if self.again_QL is None else torch.from_numpy(self.again_QL[query_R]),
        )


def _distinct(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The distinct values in order, and the place of each value among them: sorts one value of each run."""
    starts = np.flatnonzero(np.r_[True, np.diff(values) != 0])
    found, place = np.unique(values[starts], return_inverse=True)
    return found, np.repeat(place, np.diff(np.r_[starts, len(values)]))
