"""Opening what answers: the champion with its own online features and its own collection."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from feature_repo.errors import InputError
from feature_repo.store.store import Store
from serving.index.base import Fields
from serving.index.milvus import MilvusIndex
from serving.release.load import Release
from serving.retriever import Retriever
from serving.settings import Settings


@contextmanager
def open_retriever(settings: Settings, dataset: str) -> Iterator[Retriever]:
    """The champion of a dataset, ready to answer; closes the index at the end. ReleaseError without a champion."""
    release = Release.load(settings, dataset)
    store = Store(release.schema, settings.feast_home, online=settings.online_store)
    with MilvusIndex(settings, Fields.of(release.schema)) as index:
        yield Retriever(release, store, index)


def recommend_all(settings: Settings, dataset: str, k: int, where: str | None, out: Path) -> int:
    """Write the k best items of every user in the feature store to a Parquet file; returns the rows."""
    if not out.absolute().parent.is_dir():
        raise InputError(f"{out}: the folder {out.absolute().parent} does not exist")
    with open_retriever(settings, dataset) as retriever:
        rows = retriever.recommend_all(retriever.known_users(), k, where)
    partial = out.with_name(f"{out.name}.partial")
    rows.write_parquet(partial)
    partial.replace(out)
    return rows.height
