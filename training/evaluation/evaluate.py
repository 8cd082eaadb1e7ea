"""Evaluation of a search on a hold-out: metrics by view and slice, intervals, ceilings.

Q queries, N corpus items, K retrieved places, V queries of one view, G item groups, M metrics at their ks.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from training.evaluation.bootstrap import Interval, bootstrap_intervals, paired_interval
from training.evaluation.holdout import ITEM_GROUPS, EvaluationView, Holdout
from training.evaluation.metrics import METRICS, is_relevant, recall_ceiling, recall_curve
from training.retrieval.exact import MakeSearch

if TYPE_CHECKING:
    from scipy.sparse import csr_array

LIST_LENGTH = 20
"""Length of the lists of which the repeat share is taken."""
MAIN_METRICS = ("recall", "ndcg")
"""Those that get intervals, are kept per user, and are reported by slice."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Evaluation:
    """What a search reached.

    metrics: "{view}/{metric}@{k}", and recall and ndcg by slice as "{view}/{slice}/{metric}@{k}": means over users. A
        view or slice without users has no entry.
    intervals: 95 % bootstrap over users for recall and ndcg of each view.
    leads: how far the version that is judged lies before this system: 95 % of the paired differences over the same
        users, for the metrics of `intervals`; empty for the version itself.
    ceilings: "{view}/recall@{k}" that the best possible lists would reach.
    repeat_share: share of the items on the lists of `all`, cut at 20, that their user had before.
    users: how many users stand behind each "{view}" and "{view}/{slice}".
    curves: view -> mean recall at k = 1, 2, ... up to the places retrieved.
    flags: what a reader must know before comparing.
    per_user: "{view}/recall@{k}" and ndcg, one value for each of `query_rows[view]` (rows of the hold-out). These two
        stay out of the JSON.
    """

    metrics: dict[str, float]
    intervals: dict[str, Interval]
    ceilings: dict[str, float]
    repeat_share: float
    users: dict[str, int]
    curves: dict[str, list[float]]
    flags: tuple[str, ...] = ()
    leads: dict[str, Interval] = field(default_factory=dict)
    per_user: dict[str, np.ndarray] = field(default_factory=dict)
    query_rows: dict[str, np.ndarray] = field(default_factory=dict)

    def to_json(self) -> str:
        """The summary, without the per-user arrays."""
        return json.dumps(asdict(replace(self, per_user={}, query_rows={})), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Evaluation:
        raw = json.loads(text)
        pairs = {
            each: {name: (low, high) for name, (low, high) in raw[each].items()} for each in ("intervals", "leads")
        }
        return cls(**{**raw, **pairs, "flags": tuple(raw["flags"])})

    def beside(self, version: Evaluation, *, seed: int) -> Evaluation:
        """With its leads. ValueError if both were not measured on the same users."""
        leads = {
            name: paired_interval(version.per_user[name], values, seed=seed) for name, values in self.per_user.items()
        }
        return replace(self, leads=leads)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Measured:
    """The lists of one view held against its relevant items."""

    view: EvaluationView
    ids_VK: np.ndarray
    hits_VK: np.ndarray
    counts_V: np.ndarray


def evaluate(
    make_search: MakeSearch,
    holdout: Holdout,
    *,
    ks: Sequence[int] = (10, 20, 100),
    seed: int,
    corpus: np.ndarray | None = None,
) -> Evaluation:
    """Retrieve for every query of the hold-out and measure.

    Args:
        make_search: binds the masks (`exclude` [Q, N], `corpus` bool [N]) and gives a search over rows of the hold-out.
        seed: of the bootstrap; the same seed resamples the same users for every system.
        corpus: bool [N]; restricts both what is retrieved and what counts as relevant. Default: all items.

    Raises:
        ValueError: the hold-out has no query with a relevant item.
    """
    views = holdout.views(corpus)
    if not len(views["all"].rows_V):
        raise ValueError("no query has a relevant item in this corpus: nothing to evaluate")
    lists = _retrieve(make_search, holdout, views, max(*ks, LIST_LENGTH), corpus)
    measured = {name: _measure(view, lists[view.seen_masked]) for name, view in views.items() if len(view.rows_V)}
    values = {
        f"{name}/{metric}@{k}": function(each.hits_VK, each.counts_V, k)
        for name, each in measured.items()
        for metric, function in METRICS.items()
        for k in ks
    }
    main = {name: [f"{name}/{metric}@{k}" for metric in MAIN_METRICS for k in ks] for name in measured}
    metrics = {name: float(value.mean()) for name, value in values.items()}
    users = {name: len(view.rows_V) for name, view in views.items()}
    for name, each in measured.items():
        for slice_name, hits, counts in _slices(each, holdout):
            users[f"{name}/{slice_name}"] = len(hits)
            metrics |= _means(f"{name}/{slice_name}", hits, counts, ks) if len(hits) else {}
    return Evaluation(
        metrics=metrics,
        intervals={
            metric: interval
            for names in main.values()
            for metric, interval in zip(names, _intervals([values[n] for n in names], seed), strict=True)
        },
        ceilings={f"{n}/recall@{k}": recall_ceiling(each.counts_V, k) for n, each in measured.items() for k in ks},
        repeat_share=_repeat_share(measured["all"], holdout.seen),
        users=users,
        curves={name: recall_curve(each.hits_VK, each.counts_V).tolist() for name, each in measured.items()},
        flags=_flags(views, ks, len(holdout.popularity_N) if corpus is None else int(corpus.sum())),
        per_user={metric: values[metric] for names in main.values() for metric in names},
        query_rows={name: view.rows_V for name, view in views.items()},
    )


def _retrieve(
    make_search: MakeSearch, holdout: Holdout, views: dict[str, EvaluationView], places: int, corpus: np.ndarray | None
) -> dict[bool, np.ndarray]:
    """Lists of all queries [Q, K], once without and once with seen items masked, as far as the views need them."""
    rows_Q = np.arange(len(holdout.users_Q))
    lists = {}
    for seen_masked in {view.seen_masked for view in views.values()}:
        search = make_search(exclude=holdout.seen if seen_masked else None, corpus=corpus)
        lists[seen_masked] = search(rows_Q, places)
    return lists


def _measure(view: EvaluationView, ids_QK: np.ndarray) -> _Measured:
    ids_VK, relevant = ids_QK[view.rows_V], view.relevant[view.rows_V]
    return _Measured(view=view, ids_VK=ids_VK, hits_VK=is_relevant(ids_VK, relevant), counts_V=np.diff(relevant.indptr))


def _slices(measured: _Measured, holdout: Holdout) -> list[tuple[str, np.ndarray, np.ndarray]]:
    """(name, hits, counts) of the users of a slice; an item slice asks only for relevant items of its group."""
    hits_VK, counts_V = measured.hits_VK, measured.counts_V
    slices = []
    for name, chosen_Q in holdout.user_slices().items():
        chosen_V = chosen_Q[measured.view.rows_V]
        slices.append((name, hits_VK[chosen_V], counts_V[chosen_V]))
    groups_N = holdout.item_groups()
    one_hot_NG = (groups_N[:, None] == np.arange(len(ITEM_GROUPS))).astype(np.int64)
    counts_VG = measured.view.relevant[measured.view.rows_V] @ one_hot_NG
    for group, name in enumerate(ITEM_GROUPS):
        chosen_V = counts_VG[:, group] > 0
        in_group_VK = hits_VK & (groups_N[measured.ids_VK] == group)
        slices.append((name, in_group_VK[chosen_V], counts_VG[chosen_V, group]))
    return slices


def _means(prefix: str, hits: np.ndarray, counts: np.ndarray, ks: Sequence[int]) -> dict[str, float]:
    return {f"{prefix}/{m}@{k}": float(METRICS[m](hits, counts, k).mean()) for m in MAIN_METRICS for k in ks}


def _intervals(values: list[np.ndarray], seed: int) -> list[Interval]:
    return bootstrap_intervals(np.stack(values, axis=1), seed=seed)


def _repeat_share(measured: _Measured, seen: csr_array) -> float:
    ids_VK = measured.ids_VK[:, :LIST_LENGTH]
    return float(is_relevant(ids_VK, seen[measured.view.rows_V]).sum() / (ids_VK >= 0).sum())


def _flags(views: dict[str, EvaluationView], ks: Sequence[int], size: int) -> tuple[str, ...]:
    too_long = [f"k = {k} is larger than the corpus: all {size} items are retrieved" for k in ks if k > size]
    empty = [f"{name}: no user has a relevant item" for name, view in views.items() if not len(view.rows_V)]
    return tuple(too_long + empty)
