"""Evaluation of a version beside the baselines and the champion: the one place where training and serving meet.

Legend: Q users of the hold-out, N items of the corpus, D dimensions.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial

import numpy as np
import polars as pl

from feature_repo.datasets.canonical import Tables
from feature_repo.schema import ITEM_ID, Entity, Kind
from orchestration.asset_values import Index
from serving.index.base import ItemIndex
from serving.model.bundle import ModelBundle
from serving.model.rescorer import QUERY
from serving.registry import Registry
from serving.release.load import Release
from serving.settings import Settings
from training.baselines import Log, baseline_search, fit_baselines
from training.data.interactions import at
from training.evaluation.evaluate import Evaluation, evaluate
from training.evaluation.holdout import Holdout, temporal_holdout
from training.evaluation.metrics import index_recall
from training.retrieval.exact import MakeSearch, exact_search
from training.retrieval.rescored import reranked_search, rescored_search

TWO_TOWER, CHAMPION = "two_tower", "champion"
CORE_USERS = 10
"""The core corpus, for comparison with published tables: items that at least so many users interacted with."""
INDEX_K = 100
"""Index recall is that of so many items, or of the candidates that are ranked anew, if these are more."""


@dataclass(frozen=True, kw_only=True)
class Evaluated:
    """Everything measured on the hold-out of one version.

    systems: exact retrieval over the whole corpus, by system name; core: the same over the core corpus of `core_items`
    items. index_recall: share of the exact top INDEX_K that the built index returns, under serving's filters.
    champion_note: why the champion could not be compared, if so.
    """

    systems: dict[str, Evaluation]
    core: dict[str, Evaluation]
    core_items: int
    items: int
    index_recall: float
    champion: int | None
    champion_cut: datetime | None
    champion_note: str | None

    def to_json(self) -> str:
        raw = {**vars(self), "champion_cut": self.champion_cut and self.champion_cut.isoformat()}
        for part in ("systems", "core"):
            raw[part] = {name: json.loads(each.to_json()) for name, each in getattr(self, part).items()}
        return json.dumps(raw, indent=1)

    @classmethod
    def from_json(cls, text: str) -> Evaluated:
        raw = json.loads(text)
        for part in ("systems", "core"):
            raw[part] = {name: Evaluation.from_json(json.dumps(each)) for name, each in raw[part].items()}
        cut = raw["champion_cut"]
        return cls(**{**raw, "champion_cut": cut and datetime.fromisoformat(cut)})


def evaluate_version(
    settings: Settings,
    index: ItemIndex,
    value: Index,
    tables: Tables,
    vectors_ND: np.ndarray,
    *,
    seed: int,
    log: Callable[[str], None],
) -> Evaluated:
    """Measure the version, the baselines and the champion on the same hold-out: the users active after the cut."""
    source, frames = value.version.source, value.version.frames
    users = at(pl.read_parquet(frames / "queries.parquet"), source.cut)
    corpus = at(pl.read_parquet(frames / "item_snapshots.parquet"), source.cut, week=True)
    holdout = temporal_holdout(
        tables.events,
        users["user_id"],
        corpus["item_id"],
        source.cut,
        source.as_of,
        tables.schema.seen_items_may_return,
    )
    registry = Registry(settings, source.dataset)
    asked = users[holdout.users_Q]
    towers = ModelBundle.from_folder(registry.download(value.version.version))
    user_QD = towers.user.embed(asked)
    searches: dict[str, MakeSearch] = {TWO_TOWER: served_search(towers, asked, user_QD, corpus["item_id"], vectors_ND)}
    before = interactions_before(tables.events, users["user_id"], corpus["item_id"], source.cut)
    log("fitting baselines")
    scores = fit_baselines(before, seed=seed)
    searches |= {name: baseline_search(score, holdout.users_Q) for name, score in scores.items()}
    champion, note = _champion(settings, registry, value, asked, corpus)
    if champion and not note:
        embedded = champion.embed_users(asked), corpus["item_id"], champion.embed_items(corpus)
        searches[CHAMPION] = served_search(champion.towers, asked, *embedded)
    core_N = _core(before)
    systems, core = _measured(searches, holdout, core_N, seed, log)
    log("measuring index recall")
    return Evaluated(
        systems=systems,
        core=core,
        core_items=int(core_N.sum()),
        items=len(corpus),
        index_recall=_index_recall(
            index,
            value.collection,
            tables,
            user_QD,
            partial(exact_search, user_QD, vectors_ND),
            max(INDEX_K, towers.rescorer.candidates if towers.rescorer else 0),
        ),
        champion=champion.manifest.version if champion else None,
        champion_cut=champion.manifest.cut if champion else None,
        champion_note=note,
    )


def _measured(
    searches: dict[str, MakeSearch], holdout: Holdout, core_N: np.ndarray, seed: int, log: Callable[[str], None]
) -> tuple[dict[str, Evaluation], dict[str, Evaluation]]:
    """Every system on the whole corpus and on the core corpus, the others beside the version."""
    systems, core = {}, {}
    for name, search in searches.items():
        log(f"evaluating {name}")
        systems[name] = evaluate(search, holdout, seed=seed)
        if core_N.any():
            core[name] = evaluate(search, holdout, seed=seed, corpus=core_N)
    for part in (systems, core):
        part |= {name: each.beside(part[TWO_TOWER], seed=seed) for name, each in part.items() if name != TWO_TOWER}
    return systems, core


def served_search(
    towers: ModelBundle, asked: pl.DataFrame, user_QD: np.ndarray, corpus: pl.Series, item_ND: np.ndarray
) -> MakeSearch:
    """Exact search by the scores that a version serves: with those of its re-scorer, where it has one."""
    from scipy.sparse import csr_array

    rescorer = towers.rescorer
    if rescorer is None:
        return partial(exact_search, user_QD, item_ND)
    vectors = dict(zip(corpus, item_ND, strict=True))
    if rescorer.candidates:

        def rescore(query_P: np.ndarray, item_P: np.ndarray) -> np.ndarray:
            pairs = pl.DataFrame({QUERY: query_P.astype(np.int64), ITEM_ID: corpus.gather(item_P)})
            pairs = pairs.with_columns(place=pl.int_range(pl.len(), dtype=pl.Int64).over(QUERY))
            return rescorer.score(asked, user_QD, vectors, pairs)["score"].to_numpy()

        return partial(reranked_search, user_QD, item_ND, rescore, rescorer.candidates)
    owned = rescorer.places(asked, vectors if towers.schema.seen_items_may_return else {})
    query_P = owned[QUERY].to_numpy()
    item_P = owned[ITEM_ID].replace_strict(corpus, np.arange(len(corpus)), return_dtype=pl.Int64).to_numpy()
    score_P = rescorer.score(asked, user_QD, vectors, owned)["score"].to_numpy()
    added_P = (score_P - np.einsum("pd,pd->p", user_QD[query_P], item_ND[item_P])).astype(np.float32)
    repeat = csr_array((added_P, (query_P, item_P)), shape=(len(user_QD), len(item_ND)))
    return partial(rescored_search, user_QD, item_ND, repeat)


def _champion(
    settings: Settings, registry: Registry, value: Index, asked: pl.DataFrame, corpus: pl.DataFrame
) -> tuple[Release | None, str | None]:
    """The champion as released, if it is another version; with a note if it cannot be measured on these users."""
    version = registry.champion()
    if version is None or version == value.version.version:
        return None, None
    release = Release.load(settings, registry.dataset, version)
    encoders = {Entity.USER: (release.towers.user.encoder, asked), Entity.ITEM: (release.towers.item.encoder, corpus)}
    absent = [
        name
        for encoder, frame in encoders.values()
        for feature in encoder.features
        for name in feature.columns
        if name not in frame.columns
    ]
    if absent:
        return release, f"champion {version} needs features that this schema no longer has: {', '.join(absent)}"
    return release, None


def interactions_before(events: pl.DataFrame, users: pl.Series, corpus: pl.Series, cut: datetime) -> Log:
    """What the baselines learn from: the events that happened and were known before the cut."""
    known = events.filter(pl.max_horizontal("timestamp", "created") < cut)
    days = (pl.lit(cut) - pl.col("timestamp")).dt.total_seconds() / 86_400
    return Log(
        user_rows=known["user_id"].replace_strict(users, np.arange(len(users))).to_numpy(),
        item_rows=known["item_id"].replace_strict(corpus, np.arange(len(corpus))).to_numpy(),
        days=known.select(days).to_series().to_numpy(),
        users=len(users),
        items=len(corpus),
    )


def _core(log: Log) -> np.ndarray:
    """bool [N]: items that at least CORE_USERS users interacted with before the cut."""
    pairs = np.unique(log.item_rows.astype(np.int64) * log.users + log.user_rows)
    return np.bincount(pairs // log.users, minlength=log.items) >= CORE_USERS


def _index_recall(index: ItemIndex, name: str, tables: Tables, user_QD: np.ndarray, exact: MakeSearch, k: int) -> float:
    """Share of the exact top k that the built index returns to the users of the hold-out: the lowest of a search
    without a filter and of one for each field that serving may filter on, by its most frequent value."""
    items = tables.items
    fields = [f.name for f in tables.schema.features_of(Entity.ITEM) if f.filterable and f.kind is Kind.CATEGORICAL]
    frequent = {field: items[field].drop_nulls().value_counts(sort=True)[field][0] for field in fields}
    filters: list[tuple[str | None, np.ndarray | None]] = [(None, None)]
    for field, value in frequent.items():
        filters.append((f"{field} == {json.dumps(value)}", (items[field] == value).fill_null(False).to_numpy()))
    return min(_recall(index, name, items["item_id"], user_QD, exact, k, *each) for each in filters)


def _recall(
    index: ItemIndex,
    name: str,
    corpus: pl.Series,
    user_QD: np.ndarray,
    exact: MakeSearch,
    k: int,
    where: str | None,
    matches_N: np.ndarray | None,
) -> float:
    hits = index.search(name, user_QD, k, where)
    found = pl.DataFrame(
        {"query": range(len(user_QD)), "item": hits.ids}, schema_overrides={"item": pl.List(pl.String)}
    )
    found = found.filter(pl.col("item").list.len() > 0).explode("item")
    place = pl.int_range(pl.len()).over("query")
    found = found.with_columns(place=place, row=pl.col("item").replace_strict(corpus, np.arange(len(corpus))))
    found_QK = np.full((len(user_QD), k), -1, np.int32)
    found_QK[found["query"].to_numpy(), found["place"].to_numpy()] = found["row"].to_numpy()
    return index_recall(exact(exclude=None, corpus=matches_N)(np.arange(len(user_QD)), k), found_QK)
