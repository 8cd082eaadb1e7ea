"""Quality of versions and baselines on one night, measured on what users took until the next.

Legend: Q queries, N items known that night, M items of a version, K ranks.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
import polars as pl

from feature_repo.datasets.canonical import Tables
from feature_repo.encode import asked_at
from feature_repo.schema import ENTITY_TIME, ITEM_ID, USER_ID, Entity
from feature_repo.tables.build import LogSpan
from feature_repo.tables.join import join_as_of
from feature_repo.tables.known import known_at
from feature_repo.tables.parts import latest_parts
from orchestration.replay.versions import Versions
from orchestration.served_search import served_search
from serving.ranking import NOTHING
from training.baselines import CHEAP_BASELINES, Log, baseline_search, fit_baseline
from training.evaluation.evaluate import WHOLE, evaluate_systems
from training.evaluation.holdout import temporal_holdout
from training.retrieval.exact import MakeSearch, Mask

KS = (20,)
BASELINES = CHEAP_BASELINES
"""Baselines beside the versions: those that count, anew each night."""
KEPT = ("recall@20", "ndcg@20")
VIEWS = ("all", "repeat", "discovery")
SECONDS = "seconds"
"""Beside a baseline's metrics, what it cost to fit."""


def measure(
    history: Tables, versions: Versions, numbers: Sequence[int], start: datetime, end: datetime, *, seed: int
) -> tuple[dict[str, dict[str, float]], int]:
    """Measure versions and baselines on the events in [start, end).

    All know what was known before `start`: the users' features are of that moment, as the nightly load brings them.

    Args:
        history: canonical tables of the whole history.
        versions: kept versions.
        numbers: those to measure.
        start: moment of the requests.
        end: end of the interval.
        seed: random seed of the bootstrap.

    Returns:
        Metrics by `v{version}` and baseline, and the number of users; nothing where nobody was active.
    """
    known = known_at(history, start)
    users, items = known.users[USER_ID], known.items[ITEM_ID]
    # Who and what came later is none of these systems' business.
    after = history.events.filter(pl.col("timestamp") >= start, pl.col("timestamp") < end)
    after = after.filter(pl.col(USER_ID).is_in(users.implode()), pl.col(ITEM_ID).is_in(items.implode()))
    log, returning = pl.concat([known.events, after]), known.schema.seen_items_may_return
    holdout = temporal_holdout(log, users, items, start, end, returning)
    if not len(holdout.views()["all"].rows_V):
        return {}, 0
    asked = _features(known, users.gather(holdout.users_Q), start)
    seconds: dict[str, dict[str, float]] = {}

    def searches() -> Iterator[tuple[str, MakeSearch]]:
        for number in numbers:
            yield f"v{number}", _version_search(versions, number, asked, items)
        before = Log.before(known.events, users, items, start)
        for name in BASELINES:
            started = time.perf_counter()
            scores = fit_baseline(name, before, seed=seed)
            seconds[name] = {SECONDS: time.perf_counter() - started}
            yield name, baseline_search(scores, holdout.users_Q)

    measured = evaluate_systems(searches(), holdout, corpora={WHOLE: None}, ks=KS, seed=seed)[WHOLE]
    names = [f"{view}/{metric}" for view in VIEWS for metric in KEPT]
    metrics = {
        system: {name: each.metrics[name] for name in names if name in each.metrics} | seconds.get(system, {})
        for system, each in measured.items()
    }
    return metrics, len(holdout.users_Q)


def _features(known: Tables, users: pl.Series, moment: datetime) -> pl.DataFrame:
    """Features of some users as the online store has them after the load of a moment."""
    chosen = pl.DataFrame({USER_ID: users}).with_columns(pl.lit(moment, pl.Datetime("us")).alias(ENTITY_TIME))
    theirs = {name: getattr(known, name).join(chosen, on=USER_ID, how="semi") for name in ("users", "events")}
    parts = list(latest_parts(replace(known, **theirs), moment, log=LogSpan.of(known.events)))
    tables = {name: pl.concat(part[name] for part in parts) for name in parts[0]}
    return asked_at(join_as_of(chosen, tables, Entity.USER), moment)


def _version_search(versions: Versions, number: int, asked: pl.DataFrame, items: pl.Series) -> MakeSearch:
    """Search of a version over the items of today: it does not know those that came after its training.

    Args:
        versions: kept versions.
        number: the version.
        asked: features of the queries.
        items: ids of the items known that night.
    """
    towers, ids, vectors_MD = versions.load(number)
    there = ids.is_in(items.implode())
    own, vectors_MD = ids.filter(there), vectors_MD[there.to_numpy()]
    rows_M = own.replace_strict(items, np.arange(len(items)), return_dtype=pl.Int64).to_numpy()
    return _OverItems(served_search(towers, asked, towers.user.embed(asked), own, vectors_MD), rows_M)


@dataclass(frozen=True, eq=False)
class _OverItems(MakeSearch):
    """Search of some of the items, with their rows among all."""

    search: MakeSearch
    rows_M: np.ndarray
    """Row of each of its items among all N."""

    def lists(self, rows: np.ndarray, k: int, masks: Sequence[Mask]) -> list[np.ndarray]:
        """Lists under each mask, as of `MakeSearch`."""
        own = [
            Mask(
                exclude=None if mask.exclude is None else mask.exclude[:, self.rows_M],
                corpus=None if mask.corpus is None else mask.corpus[self.rows_M],
            )
            for mask in masks
        ]
        found = self.search.lists(rows, k, own)
        return [np.where(each_QK == NOTHING, NOTHING, self.rows_M[each_QK]).astype(np.int32) for each_QK in found]
