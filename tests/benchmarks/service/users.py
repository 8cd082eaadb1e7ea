"""Users of a release: who they are, their vectors, and what one answer costs in a bare loop."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from feature_repo.encode.request import RequestEncoder
from feature_repo.schema import USER_ID, Entity
from feature_repo.store.sqlite_online import open_store
from feature_repo.store.store import Store
from serving.corpus import Corpus
from serving.index.base import Fields
from serving.release.collection import open_served_index
from serving.release.load import Release
from serving.settings import Settings

SEED, USERS = 0, 500


def users_of(settings: Settings, dataset: str, least: int) -> list[str]:
    """Some users with a history of at least so many items."""
    release = Release.load(settings, dataset, quick_start=True)
    store = _store(settings, release)
    known = store.known(Entity.USER)
    name = release.towers.user.encoder.histories[0].name
    lists = store.read_rows(Entity.USER, known).columns[f"{name}_items"]
    found = [user for user, items in zip(known, lists, strict=True) if len(items or ()) >= least]
    return np.random.default_rng(SEED).permutation(found)[:USERS].tolist()


def vectors_of(settings: Settings, dataset: str, users: Sequence[str]) -> np.ndarray:
    """Vectors of users, float32 [B, D]."""
    release = Release.load(settings, dataset, quick_start=True)
    rows = _store(settings, release).read_rows(Entity.USER, users)
    encoder = RequestEncoder(release.towers.user.encoder)
    return release.towers.user.program(encoder.encode({USER_ID: rows.ids, **rows.columns}, rows.times_B))


def corpus_of(settings: Settings, dataset: str) -> Corpus:
    """Items of the champion with the searcher that serves them."""
    release = Release.load(settings, dataset, quick_start=True)
    fields = Fields.of(release.schema)
    with open_served_index(settings, release.manifest, fields) as index:
        return Corpus.of(index, release.manifest.collection, fields)


def floor(settings: Settings, dataset: str, corpus: Corpus, users: Sequence[str], k: int) -> tuple[float, float]:
    """Milliseconds of one answer in a bare loop: median and 99th percentile.

    Args:
        settings: the home.
        dataset: name of the dataset.
        corpus: its items.
        users: users who are asked for, one after the other.
        k: number of items.
    """
    release = Release.load(settings, dataset, quick_start=True)
    store = _store(settings, release)
    encoder, tower = RequestEncoder(release.towers.user.encoder), release.towers.user.program
    taken = []
    for user in [*users[:20], *users]:
        started = time.perf_counter()
        rows = store.read_rows(Entity.USER, [user])
        user_1D = tower(encoder.encode({USER_ID: rows.ids, **rows.columns}, rows.times_B))
        corpus.searcher.search(user_1D, k)
        taken.append(time.perf_counter() - started)
    return tuple(1e3 * np.percentile(taken[20:], (50, 99)))  # type: ignore[return-value]


def _store(settings: Settings, release: Release) -> Store:
    return open_store(release.schema, settings.feast_home, online=settings.online_store)
