"""Training set as arrays: queries, item snapshots, interactions.

Legend: Q user snapshots, S item snapshots, I interactions, N items of the corpus, U
users, M impressions of each; of a batch: R user snapshots, C distinct items, P
interactions, L positions of a history.
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
from training.data.histories import Histories
from training.data.repeat import repeat_labels
from training.data.slates import Slates

if TYPE_CHECKING:
    from scipy.sparse import csr_array

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True, kw_only=True)
class Batch:
    """R user snapshots, C distinct items, and the pairs of them that are positives."""

    users: dict[str, Tensor]
    """Encoded user snapshots, R rows."""
    items: dict[str, Tensor]
    """Encoded items, C rows."""
    user_R: np.ndarray
    """Users of the snapshots."""
    item_C: Tensor
    """Items, as rows of the corpus."""
    row_P: Tensor
    """Snapshot of each positive."""
    column_P: Tensor
    """Item of each positive."""
    weight_P: Tensor
    """Weight of each positive."""
    label_RL: Tensor | None = None
    """Repeat labels; None without a repeat head."""
    return_P: Tensor | None = None
    """Return of each positive; None unless the recipe trains for reward."""

    @property
    def size(self) -> int:
        """Number of interactions."""
        return len(self.row_P)

    def to(self, device: torch.device) -> Batch:
        """Batch on a device."""
        return Batch(
            users={name: each.to(device) for name, each in self.users.items()},
            items={name: each.to(device) for name, each in self.items.items()},
            user_R=self.user_R,
            item_C=self.item_C.to(device),
            row_P=self.row_P.to(device),
            column_P=self.column_P.to(device),
            weight_P=self.weight_P.to(device),
            label_RL=None if self.label_RL is None else self.label_RL.to(device),
            return_P=None if self.return_P is None else self.return_P.to(device),
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Clicked:
    """Interactions that are no positives, because impressions learn them; taken all the same."""

    user_T: np.ndarray
    """User of each, as in `TrainingSet.user_Q`."""
    item_T: np.ndarray
    """Item of each, as a row of the corpus."""
    time_T: np.ndarray
    """Time of its user snapshot in microseconds."""


@dataclass(frozen=True, kw_only=True)
class TrainingSet:
    """Interactions between encoded snapshots."""

    queries: Arrays
    """Encoded user snapshots, Q rows; without what `histories` holds."""
    user_Q: np.ndarray
    """Users of the snapshots, from 0; those with positives come first."""
    items: Arrays
    """Encoded item snapshots, S rows."""
    item_S: np.ndarray
    """Items of the snapshots, as rows of the corpus."""
    corpus: Arrays
    """Every item at the end of the training part, N rows."""
    query_I: np.ndarray
    """User snapshot of each interaction, ascending."""
    item_I: np.ndarray
    """Item snapshot of each interaction."""
    weight_I: np.ndarray
    """Weight of each interaction in the loss."""
    histories: tuple[Histories, ...] = ()
    """Histories of the snapshots, stored once per user."""
    label_QL: np.ndarray | None = None
    """Repeat labels, see `repeat_labels`; None without a repeat head."""
    impression_UM: np.ndarray | None = None
    """Impressions without interaction, see `impressions_not_taken`; None if no recipe asks
    for them."""
    clicked: Clicked | None = None
    """Interactions that are left to the impressions; None for none."""
    slates: Slates | None = None
    """Impressions by answer; None unless the recipe learns their clicks."""
    return_I: np.ndarray | None = None
    """Return of each interaction, see `with_returns`; None unless the recipe trains for
    reward."""

    def __post_init__(self) -> None:
        if not len(self.query_I):
            raise ValueError("no interaction to train on")
        if (np.diff(self.query_I) < 0).any():
            raise ValueError("interactions must be sorted by query")

    @property
    def size(self) -> int:
        """Number of items in the corpus."""
        return len(next(iter(self.corpus.values())))

    def users(self, rows: np.ndarray) -> Arrays:
        """Encoded user snapshots of some rows, with their histories."""
        arrays = {name: array[rows] for name, array in self.queries.items()}
        for each in self.histories:
            arrays |= each.arrays(rows)
        return arrays

    def share(self) -> Tensor:
        """Share of each item in the interactions, q of the correction: float32 [N]."""
        counts_N = np.bincount(self.item_S[self.item_I], minlength=self.size)
        return torch.from_numpy((counts_N / len(self.item_I)).astype(np.float32))

    @cached_property
    def known(self) -> csr_array:
        """Items that each user took anywhere in the training part: sparse [U, N]."""
        from scipy.sparse import csr_array

        rows = (self.user_Q[self.query_I], self.item_S[self.item_I])
        if self.clicked:
            rows = (np.append(rows[0], self.clicked.user_T), np.append(rows[1], self.clicked.item_T))
        found = csr_array((np.ones(len(rows[0]), np.int8), rows), shape=(int(self.user_Q.max()) + 1, self.size))
        found.sum_duplicates()
        return found

    def with_labels(self, time_Q: np.ndarray, window: int) -> TrainingSet:
        """Training set with repeat labels.

        Args:
            time_Q: times of the snapshots, int.
            window: window of the labels, in the unit of the times.

        Raises:
            ValueError: the queries have no history, or several.
        """
        names = [each.feature.name for each in self.histories]
        if len(names) != 1:
            raise ValueError(f"repeat labels are of one history, got {names or 'none'}: name the others in leave_out")
        taken = (self.user_Q[self.query_I], self.items[ITEM_ID][self.item_I], time_Q[self.query_I])
        if self.clicked:
            clicks = (self.clicked.user_T, self.corpus[ITEM_ID][self.clicked.item_T], self.clicked.time_T)
            taken = (np.append(taken[0], clicks[0]), np.append(taken[1], clicks[1]), np.append(taken[2], clicks[2]))
        code_QL = self.histories[0].items()
        item_QL = np.where(code_QL >= RESERVED, code_QL, -1)
        return replace(self, label_QL=repeat_labels(item_QL, self.user_Q, time_Q, taken, window))

    def batches(self, batch_size: int, rng: np.random.Generator) -> list[np.ndarray]:
        """Interaction rows of one epoch, in random batches of whole user snapshots.

        Args:
            batch_size: interactions in a batch, about.
            rng: source of the order.
        """
        starts = np.flatnonzero(np.r_[True, np.diff(self.query_I) > 0])
        counts = np.diff(np.r_[starts, len(self.query_I)])
        order = rng.permutation(len(starts))
        starts, counts = starts[order], counts[order]
        before = np.cumsum(counts) - counts
        rows = np.repeat(starts - before, counts) + np.arange(len(self.query_I))
        first_of_batch = np.flatnonzero(np.diff((before + counts - 1) // batch_size)) + 1
        return np.split(rows, before[first_of_batch])

    def batch(self, chosen: np.ndarray, *, whole_corpus: bool = False) -> Batch:
        """Tensors of one batch.

        Args:
            chosen: rows of the interactions.
            whole_corpus: whether every item is a column, with the features of the
                corpus; otherwise each item of the batch is one, with the features of
                one of its snapshots there.
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
            users={name: torch.from_numpy(array) for name, array in self.users(query_R).items()},
            items={name: torch.from_numpy(array) for name, array in items.items()},
            user_R=self.user_Q[query_R],
            item_C=torch.from_numpy(item_C),
            row_P=torch.from_numpy(row),
            column_P=torch.from_numpy(column),
            weight_P=torch.from_numpy(self.weight_I[chosen]),
            label_RL=None if self.label_QL is None else torch.from_numpy(self.label_QL[query_R]),
            return_P=None if self.return_I is None else torch.from_numpy(self.return_I[chosen]),
        )


def _distinct(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The distinct values in order, and each value's position among them."""
    starts = np.flatnonzero(np.r_[True, np.diff(values) != 0])
    # Equal values come in runs, so only one value of each run is sorted.
    found, position = np.unique(values[starts], return_inverse=True)
    return found, np.repeat(position, np.diff(np.r_[starts, len(values)]))
