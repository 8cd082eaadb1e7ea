"""Item embeddings and the item index."""

from pathlib import Path

import dagster as dg
import numpy as np
import polars as pl

from orchestration.asset_files import EMBEDDINGS, read_embeddings, read_tables, version_folder, write_embeddings
from orchestration.asset_values import Embeddings, Index, Version
from orchestration.workspace import Workspace, fill
from serving.index.base import CollectionInfo, Fields
from serving.index.milvus import MilvusIndex
from serving.model.bundle import ModelBundle
from serving.registry import Registry
from serving.release.manifest import collection_name
from training.data.interactions import at


@dg.asset(group_name="index", compute_kind="pytorch")
def item_embeddings(workspace: Workspace, towers: Version) -> dg.Output[Embeddings]:
    """Item embeddings of the corpus, by the last weekly snapshot before the cut."""
    path, built = embed_items(workspace, towers)
    ids, vectors = read_embeddings(path)
    return dg.Output(
        Embeddings(version=towers, path=path),
        metadata={
            "items": len(ids),
            "dimensions": vectors.shape[1],
            "length of the mean embedding": float(np.linalg.norm(vectors.mean(axis=0))),
            "path": dg.MetadataValue.path(str(path)),
            "reused": not built,
        },
    )


@dg.asset(group_name="index", compute_kind="milvus")
def item_index(workspace: Workspace, item_embeddings: Embeddings) -> dg.Output[Index]:
    """Collection of the version in Milvus, with the filterable and displayed fields."""
    version = item_embeddings.version
    info, fields = build_index(workspace, version, item_embeddings.path)
    return dg.Output(
        Index(version=version, embeddings=item_embeddings.path, collection=info.name),
        metadata={"collection": info.name, "items": info.rows, "dimensions": info.dim, "fields": list(fields.types)},
    )


def embed_items(workspace: Workspace, version: Version) -> tuple[Path, bool]:
    """Embed the corpus of a version, unless it is; with whether it was embedded here."""
    source, path = version.source, version_folder(version) / EMBEDDINGS

    def build(partial: Path) -> None:
        loaded = ModelBundle.from_folder(Registry(workspace.settings, source.dataset).download(version.version))
        corpus = at(pl.scan_parquet(version.frames / "item_snapshots.parquet"), source.cut, week=True)
        write_embeddings(corpus["item_id"], loaded.item.embed(corpus), partial / path.name)

    return path, fill(path.parent, build)


def build_index(workspace: Workspace, version: Version, embeddings: Path) -> tuple[CollectionInfo, Fields]:
    """Build the collection of a version, unless it is there; with its fields.

    Args:
        workspace: the run's options.
        version: the version.
        embeddings: file of its embeddings.
    """
    tables = read_tables(version.source)
    fields = Fields.of(tables.schema)
    ids, vectors = read_embeddings(embeddings)
    items = tables.items.select("item_id", *fields.types)
    name = collection_name(version.source.dataset, version.version)
    with MilvusIndex(workspace.settings, fields) as index:
        return index.build(name, ids.to_frame().join(items, on="item_id", maintain_order="left"), vectors), fields
