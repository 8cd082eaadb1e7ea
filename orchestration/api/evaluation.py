"""Evaluation of the Python API: a model beside baselines, after the cut."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

import polars as pl

from feature_repo.schema import ITEM_ID, USER_ID
from orchestration.api.dataset import Dataset
from orchestration.api.model import TWO_TOWER, RetrievalModel
from training.baselines import Log, baseline_search, check_baselines, fit_baseline, too_large
from training.evaluation import Evaluation, temporal_holdout
from training.evaluation.evaluate import KS, WHOLE, evaluate_systems
from training.evaluation.holdout import Holdout
from training.retrieval import MakeSearch
from training.retrieval.model_search import served_search

_NO_INTERVAL = (None, None)


@dataclass(frozen=True, kw_only=True, eq=False)
class Report:
    """Metrics of a model and of baselines, on the same users."""

    systems: Mapping[str, Evaluation]
    """Evaluation by system; the model is two_tower. `curves` hold recall at every list length."""
    cut: datetime
    """Start of the hold-out."""

    @property
    def flags(self) -> Sequence[str]:
        """Warnings to read before comparing, such as a list length beyond the corpus."""
        return self.systems[TWO_TOWER].flags

    def to_frame(self) -> pl.DataFrame:
        """All metrics over whole views.

        Returns:
            view (all, repeat, discovery), metric, k, system, value; low and high, the 95 % bootstrap
            interval over users; lead_low and lead_high, that of the paired lead of the model over the
            system (recall and ndcg have intervals, others null); users behind the value.

        >>> report.to_frame().filter(view="all", metric="recall", k=20)["system"].to_list()
        ['two_tower', 'popularity']
        """
        rows = [row for name, each in self.systems.items() for row in _rows(name, each)]
        keys = ["view", "metric", "k"]
        order = {key: dict.fromkeys(row[key] for row in rows) for key in keys}
        ranked = sorted(rows, key=lambda row: [list(order[key]).index(row[key]) for key in keys])
        return pl.DataFrame(ranked, _COLUMNS, orient="row")

    def __repr__(self) -> str:
        main = self.to_frame().filter(metric="recall", k=20).select("view", "system", "value", "low", "high")
        return f"Report on the users after {self.cut:%Y-%m-%d}, recall@20:\n{main}"


def evaluate(
    model: RetrievalModel,
    data: Dataset,
    baselines: Sequence[str] = ("popularity",),
    *,
    ks: Sequence[int] = KS,
    seed: int = 0,
) -> Report:
    """Measure a model beside baselines on what users did after the cut.

    Search is exact, over the whole corpus; features are as of the cut of the data. Nothing is
    registered or gated.

    Args:
        model: the model.
        data: the data that it was trained on, or later ones.
        baselines: names of baselines, which are fitted to the events before the cut.
        ks: list lengths; 20 is always among them.
        seed: random seed of the bootstrap and of baselines.

    Raises:
        ValueError: an unknown baseline, one that is too large for these data, or data whose
            hold-out begins before the model's cut: it was trained on some of it.

    >>> gh.evaluate(model, data, baselines=["popular"])
    Traceback (most recent call last):
    ValueError: got the baselines popular; wanted some of popularity, recent_popularity, ...
    """
    check_baselines(baselines)
    # A hold-out that the model learned from would flatter it, and nothing would show
    # it.
    if data.split.cut < model.cut:
        raise ValueError(
            f"the hold-out of the data begins at {data.split.cut}, but the model learned from events until {model.cut}:"
            " it would be measured on what it has seen; evaluate it on the data that it was fitted to"
        )
    prepared = _Prepared(model=model, data=data)
    # Asked before the first system is measured, which can take minutes.
    if reasons := [reason for name in baselines if (reason := too_large(name, prepared.before))]:
        raise ValueError(f"{'; '.join(reasons)}: leave it out")
    systems = evaluate_systems(
        prepared.searches(baselines, seed),
        prepared.holdout,
        ks=tuple(sorted({*ks, 20})),
        seed=seed,
        corpora={WHOLE: None},
        reference=TWO_TOWER,
    )[WHOLE]
    return Report(systems=systems, cut=data.split.cut)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Prepared:
    """A model and the data that it is measured on."""

    model: RetrievalModel
    data: Dataset

    @cached_property
    def ids(self) -> tuple[pl.Series, pl.Series]:
        return self.data.users[USER_ID], self.data.items[ITEM_ID]

    @cached_property
    def before(self) -> Log:
        return Log.before(self.data.tables.events, *self.ids, self.data.split.cut)

    @cached_property
    def holdout(self) -> Holdout:
        split, returning = self.data.split, self.data.schema.seen_items_may_return
        return temporal_holdout(self.data.tables.events, *self.ids, split.cut, split.end, returning)

    def searches(self, baselines: Sequence[str], seed: int) -> Iterator[tuple[str, MakeSearch]]:
        """The model first, then baselines, one at a time in memory."""
        fitted, users = self.model.fitted, self.data.users[self.holdout.users_Q]
        arrays = fitted.user_encoder.encode(users, self.data.split.cut), fitted.item_encoder.encode(self.data.items)
        yield TWO_TOWER, served_search(fitted.model, *arrays)
        for name in dict.fromkeys(baselines):
            yield name, baseline_search(fit_baseline(name, self.before, seed=seed), self.holdout.users_Q)


_COLUMNS = {
    **{"view": pl.String, "metric": pl.String, "k": pl.Int64, "system": pl.String},
    **dict.fromkeys(("value", "low", "high", "lead_low", "lead_high"), pl.Float64),
    "users": pl.Int64,
}


def _rows(system: str, found: Evaluation) -> Iterator[dict[str, Any]]:
    for name, value in found.metrics.items():
        if name.count("/") > 1:  # of a slice
            continue
        view, metric = name.split("/")
        metric, k = metric.split("@")
        bounds = (*found.intervals.get(name, _NO_INTERVAL), *found.leads.get(name, _NO_INTERVAL))
        row = {"view": view, "metric": metric, "k": int(k), "system": system, "value": value}
        yield row | dict(zip(list(_COLUMNS)[5:9], bounds, strict=True)) | {"users": found.users[view]}
