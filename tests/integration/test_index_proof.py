"""Proof of an index: vectors, fields and ids that were not judged are noticed."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from serving.index.base import Fields
from serving.index.lite_files import open_index
from serving.index.milvus import MilvusIndex
from serving.index.stored_fields import numbered
from serving.model.bundle import ModelBundle
from serving.registry import Registry
from serving.release import index_proof
from serving.release.index_proof import embeddings_problem
from serving.release.load import check_collection
from serving.release.manifest import Manifest, ReleaseError, collection_name
from serving.release.promotion import promote
from serving.settings import Settings
from tests.integration.release_world import (
    DATASET,
    ITEMS,
    empty_database,
    fresh_home,
    register,
    schema,
    seal_as,
    write_artifacts,
)


@pytest.fixture(scope="module")
def artifacts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_artifacts(tmp_path_factory.mktemp("artifacts") / "a", schema())


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return fresh_home(tmp_path / "home", empty_database(tmp_path / "empty"))


def overwrite(settings: Settings, version: int, ids: list[str], **changed: object) -> None:
    """Overwrite rows of a collection; their vectors are turned about unless a field changes."""
    name = collection_name(DATASET, version)
    with MilvusIndex(settings, Fields.of(schema())) as index:
        fields, vectors = index.fetch(name, ids), index.vectors(name, ids)
        stored = numbered(Fields.of(schema()).types)
        rows = [
            {
                "item_id": id_,
                **{stored[name]: value for name, value in (fields[id_] | changed).items()},
                "embedding": vectors[id_] if changed else vectors[id_][::-1],
            }
            for id_ in ids
        ]
        index._client.upsert(name, rows)
        index._client.flush(name)


def open_to_read(settings: Settings, manifest: Manifest) -> None:
    with open_index(settings, Fields.of(schema()), manifest.collection) as index:
        check_collection(index, manifest)


@pytest.mark.parametrize("quick_items", [0, 20_000])
def test_foreign_vectors_are_refused_at_load_and_promotion(
    settings: Settings, artifacts: Path, monkeypatch: pytest.MonkeyPatch, quick_items: int
) -> None:
    """The label of the collection stays what it was; by probes alone too."""
    monkeypatch.setattr(index_proof, "QUICK_ITEMS", quick_items)
    manifest = seal_as(settings, register(settings, artifacts))
    open_to_read(settings, manifest)
    overwrite(settings, 1, ["food05"])
    with pytest.raises(ReleaseError, match="stores other vectors"):
        open_to_read(settings, manifest)
    with pytest.raises(ReleaseError, match="stores other vectors"):
        promote(settings, DATASET, 1)
    assert Registry(settings, DATASET).champion() is None


def test_foreign_fields_are_refused_at_promotion(settings: Settings, artifacts: Path) -> None:
    """A filter would be answered by them."""
    seal_as(settings, register(settings, artifacts))
    overwrite(settings, 1, ["food05"], department="toys", price=5.0)
    with pytest.raises(ReleaseError, match="other ids or fields"):
        promote(settings, DATASET, 1)


def test_embeddings_that_were_not_evaluated_are_no_index(settings: Settings, artifacts: Path) -> None:
    version = register(settings, artifacts)
    name = collection_name(DATASET, version)
    vectors_ND = ModelBundle.from_folder(Registry(settings, DATASET).download(version)).item.embed(ITEMS)
    with MilvusIndex(settings, Fields.of(schema())) as index:
        order = np.random.default_rng(0).permutation(len(ITEMS))
        assert embeddings_problem(index, name, ITEMS["item_id"].gather(order), vectors_ND[order]) is None
        vectors_ND[3] = vectors_ND[3][::-1]
        problem = embeddings_problem(index, name, ITEMS["item_id"], vectors_ND)
        assert problem == "1 of 40 stored vectors are not those that were evaluated"
        fewer = embeddings_problem(index, name, ITEMS["item_id"][1:], vectors_ND[1:])
    assert fewer == "it stores other items than were evaluated"


def test_a_manifest_from_before_the_proof_is_read(settings: Settings, artifacts: Path) -> None:
    manifest = seal_as(settings, register(settings, artifacts))
    assert Manifest.from_json(manifest.to_json()) == manifest
    raw = json.loads(manifest.to_json())
    del raw["index_proof"]
    assert Manifest.from_json(json.dumps(raw)) == replace(manifest, index_proof=None)
