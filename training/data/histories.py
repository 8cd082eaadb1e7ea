"""Histories of user snapshots, stored once per user and cut for each batch.

Consecutive snapshots of a user share most of their history. An entry is an item with its last
time and counts, and the snapshots during which it stands so: about one for each event, in
place of a list for each snapshot.

Legend: Q snapshots, E entries, L positions of a history; of a part of the snapshots: n
snapshots, e their elements in all lists; of a batch: R snapshots, p candidates among entries.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from feature_repo.encode import RESERVED, Encoder
from feature_repo.encode.history import HistoryLists
from feature_repo.encode.parts import ROWS_AT_ONCE
from feature_repo.feature import Feature
from feature_repo.schema import ENTITY_TIME

_MIX = np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9], np.uint64)
"""Odd multipliers of a hash."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Histories:
    """One history feature of all snapshots. Snapshots are sorted by user and time."""

    feature: Feature
    item_E: np.ndarray
    """Codes, int32; the entries of a user lie together, newest first, of one time by item id."""
    time_E: np.ndarray
    count_E: np.ndarray
    moment_E: np.ndarray
    enter_E: np.ndarray
    """First snapshot that has the entry."""
    leave_E: np.ndarray
    """First snapshot after it that has not."""
    first_Q: np.ndarray
    """First entry of each snapshot."""
    end_Q: np.ndarray
    """Entry after its last one; others may lie between them."""
    now_Q: np.ndarray
    """Times of the snapshots in microseconds."""

    def arrays(self, query_R: np.ndarray) -> dict[str, np.ndarray]:
        """Encoded histories of some snapshots, as `Encoder.encode` gives them."""
        at = self._places(query_R)
        lists = HistoryLists(
            items=self._listed(self.item_E, at, len(query_R)),
            times=self._listed(self.time_E, at, len(query_R)),
            counts=self._listed(self.count_E, at, len(query_R)),
            moments=self._listed(self.moment_E, at, len(query_R)),
        )
        return lists.aged(self.feature, self.now_Q[query_R])

    def items(self) -> np.ndarray:
        """Item codes of all snapshots, int32 [Q, L]."""
        queries = len(self.now_Q)
        item_QL = np.empty((queries, self.feature.length or 1), self.item_E.dtype)
        for start in range(0, queries, ROWS_AT_ONCE):  # every candidate entry takes 40 bytes
            rows = np.arange(start, min(start + ROWS_AT_ONCE, queries))
            item_QL[rows] = self._listed(self.item_E, self._places(rows), len(rows))
        return item_QL

    def _listed(self, values_E: np.ndarray, at: tuple[np.ndarray, np.ndarray, np.ndarray], rows: int) -> np.ndarray:
        row, place, entry = at
        lists_RL = np.zeros((rows, self.feature.length or 1), values_E.dtype)
        lists_RL[row, place] = values_E[entry]
        return lists_RL

    def _places(self, query_R: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Row of the batch, position in its list, and entry, of all list elements."""
        first_R, end_R = self.first_Q[query_R], self.end_Q[query_R]
        row_p = np.repeat(np.arange(len(query_R)), end_R - first_R)
        entry_p = np.arange(len(row_p)) + (first_R - _before(end_R - first_R))[row_p]
        query_p = query_R[row_p]
        live = (self.enter_E[entry_p] <= query_p) & (query_p < self.leave_E[entry_p])
        row, entry = row_p[live], entry_p[live]
        place = np.arange(len(row)) - _before(np.bincount(row, minlength=len(query_R)))[row]
        return row, place, entry


class HistoriesBuilder:
    """Histories that grow by parts of the snapshots.

    Args:
        encoder: encoder of the users.
        feature: one of its histories.
    """

    def __init__(self, encoder: Encoder, feature: Feature) -> None:
        self.encoder, self.feature = encoder, feature
        ids = pl.Series(encoder.vocabularies[feature.name], dtype=pl.String)
        self._rank_V = np.concatenate([np.zeros(RESERVED, np.int64), ids.rank("ordinal").to_numpy()])
        self._parts: list[dict[str, np.ndarray]] = []
        self._rows = self._entries = 0

    def add(self, frame: pl.DataFrame) -> None:
        """Add the next snapshots, sorted by user and time."""
        lists = self.encoder.read_history(self.feature, frame)
        user_n = frame[self.encoder.key].rle_id().to_numpy()
        row, place = np.nonzero(lists.items)
        item_e, time_e, count_e, moment_e = (
            each[row, place] for each in (lists.items, lists.times, lists.counts, lists.moments)
        )
        order, starts = _runs(row, [item_e, time_e, user_n[row]], [count_e, moment_e])
        ends = np.append(starts[1:], len(order))[: len(starts)]
        heads = order[starts]
        newest_first = np.lexsort((self._rank_V[item_e[heads]], -time_e[heads], user_n[row[heads]]))
        entry_e = np.empty(len(order), np.int64)
        entry_e[order] = np.repeat(np.argsort(newest_first), ends - starts)
        lengths_n = np.count_nonzero(lists.items, axis=1)
        there = lengths_n > 0
        of_row = _before(lengths_n)[there]
        first_n, end_n = np.zeros((2, len(frame)), np.int64)
        # Not those at the ends of the list: unknown items of one time have no order.
        first_n[there] = self._entries + np.minimum.reduceat(entry_e, of_row) if len(of_row) else 0
        end_n[there] = self._entries + np.maximum.reduceat(entry_e, of_row) + 1 if len(of_row) else 0
        columns = {
            "item_E": item_e[heads],
            "time_E": time_e[heads],
            "count_E": count_e[heads],
            "moment_E": moment_e[heads],
            "enter_E": (self._rows + row[heads]).astype(np.int32),
            "leave_E": (self._rows + row[order[ends - 1]] + 1).astype(np.int32),
        }
        part = {name: column[newest_first] for name, column in columns.items()}
        now_n = frame[ENTITY_TIME].dt.epoch("us").to_numpy()
        self._parts.append(part | {"first_Q": first_n, "end_Q": end_n, "now_Q": now_n})
        self._rows, self._entries = self._rows + len(frame), self._entries + len(heads)

    def built(self) -> Histories:
        """The histories of all snapshots that were added."""
        return Histories(
            feature=self.feature,
            **{name: np.concatenate([part[name] for part in self._parts]) for name in self._parts[0]},
        )


def _runs(row_e: np.ndarray, key_e: list[np.ndarray], values_e: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Find the runs of elements that stay the same from row to row.

    Args:
        row_e: rows, ascending.
        key_e: integers that tell most elements of a row apart.
        values_e: what must be the same as well.

    Returns:
        An order in which each run lies together, and the starts of the runs in it.
    """
    hash_e = np.zeros(len(row_e), np.uint64)
    for key, factor in zip(key_e, _MIX, strict=True):
        hash_e = (hash_e ^ key.astype(np.int64).view(np.uint64)) * factor
        hash_e ^= hash_e >> np.uint64(29)
    # Rows in the low bits give every element a number of its own, as the vectorised sort, which
    # is not stable, needs. Two keys with one hash end a run too early, which is no mistake: the
    # values are compared.
    bits = np.uint64(int(row_e[-1]).bit_length() if len(row_e) else 0)
    order = np.argsort((hash_e << bits) | row_e.astype(np.uint64))
    row_e = row_e[order]
    goes_on = row_e[1:] == row_e[:-1] + 1
    for value_e in (*key_e, *values_e):
        ordered_e = value_e[order]
        goes_on &= ordered_e[1:] == ordered_e[:-1]
    return order, np.flatnonzero(np.append([True], ~goes_on))[: len(order)]


def _before(sizes: np.ndarray) -> np.ndarray:
    """Sum of all sizes before each."""
    return np.cumsum(sizes) - sizes
