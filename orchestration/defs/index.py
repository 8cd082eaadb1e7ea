"""Item embeddings and the item index."""

from pathlib import Path

import dagster as dg
import numpy as np
import polars as pl

from orchestration.asset_files import EMBEDDINGS, read_embeddings, read_tables, version_folder, write_embeddings
from orchestration.asset_values import Embeddings, Index, Version
from orchestration.workspace import Workspace, fill
from serving.index.base import Fields
from serving.index.milvus import MilvusIndex
from serving.model.bundle import ModelBundle
from serving.registry import Registry
from serving.release.manifest import collection_name
from training.data.interactions import at


@dg.asset(group_name="index", compute_kind="pytorch")
def item_embeddings(workspace: Workspace, towers: Version) -> dg.Output[Embeddings]:
    """Item embeddings of the corpus, by the last weekly snapshot before the cut."""
    source = towers.source
    path = version_folder(towers) / EMBEDDINGS

    def build(partial: Path) -> None:
        loaded = ModelBundle.from_folder(Registry(workspace.settings, source.dataset).download(towers.version))
        corpus = at(pl.scan_parquet(towers.frames / "item_snapshots.parquet"), source.cut, week=True)
        write_embeddings(corpus["item_id"], loaded.item.embed(corpus), partial / path.name)

    built = fill(path.parent, build)
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
    tables = read_tables(version.source)
    fields = Fields.of(tables.schema)
    ids, vectors = read_embeddings(item_embeddings.path)
    items = tables.items.select("item_id", *fields.types)
    name = collection_name(version.source.dataset, version.version)
    with MilvusIndex(workspace.settings, fields) as index:
        info = index.build(name, ids.to_frame().join(items, on="item_id", maintain_order="left"), vectors)
    return dg.Output(
        Index(version=version, embeddings=item_embeddings.path, collection=name),
        metadata={"collection": name, "items": info.rows, "dimensions": info.dim, "fields": list(fields.types)},
    )
