"""The collection's file of a release: it serves without Milvus, and no other file does."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from serving.corpus import Corpus
from serving.index.base import Fields
from serving.index.collection_file import FILE
from serving.index.milvus import MilvusIndex
from serving.registry import Registry
from serving.registry.sqlite import open_registry
from serving.release.collection import load_collection, open_served_index
from serving.release.load import check_collection
from serving.release.manifest import Manifest, ReleaseError
from serving.release.promotion import promote
from serving.search import IndexSearcher, MemorySearcher
from serving.settings import Settings
from serving.variables import MILVUS
from tests.integration.release_world import (
    DATASET,
    empty_database,
    fresh_home,
    register,
    schema,
    seal_as,
    write_artifacts,
)

FIELDS = Fields.of(schema())
FILTER = 'department == "food" and price > 3'


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Settings, Manifest]:
    root = tmp_path_factory.mktemp("sealed")
    settings = fresh_home(root / "home", empty_database(root / "template"))
    return settings, seal_as(settings, register(settings, write_artifacts(root / "a", schema())))


def file_of(settings: Settings) -> Path:
    return open_registry(settings, DATASET).run_file(1, FILE)


def answers(settings: Settings, manifest: Manifest) -> tuple[Corpus, list[str]]:
    with open_served_index(settings, manifest, FIELDS) as index:
        check_collection(index, manifest)
        corpus = Corpus.of(index, manifest.collection, FIELDS)
        rows_QK, _ = corpus.searcher.search(np.array([[0.6, 0.8]], np.float32), 5, corpus.matches(FILTER))
        return corpus, [corpus.ids[row] for row in rows_QK[0]]


def test_milvus_and_the_file_give_the_same_answers(sealed: tuple[Settings, Manifest]) -> None:
    settings, manifest = sealed
    by_file, found = answers(settings, manifest)
    by_milvus, other = answers(replace(settings, search=MILVUS), manifest)
    assert isinstance(by_file.searcher, MemorySearcher) and isinstance(by_milvus.searcher, IndexSearcher)
    assert found == other
    assert len(set(found)) == 5 and all(id_.startswith("food") for id_ in found)
    assert by_file.items.equals(by_milvus.items)


def test_a_release_serves_where_milvus_is_away(sealed: tuple[Settings, Manifest]) -> None:
    settings, manifest = sealed
    away = replace(settings, milvus_server="http://127.0.0.1:1")
    assert answers(away, manifest)[1] == answers(settings, manifest)[1]


def test_a_release_without_a_file_is_served_from_the_store_of_record(sealed: tuple[Settings, Manifest]) -> None:
    settings, manifest = sealed
    _, found = answers(settings, manifest)
    assert answers(settings, replace(manifest, collection_sha256=None))[1] == found


def test_mlflow_and_its_sqlite_file_name_the_same_file(sealed: tuple[Settings, Manifest]) -> None:
    settings, _ = sealed
    assert Registry(settings, DATASET).run_file(1, FILE).read_bytes() == file_of(settings).read_bytes()
    for registry in (Registry(settings, DATASET), open_registry(settings, DATASET)):
        with pytest.raises(FileNotFoundError, match=r"has no nothing\.txt"):
            registry.run_file(1, "nothing.txt")


@pytest.mark.parametrize("is_gone", [False, True])
def test_a_changed_file_neither_serves_nor_is_promoted(
    sealed: tuple[Settings, Manifest], tmp_path: Path, is_gone: bool
) -> None:
    settings, manifest = sealed
    path = file_of(settings)
    shutil.copy(path, tmp_path)
    try:
        path.unlink() if is_gone else path.write_bytes(path.read_bytes()[:-1] + b"!")
        wanted = "has no collection" if is_gone else "has the hash"
        with pytest.raises(ReleaseError, match=wanted):
            answers(settings, manifest)
        with pytest.raises(ReleaseError, match=wanted):
            load_collection(Registry(settings, DATASET), manifest)
    finally:
        shutil.copy(tmp_path / FILE, path)
    assert answers(settings, manifest)


def test_a_collection_that_differs_from_the_file_is_not_promoted(sealed: tuple[Settings, Manifest]) -> None:
    settings, manifest = sealed
    path = file_of(settings)
    content = path.read_bytes()
    path.write_bytes(b"other")
    try:
        with pytest.raises(ReleaseError, match="has the hash"):
            promote(settings, DATASET, 1)
    finally:
        path.write_bytes(content)
    assert Registry(settings, DATASET).champion() is None
    with MilvusIndex(settings, FIELDS) as index:
        assert index.target(manifest.alias) is None
