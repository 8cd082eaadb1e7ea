"""A collection as one file, which goes with its release: ids, stored fields, vectors, and a search graph if it has one.

The format is safetensors with the items as Parquet inside: nothing that could be code. The same collection gives the
same bytes. Vectors in half precision are not in it: to make them takes less time than to read and to hash them.
"""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import polars as pl

from feature_repo.whole_file import whole_file
from serving.index.base import CollectionInfo

FILE, FORMAT = "collection.safetensors", 1
_HEADER, _ITEMS, _VECTORS, _GRAPH = "header", "items", "vectors", "graph"


class CollectionFileError(ValueError):
    """A stored collection is not the one that was judged."""


@dataclass(frozen=True, kw_only=True, eq=False)
class StoredCollection:
    """Content of the file."""

    info: CollectionInfo
    items: pl.DataFrame
    """item_id and the stored fields, in order of id."""
    vectors_ND: np.ndarray
    """Their vectors, float32."""
    graph: np.ndarray | None = None
    """Search graph, uint8, as of `serving.search.half_precision`; None for a scan."""


def save(collection: StoredCollection, folder: Path) -> str:
    """Write a collection to `FILE` in a folder, whole at once, and return its SHA-256."""
    content = to_bytes(collection)
    with whole_file(folder / FILE) as partial:
        partial.write_bytes(content)
    return hashlib.sha256(content).hexdigest()


def load(path: Path, *, sha256: str, rows: int) -> StoredCollection:
    """Read a collection after comparing it with the manifest.

    Args:
        path: the file.
        sha256: its hash in the manifest.
        rows: number of items in the manifest.

    Raises:
        CollectionFileError: the file has another hash, format or number of items.
    """
    content = path.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise CollectionFileError(f"{path} has the hash {found}, wanted {sha256}: it was changed since it was judged")
    collection = from_bytes(content)
    shapes = len(collection.items), len(collection.vectors_ND), collection.info.rows
    if shapes != (rows, rows, rows):
        raise CollectionFileError(f"{path} holds {shapes[0]:,} items, wanted {rows:,}: it is another release's")
    return collection


def to_bytes(collection: StoredCollection) -> bytes:
    """Content of the file."""
    from safetensors.numpy import save as pack

    header = json.dumps({"format": FORMAT, "info": asdict(collection.info)}, sort_keys=True)
    table = io.BytesIO()
    collection.items.write_parquet(table)
    arrays: dict[str, np.ndarray] = {
        _HEADER: np.frombuffer(header.encode(), np.uint8),
        _ITEMS: np.frombuffer(table.getvalue(), np.uint8),
        _VECTORS: np.ascontiguousarray(collection.vectors_ND, dtype=np.float32),
    }
    if collection.graph is not None:
        arrays[_GRAPH] = collection.graph
    content: bytes = pack(arrays)
    return content


def from_bytes(content: bytes) -> StoredCollection:
    """Read the content of a file whose hash was verified.

    CollectionFileError for a format that this Gatehouse does not read.
    """
    from safetensors.numpy import load as unpack

    arrays = unpack(content)
    header = json.loads(arrays[_HEADER].tobytes())
    if header["format"] != FORMAT:
        raise CollectionFileError(f"the collection has format {header['format']}, this Gatehouse reads {FORMAT}")
    return StoredCollection(
        info=CollectionInfo(**header["info"]),
        items=pl.read_parquet(io.BytesIO(arrays[_ITEMS].tobytes())),
        vectors_ND=arrays[_VECTORS],
        graph=arrays.get(_GRAPH),
    )
