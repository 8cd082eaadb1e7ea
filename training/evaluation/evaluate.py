"""Evaluation of searches on a hold-out: metrics by view and slice, and curves.

Legend: Q queries, N corpus items, K retrieved ranks, V queries of one view, G item
groups.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from training.evaluation.holdout import ITEM_GROUPS, EvaluationView, Holdout
from training.evaluation.metrics import METRICS, is_relevant, recall_ceiling, recall_curve
from training.evaluation.result import Evaluation, with_intervals
from training.evaluation.slices import FieldSlices, Partition
from training.evaluation.windows import window_name
from training.retrieval.exact import MakeSearch, Mask

if TYPE_CHECKING:
    from scipy.sparse import csr_array

KS = (10, 20, 100)
"""List lengths of the metrics."""
LIST_LENGTH = 20
"""Length of the lists whose repeat share is measured."""
MAIN_METRICS = ("recall", "ndcg")
"""Metrics that get intervals, are kept per user, and are reported by slice."""
WHOLE = "all items"
"""Name of the corpus without restriction."""


def evaluate(
    search: MakeSearch,
    holdout: Holdout,
    *,
    ks: Sequence[int] = KS,
    seed: int,
    corpus: np.ndarray | None = None,
) -> Evaluation:
    """Evaluate one search on one corpus.

    Args:
        search: search over rows of the hold-out.
        holdout: queries with their relevant items.
        ks: list lengths of the metrics.
        seed: random seed of the bootstrap.
        corpus: bool [N]; restricts both the retrieved and the relevant items. None for
            all items.

    Returns:
        Metrics, with their intervals.

    Raises:
        ValueError: the hold-out has no query with a relevant item.
    """
    results = evaluate_systems([("", search)], holdout, ks=ks, seed=seed, corpora={WHOLE: corpus})
    return results[WHOLE][""]


def evaluate_systems(
    searches: Iterable[tuple[str, MakeSearch]],
    holdout: Holdout,
    *,
    corpora: Mapping[str, np.ndarray | None],
    ks: Sequence[int] = KS,
    seed: int,
    reference: str | None = None,
    slices: FieldSlices | None = None,
) -> dict[str, dict[str, Evaluation]]:
    """Evaluate several systems on several corpora.

    Each system scores each query once. All systems share the resamples of users.

    Args:
        searches: (name, search) of each system. A generator may build them one by one,
            so that only one is in memory.
        holdout: queries with their relevant items.
        corpora: bool [N] by name, as `corpus` of `evaluate`.
        ks: list lengths of the metrics.
        seed: random seed of the bootstrap.
        reference: system whose leads over all others are measured; None for no leads.
        slices: slices by field, compared on the whole corpus alone; None for none.

    Returns:
        Evaluations by corpus and system.

    Raises:
        ValueError: a corpus in which no query has a relevant item.
    """
    protocols = {
        name: _Protocol.of(holdout, corpus, ks, (corpus is None and slices) or FieldSlices())
        for name, corpus in corpora.items()
    }
    masks = {(name, masked): mask for name, each in protocols.items() for masked, mask in each.masks.items()}
    rows_Q, ranks = np.arange(len(holdout.users_Q)), max(*ks, LIST_LENGTH)
    results: dict[str, dict[str, Evaluation]] = {name: {} for name in corpora}
    for system, search in searches:
        # One call for all masks: scores are computed once, and masked for each list.
        lists = dict(zip(masks, search.lists(rows_Q, ranks, list(masks.values())), strict=True))
        for name, each in protocols.items():
            results[name][system] = each.measured({masked: lists[name, masked] for masked in each.masks}, ks)
    return {name: with_intervals(systems, seed=seed, reference=reference) for name, systems in results.items()}


@dataclass(frozen=True, kw_only=True, eq=False)
class _Question:
    """Question of one view of one corpus to every system."""

    rows_V: np.ndarray
    """Queries with a relevant item, as rows of the hold-out."""
    relevant: csr_array
    """Relevant items, sparse [V, N]."""
    seen_masked: bool
    """Whether lists must not hold seen items."""
    counts_V: np.ndarray
    """Relevant items of each query."""
    counts_VG: tuple[np.ndarray, ...]
    """Relevant items of each query by group of items, for each partition of the items."""
    windows: tuple[csr_array, ...]
    """Relevant items of each query in each window, sparse [V, N]."""

    @classmethod
    def of(cls, view: EvaluationView, partitions: Sequence[Partition], windows: Sequence[csr_array]) -> _Question:
        """Question of one view.

        Args:
            view: relevant items.
            partitions: partitions of the items.
            windows: items that are taken in each window.
        """
        relevant = view.relevant[view.rows_V]
        return cls(
            rows_V=view.rows_V,
            relevant=relevant,
            seen_masked=view.seen_masked,
            counts_V=np.diff(relevant.indptr),
            windows=tuple(relevant.multiply(each[view.rows_V]).tocsr() for each in windows),
            counts_VG=tuple((relevant @ _one_hot(each)).toarray() for each in partitions),
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class _Protocol:
    """Questions of one corpus to every system, prepared once."""

    corpus: np.ndarray | None
    """Items that count, bool [N]; None for all."""
    questions: dict[str, _Question]
    """Questions of the views that have users, by name."""
    empty: tuple[str, ...]
    """Names of the views that have no users."""
    partitions: tuple[Partition, ...]
    """Groups of items: by popularity, and those that were asked for."""
    slices: dict[str, np.ndarray]
    """User slices: name -> bool [Q]."""
    own: frozenset[str]
    """Slices whose means are among the metrics: names that every evaluation has."""
    seen: csr_array
    """Items that each query's user had before, sparse [Q, N]."""
    flags: tuple[str, ...]
    """Warnings for the reader of the results."""

    @classmethod
    def of(cls, holdout: Holdout, corpus: np.ndarray | None, ks: Sequence[int], slices: FieldSlices) -> _Protocol:
        """Questions of one corpus.

        Args:
            holdout: queries with their relevant items.
            corpus: bool [N]; None for all items.
            ks: list lengths of the metrics.
            slices: slices by field.

        Raises:
            ValueError: no query has a relevant item in the corpus.
        """
        views, own = holdout.views(corpus), holdout.user_slices()
        partitions = (Partition(names=ITEM_GROUPS, codes=holdout.item_groups()), *slices.items)
        by_field = {name: part.codes == n for part in slices.users for n, name in enumerate(part.names)}
        if not len(views["all"].rows_V):
            raise ValueError("no query has a relevant item in this corpus: nothing to evaluate")
        size = len(holdout.popularity_N) if corpus is None else int(corpus.sum())
        empty = tuple(name for name, view in views.items() if not len(view.rows_V))
        too_long = [f"k = {k} is larger than the corpus: all {size} items are retrieved" for k in ks if k > size]
        return cls(
            corpus=corpus,
            questions={
                name: _Question.of(view, partitions, slices.windows)
                for name, view in views.items()
                if name not in empty
            },
            empty=empty,
            partitions=partitions,
            slices=own | by_field,
            own=frozenset((*own, *ITEM_GROUPS)),
            seen=holdout.seen,
            flags=(*holdout.flags, *too_long, *(f"{name}: no user has a relevant item" for name in empty)),
        )

    @property
    def masks(self) -> dict[bool, Mask]:
        """Masks that the views need, by whether seen items are masked."""
        needed = {each.seen_masked for each in self.questions.values()}
        return {masked: Mask(exclude=self.seen if masked else None, corpus=self.corpus) for masked in needed}

    def measured(self, lists: Mapping[bool, np.ndarray], ks: Sequence[int]) -> Evaluation:
        """Evaluation of one system, without intervals.

        Args:
            lists: retrieved items [Q, K] under each of the masks.
            ks: list lengths of the metrics.
        """
        metrics: dict[str, float] = {}
        curves: dict[str, list[float]] = {}
        curve_errors: dict[str, list[float]] = {}
        ceilings: dict[str, float] = {}
        per_user: dict[str, np.ndarray] = {}
        slice_rows: dict[str, np.ndarray] = {}
        per_slice: dict[str, np.ndarray] = {}
        users = dict.fromkeys(self.empty, 0)
        for view, asked in self.questions.items():
            ids_VK = lists[asked.seen_masked][asked.rows_V]
            hits_VK, users[view] = is_relevant(ids_VK, asked.relevant), len(ids_VK)
            values = {f"{m}@{k}": METRICS[m](hits_VK, asked.counts_V, k) for m in METRICS for k in ks}
            metrics |= {f"{view}/{name}": float(value.mean()) for name, value in values.items()}
            per_user |= {f"{view}/{m}@{k}": values[f"{m}@{k}"] for m in MAIN_METRICS for k in ks}
            ceilings |= {f"{view}/recall@{k}": recall_ceiling(asked.counts_V, k) for k in ks}
            means_K, errors_K = recall_curve(hits_VK, asked.counts_V)
            curves[view], curve_errors[view] = means_K.tolist(), errors_K.tolist()
            for name, rows, hits, counts in self._slices(view, asked, ids_VK, hits_VK):
                slice_rows[name], users[name] = rows, len(rows)
                pairs = ((m, k) for m in MAIN_METRICS for k in ks if len(rows))
                found = {f"{name}/{m}@{k}": METRICS[m](hits, counts, k) for m, k in pairs}
                if name.removeprefix(f"{view}/") in self.own:
                    metrics |= {each: float(value.mean()) for each, value in found.items()}
                # Values of a slice of users are those of the view.
                per_slice |= found if name.removeprefix(f"{view}/") not in self.slices else {}
        return Evaluation(
            metrics=metrics,
            ceilings=ceilings,
            repeat_share=self._repeat_share(own := self._own_lists(lists)),
            users=users,
            curves=curves,
            curve_errors=curve_errors,
            flags=self.flags,
            per_user=per_user,
            query_rows={view: asked.rows_V for view, asked in self.questions.items()},
            slice_rows=slice_rows,
            per_slice=per_slice,
            lists=own,
        )

    def _slices(
        self, view: str, asked: _Question, ids_VK: np.ndarray, hits_VK: np.ndarray
    ) -> Iterator[tuple[str, np.ndarray, np.ndarray, np.ndarray]]:
        """Slices of one view, as (name, rows, hits, counts) of their users.

        Args:
            view: name of the view.
            asked: question of the view.
            ids_VK: retrieved items.
            hits_VK: whether they are relevant.
        """
        for name, chosen_Q in self.slices.items():
            rows = np.flatnonzero(chosen_Q[asked.rows_V])
            yield f"{view}/{name}", rows, hits_VK[rows], asked.counts_V[rows]
        for partition, counts_VG in zip(self.partitions, asked.counts_VG, strict=True):
            # Id -1 reads the last item's group, which is harmless: no item is no hit.
            group_VK = partition.codes[ids_VK]
            for group, name in enumerate(partition.names):
                # Users without a relevant item of the group have no recall there.
                rows = np.flatnonzero(counts_VG[:, group])
                yield f"{view}/{name}", rows, hits_VK[rows] & (group_VK[rows] == group), counts_VG[rows, group]
        for number, relevant in enumerate(asked.windows, 1):
            counts_V = np.diff(relevant.indptr)
            rows = np.flatnonzero(counts_V)
            hits = is_relevant(ids_VK[rows], relevant[rows])
            yield f"{view}/{window_name(number, len(asked.windows))}", rows, hits, counts_V[rows]

    def _own_lists(self, lists: Mapping[bool, np.ndarray]) -> np.ndarray:
        """Lists of `all`, cut at LIST_LENGTH: int32 [V, LIST_LENGTH]."""
        asked = self.questions["all"]
        own_VK: np.ndarray = lists[asked.seen_masked][asked.rows_V, :LIST_LENGTH]
        return own_VK

    def _repeat_share(self, own_VK: np.ndarray) -> float:
        """Share of the items on the lists of `all` that their user had before."""
        # Relevance to `seen` counts the seen items of a list.
        seen = self.seen[self.questions["all"].rows_V]
        return float(is_relevant(own_VK, seen).sum() / (own_VK >= 0).sum())


def _one_hot(partition: Partition) -> csr_array:
    """Part of each item: int64, sparse [N, parts]."""
    from scipy.sparse import csr_array

    rows = np.flatnonzero(partition.codes >= 0)
    shape = (len(partition.codes), len(partition.names))
    return csr_array((np.ones(len(rows), np.int64), (rows, partition.codes[rows])), shape=shape)
