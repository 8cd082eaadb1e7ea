"""The collection of a release as a file beside its manifest, and the index that serves it.

Milvus is the store of record. The file lets a release serve where Milvus is away, and start without asking it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from feature_repo.schema import ITEM_ID
from serving.index.base import CollectionInfo, Fields, ItemIndex
from serving.index.collection_file import FILE, CollectionFileError, StoredCollection, load, save
from serving.index.exact import ExactIndex
from serving.index.lite_files import open_index
from serving.index.milvus import MilvusIndex
from serving.registry import Registry
from serving.registry.sqlite import open_registry
from serving.release.index_proof import vectors_hash
from serving.release.manifest import Manifest, ReleaseError
from serving.search.memory import default_graph
from serving.settings import Settings
from serving.variables import MILVUS


def store_collection(registry: Registry, version: int, index: ItemIndex, info: CollectionInfo) -> str:
    """Write a version's collection into its run, before the version is sealed.

    Args:
        registry: registry of the dataset.
        version: number of the version.
        index: index that holds the collection.
        info: description of the collection.

    Returns:
        The SHA-256 of the file, for the manifest.
    """
    items, vectors_ND = index.contents(info.name)
    graph = default_graph(vectors_ND)
    with tempfile.TemporaryDirectory() as folder:
        sha256 = save(StoredCollection(info=info, items=items, vectors_ND=vectors_ND, graph=graph), Path(folder))
        registry.write_file(version, Path(folder) / FILE)
    return sha256


def load_collection(registry: Registry, manifest: Manifest) -> StoredCollection:
    """Read the file of a release and verify it against the manifest.

    ReleaseError if it is missing or was changed.
    """
    assert manifest.collection_sha256 is not None
    try:
        path = registry.run_file(manifest.version, FILE)
        return load(path, sha256=manifest.collection_sha256, rows=manifest.item_count)
    except (CollectionFileError, OSError) as error:
        raise ReleaseError(f"{manifest.dataset} version {manifest.version}: {error}") from error


def check_stored(manifest: Manifest, stored: StoredCollection) -> None:
    """Raise ReleaseError unless a release's file holds the vectors that were judged."""
    if manifest.index_proof is None:
        return
    if vectors_hash(stored.items[ITEM_ID].to_list(), stored.vectors_ND) != manifest.index_proof.vectors:
        raise ReleaseError(
            f"{manifest.dataset} version {manifest.version}: the collection's file holds other vectors than were judged"
        )


@contextmanager
def open_served_index(settings: Settings, manifest: Manifest, fields: Fields) -> Iterator[ItemIndex]:
    """Yield the index that serves a release, by the setting of the searcher.

    Milvus itself where it is to search; else the release's file, or what the store of record holds for a release from
    before there was a file.

    Args:
        settings: the home and its services.
        manifest: manifest of the release.
        fields: the stored fields.

    Raises:
        ReleaseError: the file is missing or was changed.
    """
    if settings.search == MILVUS:
        with MilvusIndex(settings, fields) as milvus:
            yield milvus
    elif manifest.collection_sha256:
        stored = load_collection(open_registry(settings, manifest.dataset), manifest)
        exact = ExactIndex(fields)
        exact.hold(stored.info, stored.items, stored.vectors_ND, graph=stored.graph)
        yield exact
    else:
        with open_index(settings, fields, manifest.collection) as index:
            yield index
