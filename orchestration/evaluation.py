"""Evaluation of a version beside the baselines and the champion.

Training and serving meet here and nowhere else.

Legend: Q users of the hold-out, N items of the corpus, D dimensions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from feature_repo.datasets.canonical import Tables
from feature_repo.progress import track
from feature_repo.schema import ITEM_ID, Entity
from orchestration.asset_files import features_folder
from orchestration.asset_values import Index, Source
from orchestration.champion import Champion, load_champion
from orchestration.difference import Difference, difference_of, item_names
from orchestration.drift import measure_drift
from orchestration.evaluated import CHAMPION, TWO_TOWER, Evaluated
from orchestration.holdout_window import Window
from orchestration.index_recall import sampled_index_recall
from orchestration.parity import measure_parity, sample_of
from orchestration.search_latency import measure_latency
from orchestration.seed_noise import seed_noise
from orchestration.served_search import ServedSearch, served_search
from serving.corpus import Corpus
from serving.gate.parity import Parity
from serving.model.bundle import ModelBundle
from serving.registry import Registry
from serving.registry.sqlite import open_registry
from serving.settings import Settings
from training.artifacts.bias import read_bias
from training.baselines import (
    BASELINES,
    Log,
    baseline_search,
    fit_baseline,
    too_large,
)
from training.evaluation.evaluate import evaluate_systems
from training.evaluation.holdout import Holdout
from training.evaluation.result import Evaluation
from training.evaluation.sanity import Measures, embedding_measures, list_measures
from training.retrieval.exact import MakeSearch, Mask

CORE_USERS = 10
"""Least users of an item of the core corpus, which makes results comparable with published tables."""
INDEX_K = 100
"""List length of the index recall, or the number of reranked candidates if that is larger."""
MAX_USERS = 50_000
"""Users that are evaluated; of more, a sample of this size, the same for every seed."""


def evaluate_version(
    settings: Settings,
    corpus: Corpus,
    value: Index,
    tables: Tables,
    vectors_ND: np.ndarray,
    *,
    baselines: Sequence[str],
    seed: int,
    log: Callable[[str], None],
    max_users: int = MAX_USERS,
    fields: Sequence[str] = (),
    windows: int = 0,
) -> Evaluated:
    """Measure version, baselines and champion on users active after the cut.

    Args:
        settings: home and services.
        corpus: items of its collection, with the searcher that serves.
        value: version and collection to measure.
        tables: canonical tables of the version's source.
        vectors_ND: embeddings of the corpus, by item id.
        baselines: names of the baselines to measure.
        seed: random seed of samples, resamples and baselines.
        log: told what is done next.
        max_users: users that are evaluated at most; of more, a sample.
        fields: fields by whose values slices are compared.
        windows: consecutive windows of the hold-out that are compared; 0 for none.
    """
    window = Window.of(value, tables, max_users=max_users)
    registry = Registry(settings, value.version.source.dataset)
    release = registry.download(value.version.version)
    towers = ModelBundle.from_folder(release)
    user_QD = towers.user.embed(window.asked)
    large = {name: reason for name in baselines if (reason := too_large(name, window.before))}
    champion = load_champion(settings, registry.dataset, value.version.version, tables, window.asked, window.corpus)
    own = served_search(towers, window.asked, user_QD, window.corpus[ITEM_ID], vectors_ND)
    searches = _searches(own, champion, [name for name in baselines if name not in large], window, seed, log)
    core_N, slices = _core(window.before), window.slices(value, tables, fields, windows)
    corpora = corpora_of(window.holdout, core_N)
    measured = evaluate_systems(
        searches, window.holdout, corpora=corpora, seed=seed, reference=TWO_TOWER, slices=slices
    )
    log("measuring recall and latency of the index")
    k = max(INDEX_K, towers.rescorer.candidates if towers.rescorer else 0)
    recall, index_users = sampled_index_recall(
        corpus, tables.schema, tables.items, user_QD, vectors_ND, window.never_again, k=k, seed=seed
    )
    latency = measure_latency(corpus, tables.schema, tables.items, user_QD, window.never_again, k=k, seed=seed)
    log("comparing features and answers online with those of the evaluation")
    parity = _parity(own, towers, corpus, value.version.source, window, tables, seed)
    return Evaluated(
        systems=measured["whole"],
        core=measured.get("core", {}),
        core_items=int(core_N.sum()),
        items=len(window.corpus),
        index_recall=recall,
        index_users=index_users,
        latency=latency,
        parity=parity,
        slice_values=dict(slices.values),
        drift=measure_drift(registry, value.version, tables.schema, champion.judged),
        sanity=_sanity(measured["whole"], window.holdout.popularity_N, user_QD, vectors_ND),
        difference=_difference(measured["whole"], window, tables, seed),
        seeds=seed_noise(
            open_registry(settings, registry.dataset), value.version.version, measured["whole"][TWO_TOWER].metrics
        ),
        bias=read_bias(release),
        notes=_notes(baselines, large),
        left_out=tuple(large.values()),
        champion=champion.version,
        champion_cut=champion.cut,
        champion_note=champion.note,
    )


def _searches(
    own: MakeSearch, champion: Champion, baselines: Sequence[str], window: Window, seed: int, log: Callable[[str], None]
) -> Iterator[tuple[str, MakeSearch]]:
    """Yield the search of each system, one after the other, so that only one is held in memory.

    Args:
        own: search of the version.
        champion: what serves, if anything does.
        baselines: names of the baselines to measure.
        window: hold-out of the version.
        seed: random seed of the baselines.
        log: told what is done next.
    """
    log(f"evaluating {TWO_TOWER} on {len(window.asked):,} users and {len(window.corpus):,} items")
    yield TWO_TOWER, own
    yield from _baselines(baselines, window, seed, log)
    if search := champion.search():
        log(f"evaluating the champion, version {champion.version}, by version {champion.judged}")
        yield CHAMPION, search


def _parity(
    own: ServedSearch, towers: ModelBundle, corpus: Corpus, source: Source, window: Window, tables: Tables, seed: int
) -> Parity:
    """Compare features and answers online with those of the evaluation, for a sample of users.

    Args:
        own: search of the version, as it was evaluated.
        towers: its towers.
        corpus: items of its collection, with the searcher that serves.
        source: its source.
        window: its hold-out.
        tables: canonical tables of the source.
        seed: random seed of the sample.
    """
    sample = sample_of(own, window.asked, Mask(exclude=window.never_again), seed=seed)
    return measure_parity(sample, features_folder(source), tables, source.cut, towers, corpus, window.corpus[ITEM_ID])


def _difference(systems: Mapping[str, Evaluation], window: Window, tables: Tables, seed: int) -> Difference | None:
    """Lists of the version beside those of the champion, if that was measured."""
    if CHAMPION not in systems:
        return None
    fields = [each.name for each in tables.schema.features_of(Entity.ITEM) if each.display]
    names_N = item_names(window.corpus[ITEM_ID], tables.items, fields)
    return difference_of(systems[TWO_TOWER], systems[CHAMPION], window.holdout, names_N, seed=seed)


def _sanity(
    systems: Mapping[str, Evaluation], popularity_N: np.ndarray, user_QD: np.ndarray, item_ND: np.ndarray
) -> dict[str, Measures]:
    """Measures of the lists of each system, and of the embeddings of the version.

    Args:
        systems: evaluations on the whole corpus.
        popularity_N: interactions with each item before the cut.
        user_QD: embeddings of the users.
        item_ND: embeddings of the corpus.
    """
    lists = {name: each.lists for name, each in systems.items()}
    found = {name: list_measures(each, popularity_N) for name, each in lists.items() if each is not None}
    return found | {TWO_TOWER: found[TWO_TOWER] | embedding_measures(user_QD, item_ND)}


def _baselines(
    names: Sequence[str], window: Window, seed: int, log: Callable[[str], None]
) -> Iterator[tuple[str, MakeSearch]]:
    """Fit one baseline after the other, so that only one is held in memory."""
    for name in track(names, "baselines"):
        log(f"evaluating the baseline {name}")
        yield name, baseline_search(fit_baseline(name, window.before, seed=seed), window.holdout.users_Q)


def _notes(baselines: Sequence[str], large: dict[str, str]) -> tuple[str, ...]:
    """Baselines that were not measured."""
    unasked = [name for name in BASELINES if name not in baselines]
    notes = [f"Baselines not asked for: {', '.join(unasked)}."] if unasked else []
    return (*notes, *(f"Baseline left out: {reason}." for reason in large.values()))


def corpora_of(holdout: Holdout, core_N: np.ndarray) -> dict[str, np.ndarray | None]:
    """Corpora to measure on: the core is left out where nobody takes an item of it after the cut."""
    has_core = len(holdout.views(core_N)["all"].rows_V) > 0
    return {"whole": None} | ({"core": core_N} if has_core else {})


def _core(log: Log) -> np.ndarray:
    """bool [N]: items that at least CORE_USERS users interacted with before the cut."""
    return np.bincount(log.histories().indices, minlength=log.items) >= CORE_USERS
