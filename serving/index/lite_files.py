"""The item index read straight from the files of Milvus Lite, without its engine.

Importing the engine and loading a collection by it takes longer than the answer to one
user. A finished collection of a FLAT index lies in files that anybody can read: Parquet
with the items, NumPy arrays with the vectors, JSON that names both. The engine searches
the same arrays by the same product, so the answers are equal. A build writes the JSON
last and whole, and never changes a finished collection, so no lock is needed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from feature_repo.schema import ITEM_ID
from serving.index.base import CollectionInfo, Fields, ItemIndex
from serving.index.collection_schema import VECTOR
from serving.index.exact import ExactIndex
from serving.index.milvus import MilvusIndex
from serving.index.milvus_reader import FINGERPRINT, ROWS
from serving.index.stored_fields import StoredFields
from serving.settings import EXACT, Settings

FORMATS = {"manifest.json": ("manifest_format_version", 2), "schema.json": ("schema_format_version", 2)}
"""Version of Milvus Lite's files that this module reads (Milvus Lite 3.2)."""
PARTITION = "_default"


@contextmanager
def open_index(settings: Settings, fields: Fields, name: str) -> Iterator[ItemIndex]:
    """Yield an index to read a collection from.

    It is read from the files of this home if they hold all of it, else through Milvus.

    Args:
        settings: the home and its services.
        fields: the stored fields.
        name: the collection.
    """
    uri = settings.milvus_uri
    stored = None if "://" in uri else read_collection(Path(uri) / "collections" / name, fields)
    if stored is None:
        with MilvusIndex(settings, fields) as index:
            yield index
    else:
        exact = ExactIndex(fields)
        exact.hold(*stored)
        yield exact


def read_collection(folder: Path, fields: Fields) -> tuple[CollectionInfo, pl.DataFrame, np.ndarray] | None:
    """Read a collection with its items in order of id.

    Args:
        folder: its folder in that of Milvus Lite.
        fields: the stored fields.

    Returns:
        Description, items and vectors; None if only the engine can read it: another
        format or index, deleted rows, or rows that are not flushed.
    """
    # An interrupted build leaves a log; its rows are in no file yet.
    if not all((folder / name).is_file() for name in FORMATS) or any((folder / "wal").glob("*")):
        return None
    manifest, schema = (json.loads((folder / name).read_text(encoding="utf-8")) for name in FORMATS)
    known = all(each[key] == version for each, (key, version) in zip((manifest, schema), FORMATS.values(), strict=True))
    if not known or not _is_plain(manifest):
        return None
    place = folder / "partitions" / PARTITION
    tables = [place / file for file in manifest["partitions"][PARTITION]["data_files"]]
    arrays = [place / "indexes" / f"{table.stem}.{VECTOR}.flat.idx" for table in tables]
    if not tables or not all(path.is_file() for path in arrays):
        return None
    stored = StoredFields.of(fields.types, schema["properties"], pl.read_parquet_schema(tables[0]))
    items = pl.read_parquet(tables, columns=[ITEM_ID, *stored.columns]).select(ITEM_ID, *stored.expressions())
    # Not read at once: the first search reads the pages that it needs.
    parts = [np.load(path, mmap_mode="r", allow_pickle=False) for path in arrays]
    vectors_ND = parts[0] if len(parts) == 1 else np.concatenate(parts)
    return _ordered(schema, items, vectors_ND)


def _ordered(
    schema: Mapping[str, Any], items: pl.DataFrame, vectors_ND: np.ndarray
) -> tuple[CollectionInfo, pl.DataFrame, np.ndarray] | None:
    """Put a collection in order of id.

    None if an id is there twice or lacks a vector.

    Args:
        schema: name and properties of the collection.
        items: ids and fields.
        vectors_ND: their vectors.
    """
    ids = items[ITEM_ID]
    if len(items) != len(vectors_ND) or ids.n_unique() != len(ids):
        return None
    if not ids.is_sorted():
        order = ids.arg_sort()
        items, vectors_ND = items[order], vectors_ND[order.to_numpy()]
    declared = schema["properties"]
    info = CollectionInfo(
        name=schema["collection_name"],
        rows=len(items),
        dim=vectors_ND.shape[1],
        fingerprint=declared.get(FINGERPRINT, ""),
        complete=str(len(items)) == declared.get(ROWS),
    )
    return info, items, vectors_ND


def _is_plain(manifest: Mapping[str, Any]) -> bool:
    """Whether a search is exact over the data files alone."""
    index, partitions = manifest["index_specs"].get(VECTOR, {}), manifest["partitions"]
    kind = (index.get("index_type"), index.get("metric_type"))
    return (
        kind == (EXACT.index_type, "IP")
        and list(partitions) == [PARTITION]
        and not partitions[PARTITION]["delta_files"]
    )
